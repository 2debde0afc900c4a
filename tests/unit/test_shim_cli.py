"""The whole program with a fake network and kernel: exit codes, output, and what is undone."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING, NoReturn

import pytest

from imds_shim import cli, deadline, emulation, errors
from imds_shim.errors import CommandNotFoundError, Interrupted, KernelRefusedError, PrivilegeError
from imds_shim.exec import accounts, handoff
from imds_shim.exec.privileges import Plan
from imds_shim.exec.signals import Interrupts
from support.fakes import MOCK_ONE, NGINX, FakeClock, FakeKernel, FakeNetwork

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Sequence
    from pathlib import Path

ENVIRON = [b"MOCK_HOSTNAME=mock", b"HOME=/nonexistent", b"PATH=/bin", b"PATH=/other", b"no equals sign", b"\xff=\xfe"]
V4 = "169.254.169.254:80"


class Executed(BaseException):
    """Raised in place of the exec of the command."""


class Stage:
    """The fakes around `cli`, and what was executed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = FakeClock()
        self.network = FakeNetwork(clock)
        self.network.names["mock"] = [ip_address("10.0.0.4")]
        self.network.servers |= {"10.0.0.4:80": MOCK_ONE, V4: MOCK_ONE}
        self.kernel = FakeKernel()
        self.executed: tuple[Sequence[bytes], Sequence[bytes]] | None = None
        self.failure: BaseException | None = None
        self.plan_failure: Exception | None = None
        self.warnings: tuple[str, ...] = ()
        monkeypatch.setattr(cli, "RealNetwork", lambda _announcement: self.network)
        monkeypatch.setattr(cli, "RealKernel", lambda: self.kernel)
        monkeypatch.setattr(cli, "Deadline", lambda seconds: deadline.Deadline(seconds, clock))
        monkeypatch.setattr(handoff, "hand_off", self._hand_off)
        monkeypatch.setattr(handoff, "plan", self._plan)

    def _plan(self, _config: object) -> Plan:
        if self.plan_failure:
            raise self.plan_failure
        return Plan(None, 0, 0, 0, 0, no_new_privs=False, warnings=self.warnings)

    def _hand_off(self, command: Sequence[bytes], environ: Sequence[bytes], _planned: Plan) -> NoReturn:
        if self.failure:
            raise self.failure
        self.executed = (command, environ)
        self.rules_when_executed = len(self.kernel.tables[0].rules)
        raise Executed

    def run(self, *argv: bytes, environ: Sequence[bytes] = ENVIRON) -> int:
        return cli.run(argv, environ)


