"""The application does not notice that the shim ran before it: each test compares with a start without the shim.

`state_report.c` prints what a process has inherited; it is compiled here and started both ways by the same odd parent.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.paths import ROOT
from support.shimlab import SHIM, ShimLab, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

ARGUMENTS = ["", "two words", "*", "$HOME", "'\"", "-c", "--", "--help", os.fsdecode(b"\xff\xfe"), "a\nb"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("report") / "state_report"
    subprocess.run(["gcc", "-Wall", "-Werror", "-o", program, ROOT / "tests/support/state_report.c"], check=True)
    return program


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShimLab]:
    with ShimLab(tmp_path_factory.mktemp("lab")) as made:
        made.serve()
        yield made


def both(lab: ShimLab, start: list[str | Path], command: list[str | Path], **options: object) -> tuple[str, str]:
    """Return the command's output without and with the shim."""
    printed = []
    for shim in ([], [SHIM, "--"]):
        done = lab.app.run([*map(str, start), *map(str, shim), *map(str, command)], check=False, **options)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    return printed[0], printed[1]


def report_of(text: str) -> list[str]:
    """Return its lines, without the numbers of pipes."""
    return re.sub(r"pipe:\[\d+\]", "pipe", text).splitlines()


def without_net_admin(text: str) -> list[str]:
    """Apply the only expected difference: bit 12 of the capability sets is cleared."""
    lines = []
    for line in report_of(text):
        if "Cap" in line:
            head, _, value = line.rpartition("\t")
            lines.append(f"{head}\t{int(value, 16) & ~(1 << 12):016x}")
        else:
            lines.append(line)
    return lines


def test_everything_that_exec_keeps_is_unchanged(lab: ShimLab, report: Path) -> None:
    direct, after_shim = both(lab, [report, "start"], [report, *ARGUMENTS])
    assert report_of(after_shim) == without_net_admin(direct)
    # The report contains what it compares.
    for line in (
        "environment: TWICE=1",
        "environment: TWICE=2",
        "environment: NO_EQUALS_SIGN",
        "environment: =BEGINS",
        "environment: BYTES=\\xff\\xfe\\x80",
        "argument: \\xff\\xfe",
        "umask: 027",
        "signal 1: ignored",
        "signal 2: ignored",
        "signal 13: default",
        "signal 25: default",
        "limit 7: 97 198",
    ):
        assert line in after_shim.splitlines()
    with Path("/etc/passwd").open("rb") as file:  # the kernel adds a flag whose value depends on the processor
        flags = fcntl.fcntl(file, fcntl.F_GETFL) & ~os.O_CLOEXEC
    assert f"descriptor 57: /etc/passwd flags {flags:o} offset 5" in after_shim


def test_everything_is_unchanged_in_a_plain_start(lab: ShimLab, report: Path) -> None:
    start: list[str | Path] = ["env", "-i", "MOCK_HOSTNAME=mock", "PATH=/usr/bin:/bin"]
    direct, after_shim = both(lab, start, [report, "x"], stdin=subprocess.DEVNULL)
    assert report_of(after_shim) == without_net_admin(direct)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_stay_closed(lab: ShimLab, tmp_path: Path, closed: str) -> None:
    listed = []
    for shim in ("", f"{SHIM} "):
        result = tmp_path / "descriptors"
        program = (
            f"ls -l /proc/self/fd >{result} 2>/dev/null; exec {shim}sh -c 'cd /proc/$$/fd && echo * >{result}' {closed}"
        )
        lab.app.run(["sh", "-c", program], env=environment(), check=True)
        listed.append(result.read_text(encoding="ascii"))
    assert listed[0] == listed[1]


def test_the_command_is_looked_up_in_its_own_path(lab: ShimLab, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "tool").write_text(f"#!/bin/sh\necho {folder.name}\n", encoding="ascii")
    (second / "tool").chmod(0o755)
    # A missing directory and a file are skipped, too.
    path = f"{tmp_path / 'missing'}:{second / 'tool'}:{first}:{second}:{os.environ['PATH']}"
    # As in every shell, a file of that name that is not executable is skipped.
    assert lab.shim("tool", PATH=path).stdout == "second\n"
    (first / "tool").chmod(0o755)
    assert lab.shim("tool", PATH=path).stdout == "first\n"
    assert lab.shim("./tool", PATH=path, cwd=first).stdout == "first\n"
    # An empty element is the working directory.
    assert lab.shim("tool", PATH=f":{os.environ['PATH']}", cwd=second).stdout == "second\n"


