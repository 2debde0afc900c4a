"""The shim starts the command as if the shim were not there."""

from __future__ import annotations

import signal
import statistics
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.containers import Completed, Docker

SHIM = ["--entrypoint", "/opt/imds-shim/bin/imds-shim"]
DIRECT = ["--entrypoint", "/usr/bin/env"]
OD = ["od", "-An", "-tx1", "-v", "/proc/1/environ"]
# Perl is in every Debian and hands its environment on as it is, where a shell sorts it anew.
TELL_AND_BECOME = "$| = 1; system(@ARGV[1..$#ARGV]); print qq(---\\n); exec @ARGV"
DUMP = 'printf %s "$1" | od -An -tx1 -v; echo ---; od -An -tx1 -v /proc/self/environ'


class Runs:
    """Starts the same command in the same image with the shim and without it."""

    def __init__(self, docker: Docker, image: str, network: str) -> None:
        self.docker = docker
        self.image = image
        self.options = ["--rm", "--network", network, "--cap-add", "NET_ADMIN"]
        self.options += [
            "--env",
            "MOCK_HOSTNAME=mock_metadata",
            "--env",
            "MOCK_TIMEOUT_SECONDS=10",
            "--hostname",
            "app",
        ]

    def __call__(
        self, entrypoint: list[str], *command: str, options: tuple[str, ...] = (), input_text: str | None = None
    ) -> Completed:
        words = [*self.options, *entrypoint, *options, self.image, *command]
        return self.docker("run", *words, check=False, input_text=input_text)

    def both(
        self, *command: str, options: tuple[str, ...] = (), input_text: str | None = None
    ) -> tuple[Completed, Completed]:
        with_shim = self(SHIM, *command, options=options, input_text=input_text)
        return with_shim, self(DIRECT, *command, options=options, input_text=input_text)


@pytest.fixture(scope="module")
def runs(docker: Docker, debug_image: str, network: str, mock: str) -> Runs:
    del mock  # it only has to be there
    return Runs(docker, debug_image, network)


def test_exit_codes_come_through(runs: Runs) -> None:
    """All of them: as the engine reads one from the container, and the others as a shell does in there."""
    assert runs(SHIM, "sh", "-c", "exit 255").returncode == 255
    every = 'for code in $(seq 0 255); do /opt/imds-shim/bin/imds-shim sh -c "exit $code" 2>/dev/null; echo $?; done'
    done = runs(["--entrypoint", "sh"], "-c", every)
    assert done.stdout.split() == [str(code) for code in range(256)]


@pytest.mark.parametrize(
    ("options", "host"),
    [(("--add-host", "by_extra_hosts:{address}"), "by_extra_hosts"), ((), "{address}")],
    ids=["extra_hosts", "literal address"],
)
def test_a_mock_that_no_name_server_knows(
    runs: Runs, docker: Docker, mock: str, network: str, options: tuple[str, ...], host: str
) -> None:
    address = docker.inspect(mock, f'(index .NetworkSettings.Networks "{network}").IPAddress')
    words = [
        word.format(address=address) for word in (*options, "--dns", "192.0.2.1", "--env", f"MOCK_HOSTNAME={host}")
    ]
    assert runs(SHIM, "echo", "started", options=tuple(words)).stdout == "started\n"


def test_death_by_signal_comes_through(runs: Runs) -> None:
    # Only a child can die by its own signal here: the kernel protects process one.
    with_shim, direct = runs.both("sh", "-c", "sh -c 'kill -KILL $$'; echo $?")
    assert with_shim.stdout == direct.stdout == "137\n"


@pytest.mark.parametrize(
    "words",
    [
        ("two words", "*", "$HOME", "", "'quoted'", '"double"', "back\\slash", "new\nline", "ünïcödé"),
        ("--", "-x", "--help", "--version"),
    ],
)
def test_arguments_come_through_byte_for_byte(runs: Runs, words: tuple[str, ...]) -> None:
    script = "printf '[%s]' \"$@\" | od -An -tx1 -v"
    with_shim, direct = runs.both("sh", "-c", script, "sh", *words)
    expected = "".join(f"[{word}]" for word in words)
    assert bytes.fromhex("".join(with_shim.stdout.split())) == expected.encode()
    assert with_shim.stdout == direct.stdout


