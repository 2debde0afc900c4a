"""`imds-mock run`: a command beside a mock of its own, its exit code, its signals, and what is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.paths import IMDS_MOCK, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest"
GET = f"curl --silent --fail {URL}/meta-data/"
# Counts the signals that it gets, until SIGTERM.
COUNTER = """
import os, signal
counts, numbers = {}, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", flush=True)
while signal.SIGTERM not in counts:
    number = int(signal.sigwait(numbers))
    counts[number] = counts.get(number, 0) + 1
    print(counts if number == signal.SIGTERM else f"got {number}", flush=True)
"""
# `imds-mock run` with a mock of which one part fails once a file exists.
FAILING = """
import asyncio, os, sys
from imds_mock.cli import main
from imds_mock.run import mock
async def fail(_runtime, _clock):
    while not os.path.exists(sys.argv[1]): await asyncio.sleep(0.01)
    raise RuntimeError("broken")
mock.refresh_targets = fail
sys.exit(main(["run", "--", "sh", "-c", "echo $$; touch $1; sleep 1000", "sh", sys.argv[1]]))
"""
# `imds-mock run` that gets no further than its configuration, or than the start of its mock.
READING = """
import sys, threading
from imds_mock.cli import main
from imds_mock.run.config_reader import ConfigReader
def read(_self):
    print("waiting", flush=True)
    threading.Event().wait()
ConfigReader.__call__ = read
sys.exit(main(["run", "--", "echo", "started"]))
"""
STARTING = """
import asyncio, sys
from imds_mock.cli import main
from imds_mock.run.mock import Mock
async def start(_self):
    print("waiting", flush=True)
    await asyncio.Event().wait()
Mock._start = start
sys.exit(main(["run", "--", "echo", "started"]))
"""
TEST_CREDENTIALS = """
from botocore.session import get_session
def test_credentials():
    assert get_session().get_credentials().method == "iam-role"
