"""Each start of the shim continues from the snapshot in its tree; without one that fits, it does the same."""

from __future__ import annotations

import contextlib
import errno
import json
from typing import TYPE_CHECKING

import pytest

from support.containers import INSTANCE_ID
from support.paths import ROOT
from support.shimcontainers import INSTANCE_ID_ASKED, Application, application

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.containers import Docker

TREE = "/opt/imds-shim"
OTHER = "/root/closed/tree"
"""A copy, in a directory that only root may enter."""
SNAPSHOT = f"{OTHER}/lib/snapshot"
APP = "4321:4322"


@pytest.fixture(scope="module")
def app(docker: Docker, tools_image: str, network: str, mock: str) -> Iterator[Application]:
    del mock  # it only has to be there
    options = ("--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined", "--env", "MOCK_TIMEOUT_SECONDS=20")
    with application(docker, tools_image, *options, networks=[network]) as made:
        made.run("mkdir", "--mode", "700", "/root/closed")
        yield made


@pytest.fixture
def copied(app: Application) -> Iterator[Application]:
    app.run("cp", "--archive", TREE, OTHER)
    yield app
    app.run("rm", "--recursive", OTHER)
    app.shim("--remove")


# Sends a signal to a start that waits, and prints how much it has read: bytes, and the number of system calls.
READS = """
: >/tmp/said
MOCK_HOSTNAME=never.invalid "$1/bin/imds-shim" true 2>>/tmp/said &
until grep -q waiting /tmp/said; do :; done
awk '/rchar|syscr/ {print $2}' "/proc/$!/io"
kill $!
wait $! || true
"""


def test_a_start_reads_the_snapshot_in_place_of_modules(copied: Application) -> None:
    """Each module that is imported takes one read, as in the first seconds without a snapshot."""
    listed = copied.run("stat", "--format", "%s", SNAPSHOT).stdout
    words = ("timeout", "60", "bash", "-c", READS, "bash", OTHER)
    read_bytes, reads = map(int, copied.run(*words).stdout.split())
    assert read_bytes > int(listed)
    copied.run("rm", SNAPSHOT)
    bytes_without, reads_without = map(int, copied.run(*words).stdout.split())
    assert bytes_without < int(listed)
    assert reads < reads_without / 2, "with a snapshot, only the few modules that it does not contain are read"


# What a start takes from its process and passes on, and the ways to end: each time exit code and output.
BEHAVIOUR = r"""
shim=$1/bin/imds-shim
tell() {
  echo "$?"
  cat --show-all /tmp/out /tmp/err
}
ran() {
  timeout 60 "$@" >/tmp/out 2>/tmp/err
  tell
}
ran env -i MOCK_HOSTNAME=mock_metadata A= A=2 B=$'\xff\n' TZ=Asia/Tokyo "$shim" cat /proc/self/environ
ran "$shim" printf '%s|' '' 'two words' $'\xff\xfe'
ran "$shim" sh -c 'ls /proc/self/fd; umask; pwd; exit 9'
ran "$shim" sh -c 'kill -s KILL $$'
ran env MOCK_USER=4321:4322 "$shim" sh -c 'id; grep -E "^(Cap|Sig[PBIC]|NoNew)" /proc/self/status'
ran env MOCK_USER=4321:4322 MOCK_FOLLOW=1 MOCK_LOG_LEVEL=debug "$shim" no-such-command
ran env MOCK_BACKEND=nft "$shim" /etc/passwd
ran "$shim" --remove
ran env MOCK_BACKEND=legacy "$shim" true
ran env MOCK_FOLLOW=1 "$shim" sh -c 'exit 3'
ran "$shim" --remove
ran "$shim" --version
ran "$shim" --help
ran "$shim" --wrong
ran env MOCK_PORT=wrong MOCK_REGOIN=x "$shim" true
ran env MOCK_HOSTNAME=224.0.0.1 "$shim" true
(trap '' HUP USR1 XFSZ CHLD; ran "$shim" grep "^Sig[PBIC]" /proc/self/status)
(umask 027; cd /var; ran "$shim" sh -c 'umask; pwd')
for words in --version --wrong 'ls /proc/self/fd'; do
  echo input | "$shim" $words >/tmp/out 2>/tmp/err <&-; tell
  "$shim" $words 2>/tmp/err >&-; tell
  "$shim" $words >/tmp/out 2>&-; tell
  "$shim" $words >&- 2>&- <&-; tell
done
echo input | "$shim" cat >/tmp/out 2>/tmp/err; tell
"$shim" --remove
"""


def behaviour(app: Application) -> str:
    return app.run("bash", "-c", BEHAVIOUR, "bash", OTHER, MOCK_HOSTNAME="mock_metadata").stdout.replace(OTHER, TREE)


def test_a_tree_without_its_snapshot_behaves_the_same(copied: Application) -> None:
    told = behaviour(copied)
    for trace in ("Traceback", "defect", "Fatal", "No such file or directory: "):
        assert trace not in told
    for wanted in ("uid=4321 gid=4322", "is not in PATH", "not executable", "removed 1 rule"):
        assert wanted in told
    copied.run("rm", SNAPSHOT)
    assert behaviour(copied) == told