def test_bytes_that_are_no_text_come_through(runs: Runs) -> None:
    # The docker command itself can only pass text, so a shell inside makes them.
    script = f'BYTES=$(printf "\\377\\376"); export BYTES; exec {SHIM[1]} sh -c {DUMP!r} sh "$BYTES"'
    got = runs(["--entrypoint", "sh"], "-c", script).stdout
    argument, environment = (bytes.fromhex("".join(part.split())) for part in got.split("---"))
    assert argument == b"\xff\xfe"
    assert b"BYTES=\xff\xfe" in environment.split(b"\0")


@pytest.mark.parametrize(
    "variables",
    [
        ("LD_PRELOAD=/nowhere.so", "LD_LIBRARY_PATH=/nowhere", "PYTHONPATH=/nowhere", "PYTHONHOME=/nowhere"),
        ("LC_ALL=C", "LANG=tlh_KL", "MALLOC_ARENA_MAX=1", "GLIBC_TUNABLES=glibc.malloc.check=0"),
        ("EMPTY=", "SPACES= a  b ", "LINES=a\nb", "ÜMLAUT=ü", "_=x", "NOT-A-NAME=1"),
        ("http_proxy=http://192.0.2.1:3128", "SSL_CERT_FILE=/nowhere", "LONG=" + "x" * 100_000),
    ],
)
def test_the_environment_comes_through_byte_for_byte(runs: Runs, variables: tuple[str, ...]) -> None:
    options = tuple(word for variable in variables for word in ("--env", variable))
    # One container, since the engine gives the variables of each in an order of its own.
    got = runs(["--entrypoint", "perl"], "-e", TELL_AND_BECOME, *SHIM[1:], *OD, options=options).stdout
    received, handed_on = (bytes.fromhex("".join(part.split())) for part in got.split("---"))
    assert set(map(str.encode, variables)) <= set(received.split(b"\0"))
    assert handed_on == received


@pytest.mark.parametrize(
    "command",
    [
        ["pwd"],
        ["sh", "-c", "umask"],
        ["cat", "/proc/self/limits"],
        ["id"],
        ["ls", "/proc/self/fd"],
        ["grep", "-E", "^(Name|Sig...|ShdPnd|Seccomp|NoNewPrivs|Threads|Umask|Groups|Uid|Gid):", "/proc/self/status"],
        ["cut", "-d", " ", "-f", "4-8", "/proc/self/stat"],
        ["cat", "/proc/self/comm", "/proc/self/oom_score_adj", "/proc/self/personality", "/proc/self/timerslack_ns"],
        ["sh", "-c", "cat /proc/[0-9]*/comm"],
        ["find", "/", "-xdev", "-newer", "/etc/hostname", "-not", "-path", "/proc/*", "-type", "f"],
    ],
    ids=" ".join,
)
def test_what_the_command_finds_is_what_it_would_have_found(runs: Runs, command: list[str]) -> None:
    with_shim, direct = runs.both(*command, options=("--workdir", "/tmp"))  # noqa: S108 - in the container
    assert with_shim.returncode == direct.returncode == 0
    assert with_shim.stdout == direct.stdout


@pytest.mark.parametrize("names", ["PIPE", "XFSZ", "PIPE XFSZ HUP CHLD TERM INT", "USR1 RTMIN"])
def test_signals_that_a_wrapper_ignores_or_blocks_come_through(runs: Runs, names: str) -> None:
    ignore = "$SIG{$_} = 'IGNORE' for split ' ', shift; exec @ARGV"
    block = (
        "use POSIX; @numbers = map { eval qq(POSIX::SIG$_()) } split ' ', shift;"
        "POSIX::sigprocmask(SIG_BLOCK, POSIX::SigSet->new(@numbers)); exec @ARGV"
    )
    tell = ["grep", "^Sig[BIC]", "/proc/self/status"]
    for wrapper in (ignore, block):
        perl = ["--entrypoint", "perl"]
        direct = runs(perl, "-e", wrapper, names, *tell)
        assert direct.stdout.count("Sig") == 3, direct.stderr
        assert "0000000000000000" not in direct.stdout.splitlines()[wrapper is ignore], "the wrapper does it"
        assert runs(perl, "-e", wrapper, names, *SHIM[1:], *tell).stdout == direct.stdout