@pytest.mark.parametrize(
    ("content", "mode", "code", "says"),
    [
        (None, 0o755, 127, "does not exist"),
        ("#!/bin/sh\n", 0o644, 126, "not executable for user"),
        ("#!/no/such/interpreter\n", 0o755, 126, "the interpreter or loader that it names does not"),
        ("echo no first line\n", 0o755, 126, "nor a script that begins with #!"),
        ("directory", 0o755, 126, "is a directory"),
        ("link", 0o755, 126, "is a symbolic link to a file that does not exist"),
    ],
)
def test_a_command_that_cannot_run(
    lab: ShimLab, tmp_path: Path, content: str | None, mode: int, code: int, says: str
) -> None:
    command = tmp_path / "command"
    if content == "directory":
        command.mkdir()
    elif content == "link":
        command.symlink_to("nowhere")
    elif content is not None:
        command.write_text(content, encoding="ascii")
        command.chmod(mode)
    lab.shim("--remove")
    done = lab.shim(command)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert says in done.stderr.splitlines()[-1]
    assert "imds-shim" not in lab.tool("iptables-legacy-save")


def test_an_empty_command(lab: ShimLab) -> None:
    done = lab.shim("")
    assert done.returncode == 127
    assert "the command is empty; check CMD in the Dockerfile" in done.stderr.splitlines()[-1]


def test_a_command_that_is_not_in_path(lab: ShimLab) -> None:
    done = lab.shim("no-such-command")
    assert done.returncode == 127
    assert "the command 'no-such-command' is not in PATH" in done.stderr
    assert lab.shim("", PATH=os.environ["PATH"]).returncode == 127


@pytest.mark.parametrize("code", [0, 1, 7, 64, 77, 126, 255])
def test_exit_codes_are_the_applications(lab: ShimLab, code: int) -> None:
    assert lab.shim("sh", "-c", f"exit {code}").returncode == code


def test_death_by_a_signal_is_the_applications(lab: ShimLab) -> None:
    assert lab.shim("sh", "-c", "kill -SEGV $$").returncode == -signal.SIGSEGV


def test_the_process_id_stays_the_same(lab: ShimLab) -> None:
    process = lab.start_shim("cat", "/proc/self/stat")
    printed, _ = process.communicate()
    assert printed.split()[0] == str(process.pid)


def test_a_signal_reaches_the_application_at_once(lab: ShimLab) -> None:
    process = lab.start_shim("sh", "-c", "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.01; done")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.stdout.readline() == "caught\n"
    assert process.wait() == 3


def test_no_file_is_left(lab: ShimLab, tmp_path: Path) -> None:
    """The whole file system is below an empty overlay, which afterwards contains every written file."""
    layers = [tmp_path / name for name in ("changes", "work", "root")]
    for folder in layers:
        folder.mkdir()
    changes, work, root = map(str, layers)
    script = f"""
        mount -t tmpfs none {tmp_path} && mkdir {changes} {work} {root}
        mount -t overlay none -o lowerdir=/,upperdir={changes},workdir={work} {root}
        for folder in proc dev sys; do mount --rbind /$folder {root}/$folder; done
        mount --bind /etc/hosts {root}/etc/hosts
        chroot {root} {SHIM} sh -c 'echo ran; test -z "$LEAVE" || touch /left'
        find {changes} -mindepth 1
    """
    command = ["unshare", "--mount", "sh", "-ec", script]
    done = lab.app.run(command, env=environment(PYTHONDONTWRITEBYTECODE="1"), check=False)
    assert done.stdout == "ran\n", done.stderr
    done = lab.app.run(command, env=environment(PYTHONDONTWRITEBYTECODE="1", LEAVE="1"), check=False)
    assert done.stdout == f"ran\n{changes}/left\n", "the layer does show it"


def test_a_read_only_file_system_is_enough(lab: ShimLab) -> None:
    script = f"mount --rbind / /mnt && mount -o remount,bind,ro /mnt && chroot /mnt {SHIM} sh -c 'touch /x || echo ran'"
    done = lab.app.run(["unshare", "--mount", "sh", "-ec", script], env=environment(), check=False)
    assert done.stdout == "ran\n", done.stderr
    assert "Read-only file system" in done.stderr