# As it may be after a copy that failed or a mistake. `$1` is the file, `$2` one of another program.
UNUSABLE = {
    "empty": ': >"$1"',
    "a byte is missing": 'truncate --size=-1 "$1"',
    "half of it is missing": 'truncate --size=1M "$1"',
    "only its header is there": 'truncate --size=72 "$1"',
    "one byte more": 'echo >>"$1"',
    "of another program": r'printf "\0" | dd of="$1" conv=notrunc status=none',
    "another number of pieces": r'printf "\377\377" | dd of="$1" seek=52 bs=1 conv=notrunc status=none',
    "a piece is elsewhere": r'printf "\377\377" | dd of="$1" seek=796 bs=1 conv=notrunc status=none',
    "a directory": 'rm "$1" && mkdir "$1"',
    "a named pipe": 'rm "$1" && mkfifo "$1"',
    "a device": 'rm "$1" && ln -s /dev/zero "$1"',
    "a link to itself": 'rm "$1" && ln -s snapshot "$1"',
}


@pytest.mark.parametrize("damage", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_snapshot_is_not_used(copied: Application, damage: str) -> None:
    copied.run("sh", "-ec", damage, "sh", SNAPSHOT)
    done = copied.run("timeout", "60", f"{OTHER}/bin/imds-shim", "--version", check=False)
    version = (ROOT / "VERSION").read_text(encoding="ascii").strip()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"imds-shim {version}\n", "")


REGION = 64 << 30
"""The address of the memory in a snapshot (shim/interpreter/memory.c)."""
REFUSED_SNAPSHOT = {
    "the address, for lack of memory": ("mmap", REGION, errno.ENOMEM),
    "the address, for a rule": ("mmap", REGION, errno.EPERM),
    "reading into several places": ("preadv", None, errno.EPERM),
    "reading into several places, as unknown": ("preadv", None, errno.ENOSYS),
}
"""What a kernel or a seccomp profile may refuse: a system call, its first argument, and the error."""
STRICT = {
    "SCMP_ACT_ERRNO": ["madvise", "membarrier", "mremap", "prlimit64", "rseq", "set_robust_list", "statx"],
    "SCMP_ACT_KILL_PROCESS": [
        *("io_uring_setup", "memfd_create", "mlock", "mlock2", "mlockall", "personality", "pkey_alloc"),
        *("pkey_mprotect", "process_madvise", "process_vm_readv", "ptrace", "remap_file_pages", "userfaultfd"),
    ],
}
"""What no start needs: system calls that a strict profile refuses, and others for which it ends the process."""


@contextlib.contextmanager
def application_under(
    docker: Docker, image: str, network: str, file: Path, rules: list[dict[str, object]]
) -> Iterator[Application]:
    """Run an application under a seccomp profile with these rules, which allows everything else."""
    file.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}))
    with application(docker, image, "--security-opt", f"seccomp={file}", networks=[network]) as made:
        yield made


def snapshot_bytes(app: Application) -> int:
    """Return the size of the snapshot, without the system call of `stat`."""
    return int(app.run("wc", "--bytes", f"{TREE}/lib/snapshot").stdout.split()[0])


def starts_and_reads(app: Application) -> int:
    """Start the shim in silence and with a redirect; return how many bytes a start reads before it waits."""
    told = app.run(f"{TREE}/bin/imds-shim", "--version")
    assert (told.stdout[:10], told.stderr) == ("imds-shim ", "")
    assert app.shim(*INSTANCE_ID_ASKED).stdout == INSTANCE_ID
    return int(app.run("timeout", "60", "bash", "-c", READS, "bash", TREE).stdout.split()[0])


@pytest.mark.parametrize("refused", REFUSED_SNAPSHOT.values(), ids=REFUSED_SNAPSHOT)
def test_a_start_imports_its_modules_if_the_snapshot_cannot_be_restored(
    docker: Docker, tools_image: str, network: str, mock: str, tmp_path: Path, refused: tuple[str, int | None, int]
) -> None:
    del mock  # it only has to be there
    call, argument, error = refused
    rule: dict[str, object] = {"names": [call], "action": "SCMP_ACT_ERRNO", "errnoRet": error}
    if argument is not None:
        rule["args"] = [{"index": 0, "value": argument, "op": "SCMP_CMP_EQ"}]
    with application_under(docker, tools_image, network, tmp_path / "seccomp.json", [rule]) as app:
        assert starts_and_reads(app) < snapshot_bytes(app)


def test_a_strict_seccomp_profile_lets_a_start_restore_the_snapshot(
    docker: Docker, tools_image: str, network: str, mock: str, tmp_path: Path
) -> None:
    del mock  # it only has to be there
    rules: list[dict[str, object]] = [{"names": names, "action": action} for action, names in STRICT.items()]
    with application_under(docker, tools_image, network, tmp_path / "seccomp.json", rules) as app:
        assert starts_and_reads(app) > snapshot_bytes(app)