@pytest.fixture(autouse=True)
def _signals_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program runs in the process of the tests, whose handlers stay."""
    monkeypatch.setattr(Interrupts, "install", lambda _self: None)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def test_command_and_environment_are_passed_on_unchanged(stage: Stage) -> None:
    with pytest.raises(Executed):
        stage.run(b"--", b"sh", b"-c", b"\xff *", b"")
    assert stage.executed == ((b"sh", b"-c", b"\xff *", b""), ENVIRON)
    assert stage.rules_when_executed == 1


def test_mock_user_sets_home(stage: Stage) -> None:
    with pytest.raises(Executed):
        stage.run(b"true", environ=[b"MOCK_HOSTNAME=mock", b"HOME=/elsewhere", b"MOCK_USER=0", b"A=1"])
    assert stage.executed
    assert stage.executed[1] == [b"MOCK_HOSTNAME=mock", b"HOME=/root", b"MOCK_USER=0", b"A=1"]


def test_each_sdk_override_is_one_warning(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    secret = b"AKIAIOSFODNN7EXAMPLE"
    overrides = [b"AWS_ACCESS_KEY_ID=" + secret, b"AWS_EC2_METADATA_DISABLED=true", b"http_proxy=http://u:pw@proxy"]
    with pytest.raises(Executed):
        stage.run(b"true", environ=[b"MOCK_HOSTNAME=mock", b"HOME=/nowhere", *overrides])
    said = capfd.readouterr().err.splitlines()
    warned = [line.split()[2] for line in said if line.startswith("imds-shim: warning: ")]
    assert warned == ["AWS_ACCESS_KEY_ID", "AWS_EC2_METADATA_DISABLED", "http_proxy"]
    assert secret.decode() not in "".join(said)
    assert "pw@" not in "".join(said)


def test_files_in_the_home_of_the_commands_user_are_sdk_overrides(
    stage: Stage, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_text(f"app:x:1234:1234::{tmp_path}:\n")
    monkeypatch.setattr(accounts.command_environment, "__defaults__", (str(passwd),))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("[default]\n")
    with pytest.raises(Executed):
        stage.run(b"true", environ=[b"MOCK_HOSTNAME=mock", b"HOME=/nowhere", b"MOCK_USER=app"])
    assert f"imds-shim: warning: {tmp_path}/.aws/credentials exists" in capfd.readouterr().err


def test_standard_output_stays_empty(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Executed):
        stage.run(b"true")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "imds-shim: added route 169.254.169.254 to 10.0.0.4",
        "imds-shim: 169.254.169.254:80 -> 10.0.0.4:80 (mock)",
    ]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (CommandNotFoundError("the command 'x' is not in PATH"), 127),
        (errors.CommandNotExecutableError("the command 'x' is not executable"), 126),
        (PrivilegeError("setting the capabilities failed"), 77),
        (Interrupted(15), 143),
        (Interrupted(2), 130),
        (RuntimeError("a defect"), 1),
    ],
)
def test_a_failed_hand_off_undoes_all_changes(stage: Stage, failure: BaseException, code: int) -> None:
    stage.failure = failure
    assert stage.run(b"x") == code
    assert stage.kernel.tables[0].rules == []
    assert stage.kernel.routes == []


def test_a_privilege_that_cannot_be_dropped_ends_the_start_before_any_change(stage: Stage) -> None:
    stage.plan_failure = PrivilegeError("NET_ADMIN cannot be taken from an application that runs as root")
    assert stage.run(b"x") == 77
    assert stage.network.probed == []


@pytest.mark.parametrize(
    ("argv", "environ", "code", "words"),
    [
        ([], ENVIRON, 64, "no command to run"),
        ([b"--bogus"], ENVIRON, 64, "unknown option --bogus"),
        ([b"x"], [], 78, "MOCK_HOSTNAME is required"),
        ([b"x"], [b"MOCK_HOSTNAME=mock:80"], 78, "MOCK_PORT=80"),
        ([b"x"], [b"MOCK_HOSTNAME=nobody"], 68, "nobody had no usable address"),
        ([b"x"], [b"MOCK_HOSTNAME=mock", b"MOCK_PORT=81"], 69, "10.0.0.4:81 refuses the connection"),
    ],
)
def test_a_failed_start_logs_one_line(
    stage: Stage, capfd: pytest.CaptureFixture[str], argv: list[bytes], environ: list[bytes], code: int, words: str
) -> None:
    assert stage.run(*argv, environ=environ) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("imds-shim: ")
    assert words in err.splitlines()[-1]
    assert "Traceback" not in err
    assert stage.kernel.tables[0].history == []


@pytest.mark.parametrize(("refusal", "code"), [(PrivilegeError("x"), 77), (KernelRefusedError("x"), 71)])
def test_a_kernel_refusal_is_71(stage: Stage, refusal: Exception, code: int) -> None:
    stage.kernel.refusal = refusal
    assert stage.run(b"x") == code


def test_an_emulated_image_is_named_in_place_of_what_it_cannot_see(
    stage: Stage, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulation, "emulated_image", lambda: "this is an amd64 image on an arm64 kernel")
    stage.kernel.refusal = KernelRefusedError("this kernel has no legacy nat table.")
    assert stage.run(b"x") == 71
    assert capfd.readouterr().err == "imds-shim: this is an amd64 image on an arm64 kernel.\n"
    stage.kernel.refusal = OSError(95, "Operation not supported")
    assert stage.run(b"x") == 71
    assert capfd.readouterr().err == "imds-shim: this is an amd64 image on an arm64 kernel.\n"
    stage.kernel.refusal = PrivilegeError("NET_ADMIN is missing")
    assert stage.run(b"x") == 77
    assert capfd.readouterr().err == "imds-shim: NET_ADMIN is missing.\n"


def test_another_server_behind_the_rule_is_70(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    stage.network.servers[V4] = NGINX
    assert stage.run(b"x") == 70
    assert "nginx" in capfd.readouterr().err
    assert stage.kernel.tables[0].rules == []


def test_a_signal_just_before_the_undo_does_not_prevent_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_self: Interrupts) -> contextlib.AbstractContextManager[None]:
        raise Interrupted(15)

    monkeypatch.setattr(Interrupts, "deferred", interrupt)
    stage.failure = CommandNotFoundError("the command 'x' is not in PATH")
    assert stage.run(b"x") == 143
    assert stage.kernel.tables[0].rules == []
    assert stage.kernel.routes == []


def test_a_failed_undo_is_a_warning(
    stage: Stage, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_records: object) -> None:
        raise PrivilegeError("NET_ADMIN is gone")

    monkeypatch.setattr("imds_shim.nat.redirect.restore", refuse)
    stage.failure = CommandNotFoundError("the command 'x' is not in PATH")
    assert stage.run(b"x") == 127
    assert "warning: cannot undo the changes of this start: NET_ADMIN is gone" in capfd.readouterr().err


def test_a_defect_is_one_line_and_a_traceback_only_at_debug_level(
    stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    stage.failure = RuntimeError("boom")
    stage.run(b"x")
    assert capfd.readouterr().err.splitlines()[-1] == "imds-shim: this is a defect of the shim: RuntimeError: boom"
    stage.run(b"x", environ=[*ENVIRON, b"MOCK_LOG_LEVEL=debug"])
    assert "test_shim_cli.py" in capfd.readouterr().err


def test_warnings_of_the_plan_and_of_unknown_settings_are_logged(
    stage: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    stage.warnings = ("NET_ADMIN stays in the bounding set",)
    with pytest.raises(Executed):
        stage.run(b"x", environ=[*ENVIRON, b"MOCK_TIMOUT_SECONDS=3"])
    err = capfd.readouterr().err
    assert "warning: NET_ADMIN stays in the bounding set" in err
    assert "warning: unknown setting MOCK_TIMOUT_SECONDS; did you mean MOCK_TIMEOUT_SECONDS?" in err


def test_an_invalid_configuration_also_names_unknown_settings(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    assert stage.run(b"x", environ=[b"MOCK_HOST=mock"]) == 78
    assert "did you mean MOCK_HOSTNAME?" in capfd.readouterr().err


def test_init_sets_the_rule_and_executes_nothing(stage: Stage) -> None:
    assert stage.run(b"--init") == 0
    assert stage.executed is None
    assert len(stage.kernel.tables[0].rules) == 1


def test_a_follower_collects_garbage(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree disables it for a start, but the follower runs as long as the application."""
    killed: list[bool] = []

    class FakeFollower:
        def kill(self) -> None:
            killed.append(True)

    monkeypatch.setattr("imds_shim.follow.start_follower", lambda *_: FakeFollower())
    gc.disable()
    try:
        with pytest.raises(Executed):
            stage.run(b"true", environ=[*ENVIRON, b"MOCK_FOLLOW=1"])
        assert gc.isenabled()
        assert killed == [True], "a failed hand-off ends the follower"
    finally:
        gc.enable()


def test_the_version_is_that_of_the_package(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run([b"--version"], []) == 0
    with open("VERSION") as file:  # noqa: PTH123 - the shortest way to say it
        assert capfd.readouterr().out == f"imds-shim {file.read().strip()}\n"


def test_help_is_printed_without_any_setting(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run([b"--help"], []) == 0
    assert capfd.readouterr().out.startswith("usage: imds-shim")


def test_the_installed_program_answers() -> None:
    done = subprocess.run([f"{os.path.dirname(sys.executable)}/imds-shim"], capture_output=True, text=True, check=False)  # noqa: PTH120 - beside the interpreter
    assert done.returncode == 64
    assert done.stdout == ""
    assert done.stderr.startswith("imds-shim: no command to run")


def test_exit_codes_differ_between_families_of_errors() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ShimError)]
    codes = [kind.exit_code for kind in kinds if kind not in (errors.ShimError, errors.CommandError)]
    assert sorted(codes) == [64, 68, 69, 70, 71, 74, 77, 78, 126, 127, 141]