"""
# A new session with a terminal in which the program is in the foreground.
ON_TERMINAL = "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execv(sys.argv[2], sys.argv[2:])"


def environment(**more: str) -> dict[str, str]:
    return {"PATH": f"{Path(IMDS_MOCK).parent}:{os.environ['PATH']}", **more}


def run(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [IMDS_MOCK, "run", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(**more),
    )


def sh(script: str, *options: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return run(*options, "--", "sh", "-c", script, **more)


def popen(*command: str | Path, **settings: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), **settings
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 60)[0]
    return process.stdout.readline().strip()


@pytest.fixture
def counting() -> Iterator[subprocess.Popen[str]]:
    process = popen(IMDS_MOCK, "run", "--", sys.executable, "-c", COUNTER)
    assert line_of(process) == "ready"
    yield process
    process.kill()
    process.communicate()


def test_the_command_finds_the_mock_and_its_control_plane() -> None:
    done = sh(
        f"{GET}instance-id; echo; imds-mock ctl set meta-data/x y; {GET}x; cat", "--set", "instance.region=eu-west-3"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "i-1234567890abcdef0\ny", "")


def test_boto3_finds_the_mock_although_other_credentials_are_there(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id = file\naws_secret_access_key = s\n")
    program = "import botocore.session as b; print(b.get_session().get_credentials().method)"
    variables = {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PROFILE": "work",
        "HOME": str(tmp_path),
    }
    done = run("--", sys.executable, "-c", program, **variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, "iam-role\n", "")


def test_settings_come_from_a_file_a_scenario_and_options(tmp_path: Path) -> None:
    (tmp_path / "imds.yaml").write_text(
        "{server: {port: 1}, instance: {instance_type: m7g.large}, control: {enabled: false}}"
    )
    (tmp_path / "notice.yaml").write_text("steps: [{event: {kind: spot}}]")
    script = f"for leaf in instance-type placement/region spot/instance-action; do {GET}$leaf; echo; done"
    done = sh(
        script, "--config", tmp_path / "imds.yaml", "--scenario", tmp_path / "notice.yaml", "--region", "eu-west-1"
    )
    assert done.stdout.splitlines()[:2] == ["m7g.large", "eu-west-1"]
    assert json.loads(done.stdout.splitlines()[2])["action"] == "terminate"


def test_the_control_plane_can_be_turned_off() -> None:
    done = sh(f"echo ${{IMDS_MOCK_CONTROL_URL-unset}}; {GET}instance-id", "--set", "control.enabled=false")
    assert done.stdout.splitlines() == ["unset", "i-1234567890abcdef0"]


def test_amazon_ec2_metadata_mock_is_served_on_a_free_port_too() -> None:
    done = sh(f"{GET}instance-id", "--set", "compatibility=aemm")
    assert done.stdout == "i-1234567890abcdef0"


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_the_exit_code_is_that_of_the_command(script: str, code: int) -> None:
    done = sh(script)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    done = run("--", "no-such-command")
    assert done.returncode == 127
    assert done.stderr == (
        "imds-mock: cannot run 'no-such-command': no folder in PATH contains it; check the name or install it\n"
    )
    script = tmp_path / "script"
    script.write_text("#!/no/interpreter\n")
    assert run("--", script).returncode == 126
    script.chmod(0o755)
    done = run("--", script)
    assert (done.returncode, "its interpreter does not exist" in done.stderr) == (127, True)


@pytest.mark.parametrize("arguments", [(), ("--",), ("--require-imdsv2", "--")])
def test_without_a_command_the_usage_is_wrong(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    sentence = "imds-mock: no command to run; write it after --, as in: imds-mock run -- pytest -q\n"
    assert (done.returncode, done.stderr) == (64, sentence)


def test_an_invalid_setting_starts_nothing(tmp_path: Path) -> None:
    done = run("--set", "instance.regoin=x", "--", "touch", tmp_path / "started")
    assert (done.returncode, "did you mean instance.region?" in done.stderr) == (78, True)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("words", ["serve --port 0", "run -- echo started"])
def test_too_few_open_files_start_nothing(words: str) -> None:
    script = f"ulimit -n 8; exec {IMDS_MOCK} {words}"
    done = subprocess.run(["bash", "-c", script], env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (71, "")
    assert done.stderr == (
        "imds-mock: the limit of open files is 8, and imds-mock needs at least 32; raise it with `ulimit -n 1024`, "
        "or in Compose with `ulimits: {nofile: 1024}`\n"
    )


def test_standard_streams_are_those_of_the_command() -> None:
    done = subprocess.run(
        [IMDS_MOCK, "run", "--", "sh", "-c", "cat; echo error >&2"],
        input="input",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "input", "error\n")


def test_imdsv1_makes_the_run_fail_if_imdsv2_is_required() -> None:
    script = f"{GET}instance-id; {GET}instance-id; {GET}ami-id; imds-mock ctl requests --clear"
    done = sh(script, "--require-imdsv2")
    assert (done.returncode, done.stderr.splitlines()) == (
        79,
        [
            "imds-mock: IMDSv1 was used: 3 requests without a session token; get one with PUT /latest/api/token",
            "  2 x 127.0.0.1 GET /latest/meta-data/instance-id",
            "  1 x 127.0.0.1 GET /latest/meta-data/ami-id",
        ],
    )
    failed = sh(f"{script}; exit 5", "--require-imdsv2")
    assert (failed.returncode, "IMDSv1 was used: 3 requests" in failed.stderr) == (5, True)


def test_a_session_token_satisfies_the_requirement() -> None:
    token = f"curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {URL}/api/token"
    done = sh(f'{GET}instance-id -H "X-aws-ec2-metadata-token: $({token})"', "--require-imdsv2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "i-1234567890abcdef0", "")


@pytest.mark.parametrize("recipe", ["github-actions-run.yaml", "gitlab-ci.yaml"])
def test_the_command_of_a_recipe_works(tmp_path: Path, recipe: str) -> None:
    found = re.search(r"- (?:run: )?(imds-mock run .*)", (ROOT / "examples" / "ci" / recipe).read_text())
    assert found is not None
    (tmp_path / "test_credentials.py").write_text(TEST_CREDENTIALS)
    done = subprocess.run(
        shlex.split(found[1]), cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, env=environment()
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "1 passed" in done.stdout


def test_signals_are_forwarded_once(counting: subprocess.Popen[str]) -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        counting.send_signal(number)
        assert line_of(counting) == f"got {number.value}"
    counting.send_signal(signal.SIGTERM)
    out, errors = counting.communicate(timeout=60)
    assert (counting.returncode, out, errors) == (0, "{2: 1, 1: 1, 10: 1, 15: 1}\n", "")


def test_the_command_gets_the_signals_of_a_terminal_once() -> None:
    controller, terminal = os.openpty()
    launcher = (sys.executable, "-c", ON_TERMINAL, os.ttyname(terminal), IMDS_MOCK, "run", "--", sys.executable, "-c")
    process = popen(*launcher, COUNTER, start_new_session=True)
    try:
        assert line_of(process) == "ready"
        # First, because a signal that is already pending is not delivered a second time.
        process.send_signal(signal.SIGINT)
        assert line_of(process) == "got 2"
        for _ in range(3):
            os.write(controller, b"\x03")  # Ctrl-C
            assert line_of(process) == "got 2"
        process.send_signal(signal.SIGTERM)
        assert (process.communicate(timeout=60)[0], process.returncode) == ("{2: 4, 15: 1}\n", 0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        os.close(controller)
        os.close(terminal)


def test_the_command_blocks_and_ignores_no_signals() -> None:
    masks = run("--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status").stdout
    standard = (1 << 31) - 1  # glibc ignores its own two real-time signals
    assert [int(mask, 16) & standard for mask in re.findall(r"\w+:\t(\w+)", masks)] == [0, 0]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    script = "sleep 1000 & echo $! > pid; echo $IMDS_MOCK_CONTROL_URL $AWS_EC2_METADATA_SERVICE_ENDPOINT"
    done = sh(f"cd {tmp_path}; {script}", XDG_RUNTIME_DIR=str(tmp_path))
    assert done.returncode == 0
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]
    for url in done.stdout.split():
        assert subprocess.run(["curl", "--silent", url], check=False, capture_output=True).returncode == 7


def test_the_command_is_stopped_if_the_mock_fails(tmp_path: Path) -> None:
    process = popen(sys.executable, "-c", FAILING, tmp_path / "started")
    pid = line_of(process)
    errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors) == (70, "imds-mock: the look-up of targets failed: RuntimeError: broken\n")
    assert not Path("/proc", pid).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("program", [READING, STARTING])
def test_a_signal_before_the_command_starts_ends_the_run(program: str, number: signal.Signals) -> None:
    process = popen(sys.executable, "-c", program)
    assert line_of(process) == "waiting"
    process.send_signal(number)
    assert (process.communicate(timeout=60), process.returncode) == (("", ""), 128 + number)