def test_a_start_by_a_user_who_may_not_read_the_snapshot(copied: Application) -> None:
    copied.run("chmod", "600", SNAPSHOT)
    copied.run("mv", OTHER, "/opt/readable")
    done = copied.run("setpriv", "--reuid", "4321", "/opt/readable/bin/imds-shim", "--version", check=False)
    copied.run("mv", "/opt/readable", OTHER)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("settings", [{"MOCK_BACKEND": "legacy"}, {"MOCK_BACKEND": "nft"}, {"MOCK_FOLLOW": "1"}])
def test_modules_are_imported_after_the_privileges_were_dropped(copied: Application, settings: dict[str, str]) -> None:
    """The removal of the rule imports them, as a user who may not enter the tree's directory."""
    words = (f"{OTHER}/bin/imds-shim", "no-such-command")
    done = copied.run(*words, check=False, MOCK_HOSTNAME="mock_metadata", MOCK_USER=APP, **settings)
    assert (done.returncode, done.stdout) == (127, "")
    assert "is not in PATH" in done.stderr
    for trace in ("Traceback", "defect", "could not be taken back"):
        assert trace not in done.stderr
    assert copied.rules() == []


# Starts the shim as process 1 of its namespace. Sends SIGTERM once the launcher has blocked it, which is before the
# snapshot is read, or so many passes of an empty loop later.
EARLY = """
for passes in 0 100 300 1000 3000 10000 30000; do
  MOCK_HOSTNAME=never.invalid MOCK_TIMEOUT_SECONDS=60 unshare --pid --fork "$1/bin/imds-shim" true 2>/dev/null &
  until child=$(cat "/proc/$!/task/$!/children") && [ -n "$child" ]; do :; done
  # `unshare` blocks signals, too.
  until [[ $(readlink "/proc/${child% }/exe") == "$1"/* ]]; do :; done
  # Bit 14 of the blocked signals, or of those that have a handler.
  until grep -qE '^Sig(Blk|Cgt):.*[4-7c-f]...$' "/proc/${child% }/status"; do :; done
  for ((pass = 0; pass < passes; pass++)); do :; done
  kill -s TERM $child
  wait $!
  echo $?
done
"""


def test_a_signal_ends_process_1_while_it_reads_the_snapshot(app: Application) -> None:
    done = app.run("timeout", "50", "bash", "-c", EARLY, "bash", TREE, check=False)
    assert done.stdout.split() == ["143"] * 7, done.stderr


# Prints the number of the first DNS query of each of three starts.
NUMBERS = """
echo 'nameserver 127.0.0.2' >/etc/resolv.conf
for _ in 1 2 3; do
  : >/tmp/queries
  perl -MSocket -e '
    $| = 1; socket(S, PF_INET, SOCK_DGRAM, 0); bind(S, sockaddr_in(53, inet_aton("127.0.0.2"))) or die $!;
    print "ready\\n"; recv(S, $query, 512, 0); print unpack("n", $query), "\\n"' >>/tmp/queries &
  until grep -q ready /tmp/queries; do :; done
  MOCK_HOSTNAME=mock.example MOCK_TIMEOUT_SECONDS=1 "$1/bin/imds-shim" true 2>/dev/null
  wait $!
  tail --lines=1 /tmp/queries
done
"""


def test_starts_do_not_draw_the_same_random_numbers(docker: Docker, tools_image: str, network: str) -> None:
    with application(docker, tools_image, networks=[network]) as app:
        numbers = app.run("timeout", "60", "bash", "-c", NUMBERS, "bash", TREE).stdout.split()
    assert len(numbers) == 3
    assert len(set(numbers)) > 1


# Under other circumstances than in the image's build: a terminal, ignored signals, variables.
AGAIN = """
mv /opt/imds-shim /first
trap '' HUP PIPE
export TZ=Asia/Tokyo PYTHONHASHSEED=7 IMDS_SHIM_SNAPSHOT=/nowhere
script --quiet --return --command '/src/shim/build-tree.sh /opt/imds-shim /downloads' /dev/null
cmp /first/lib/snapshot /opt/imds-shim/lib/snapshot && cmp /first/bin/python3 /opt/imds-shim/bin/python3
"""


def test_each_build_writes_the_same_snapshot(docker: Docker, shim_image: str) -> None:
    del shim_image  # built with imds-shim-build
    done = docker("run", "--rm", "imds-shim-build", "bash", "-c", AGAIN, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


WITH_CTYPES = """
echo 'import ctypes' >>/src/shim/src/imds_shim/boot/imports.py
/src/shim/build-tree.sh /tree /downloads
"""


def test_a_snapshot_with_an_extension_module_fails_the_build(docker: Docker, shim_image: str) -> None:
    del shim_image  # built with imds-shim-build
    done = docker("run", "--rm", "imds-shim-build", "sh", "-ec", WITH_CTYPES, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("no snapshot: 0x")
    assert "Import extension modules later" in done.stderr