def test_standard_input_comes_through(runs: Runs) -> None:
    with_shim, direct = runs.both("cat", options=("--interactive",), input_text="line one\nline two")
    assert with_shim.stdout == direct.stdout == "line one\nline two"


def test_a_terminal_comes_through(runs: Runs) -> None:
    with_shim, direct = runs.both("sh", "-c", "tty; stty size", options=("--tty",))
    assert with_shim.stdout.splitlines()[-2:] == direct.stdout.splitlines()
    assert direct.stdout.startswith("/dev/pts/")


def test_a_signal_reaches_the_application_at_once(runs: Runs, docker: Docker) -> None:
    script = "trap 'exit 3' TERM; echo ready; while :; do sleep 60 & wait; done"
    options = [*runs.options[1:], *SHIM]
    with docker.container(runs.image, ["sh", "-c", script], options) as container:
        docker.await_log(container, "ready")
        started = time.monotonic()
        docker("stop", "--time", "60", container)
        assert time.monotonic() - started < 30
        assert docker.inspect(container, ".State.ExitCode") == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_shim_while_it_waits(runs: Runs, docker: Docker, number: signal.Signals, code: int) -> None:
    options = [*runs.options[1:], *SHIM, "--env", "MOCK_HOSTNAME=never.invalid"]
    with docker.container(runs.image, ["true"], options) as container:
        docker.await_log(container, "never.invalid")
        docker("kill", "--signal", number.name, container)
        assert docker("wait", container).stdout.strip() == str(code)


# Timed by the shell of the same container. Job control, because without it a background job ignores SIGINT.
SIGNAL_WHILE_IT_WAITS = """
set -m
for _ in 1 2 3 4 5; do
  : >/tmp/said
  /opt/imds-shim/bin/imds-shim true 2>>/tmp/said &
  until grep -q waiting /tmp/said; do :; done
  before=$EPOCHREALTIME
  kill -s "$1" $!
  wait $!
  code=$? after=$EPOCHREALTIME
  MOCK_HOSTNAME=wrong:1 /opt/imds-shim/bin/imds-shim true 2>/dev/null
  whole=$EPOCHREALTIME
  echo "$code $((${after/./} - ${before/./})) $((${whole/./} - ${after/./}))"
done
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_shim_within_a_tenth_of_a_second(runs: Runs, number: signal.Signals, code: int) -> None:
    options = ("--env", "MOCK_HOSTNAME=never.invalid")
    command = ("-c", SIGNAL_WHILE_IT_WAITS, "bash", number.name.removeprefix("SIG"))
    done = runs(["--entrypoint", "bash"], *command, options=options)
    ends = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert [one for one, *_ in ends] == [code] * 5
    # On a busy machine, three times as long as a start that fails at once.
    busy = 3 * statistics.median(reference for *_, reference in ends)
    assert statistics.median(microseconds for _, microseconds, _ in ends) < max(100_000, busy)


def test_the_application_loses_the_capability_that_the_shim_needed(runs: Runs) -> None:
    net_admin = 1 << 12
    status = runs(SHIM, "grep", "^Cap", "/proc/1/status").stdout
    sets = {name.rstrip(":"): int(value, 16) for name, value in map(str.split, status.splitlines())}
    assert sorted(sets) == ["CapAmb", "CapBnd", "CapEff", "CapInh", "CapPrm"]
    assert not [name for name, value in sets.items() if value & net_admin]
    assert sets["CapEff"] != 0


def test_docker_name_resolution_works_afterwards(runs: Runs) -> None:
    assert runs(SHIM, "getent", "hosts", "mock_metadata").stdout.split()[-1] == "mock_metadata"
