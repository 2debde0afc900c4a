"""`imds-mock host` as a command: options, root, systems."""

from __future__ import annotations

import pytest

from imds_mock.cli import main
from imds_mock.commands import host as command
from imds_mock.host.linux import Linux
from imds_mock.host.setting import Redirect
from imds_mock.host.shell import SystemShell
from support.host_machine import ALL, DNAT, FakeShell, machine


@pytest.mark.parametrize(
    ("text", "endpoints"),
    [("ec2,ecs,eks", ALL), ("eks, ecs", ("ecs", "eks")), ("ecs,ecs", ("ecs",)), ("ec2", ("ec2",))],
)
def test_endpoints_are_chosen_with_an_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, endpoints: tuple[str, ...]
) -> None:
    monkeypatch.setattr(command, "this_machine", lambda: machine(FakeShell()))
    assert main(["host", "up", "--dry-run", "--endpoints", text]) == 0
    wanted = Linux().settings(Redirect("dnat", 1338, ipv6=False, endpoints=endpoints))
    assert capsys.readouterr().out == "".join(f"{setting.up}\n" for setting in wanted)


@pytest.mark.parametrize("text", ["", "ec3", "ec2,lambda", "ec2 ecs"])
def test_unknown_endpoints(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["host", "up", "--dry-run", f"--endpoints={text}"])
    assert ended.value.code == 64
    assert "expected ec2, ecs or eks, separated by commas" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["up", "down"])
def test_up_and_down_require_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    shell = FakeShell()
    monkeypatch.setattr(command, "this_machine", lambda: machine(shell))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["host", action]) == 77
    assert capsys.readouterr().err == f"imds-mock: only root may change the network; run sudo imds-mock host {action}\n"
    assert shell.ran == []


def test_a_dry_run_needs_no_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shell = FakeShell()
    queries: list[str] = []
    monkeypatch.setattr(command, "this_machine", lambda: machine(shell, firmware="a cloud", asked=queries))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["host", "up", "--dry-run"]) == 0
    assert capsys.readouterr().out == "".join(f"{setting.up}\n" for setting in Linux().settings(DNAT))
    assert (shell.ran, queries) == ([], [])


def test_without_a_shell_as_in_the_mocks_image(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("imds_mock.host.shell._SHELL", "/nowhere/sh")
    monkeypatch.setattr(command, "this_machine", lambda: machine(SystemShell()))
    assert main(["host", "status"]) == 69
    said = capsys.readouterr().err
    assert said.startswith("imds-mock: /nowhere/sh does not exist; run imds-mock host on the machine itself")


def test_an_unsupported_system(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert main(["host", "status"]) == 69
    assert "neither Linux nor macOS" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "\u0661"])
def test_invalid_ports(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["host", "up", "--dry-run", f"--port={port}"])
    assert ended.value.code == 64
    assert "expected a TCP port from 1 to 65535" in capsys.readouterr().err
