"""`imds-mock host` with a fake shell: the commands, their order, and the messages when one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_mock.errors import OtherServerError, ProbeError
from imds_mock.host import clouds
from imds_mock.host.errors import HostError, OptionsError, RealServiceError
from imds_mock.host.linux import Linux
from imds_mock.host.macos import MacOS
from imds_mock.host.redirect import Host
from imds_mock.host.setting import Redirect, redirect_of, steps_up
from support.host_machine import ALL, DNAT, NO_ANSWER, FakeShell, beginnings, machine

if TYPE_CHECKING:
    from pathlib import Path

OTHER_SERVER = OtherServerError("the server at http://169.254.169.254:80 is not imds-mock: it answers 'HTTP/1.1 403'")


def test_ecs_has_no_ipv6_address() -> None:
    shell = FakeShell()
    with pytest.raises(OptionsError, match="--ipv6 requires the endpoint ec2 or eks"):
        machine(shell).up(Redirect("dnat", 1338, ipv6=True, endpoints=("ecs",)), force=False)
    assert shell.ran == []


def test_every_address_is_probed_before_it_is_redirected() -> None:
    asked: list[str] = []
    machine(FakeShell(), asked=asked).up(Redirect("dnat", 1338, ipv6=True, endpoints=ALL), force=False)
    assert asked == [
        "http://169.254.169.254:80",
        "http://169.254.170.2:80",
        "http://169.254.170.23:80",
        "http://[fd00:ec2::254]:80",
        "http://[fd00:ec2::23]:80",
    ]


@pytest.mark.parametrize("failing", range(3))
def test_a_failure_undoes_the_completed_steps(failing: int) -> None:
    wanted = Linux().settings(DNAT)
    shell = FakeShell(refused=(wanted[failing].up,))
    with pytest.raises(HostError, match="failed: refused"):
        machine(shell).up(DNAT, force=False)
    assert shell.ran == [setting.up for setting in wanted[: failing + 1]] + [
        setting.down for setting in reversed(wanted[:failing])
    ]


def test_a_step_that_cannot_be_undone_is_named() -> None:
    shell = FakeShell(refused=("ip -4 rule", "nft delete"))
    with pytest.raises(HostError, match=r"'ip -4 rule.*undoing.*'nft delete table ip imds_host' failed: refused"):
        machine(shell).up(DNAT, force=False)


def test_down_continues_after_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    platform = MacOS()
    seen = {"cat /var/run/imds-mock.address4": "set\n", "cat /var/run/imds-mock.redirect": "1338\n"}
    shell = FakeShell(seen, refused=("pfctl",))
    with pytest.raises(HostError, match="pfctl"):
        machine(shell, platform).down()
    assert beginnings(shell.ran) == ["pfctl -q -a com.apple/imds-mock", "ifconfig lo0 inet 169.254.169.254"]
    assert "removed" not in capsys.readouterr().out


def test_a_change_adds_before_it_removes() -> None:
    before, wanted = (
        Linux().settings(Redirect("dnat", 1338, ipv6=True)),
        Linux().settings(Redirect("dnat", 8080, ipv6=False)),
    )
    steps = steps_up(before, wanted)
    assert [step.command for step in steps] == [wanted[0].up, *(setting.down for setting in reversed(before[3:]))]
    assert steps[0].undo == before[0].up


def test_installed_settings_need_no_step() -> None:
    for redirect in (
        DNAT,
        Redirect("dnat", 5, ipv6=True),
        Redirect("alias", 80, ipv6=False),
        Redirect("dnat", 5, ipv6=True, endpoints=("ecs", "eks")),
        Redirect("alias", 80, ipv6=False, endpoints=ALL),
    ):
        assert steps_up(Linux().settings(redirect), Linux().settings(redirect)) == []
        assert redirect_of(Linux().settings(redirect)) == redirect


@pytest.mark.parametrize(
    ("firmware", "answer", "asked"),
    [("this machine is an Amazon EC2 instance", NO_ANSWER, 0), (None, OTHER_SERVER, 1)],
)
def test_a_real_service_is_not_hidden(firmware: str | None, answer: ProbeError, asked: int) -> None:
    shell = FakeShell()
    queries: list[str] = []
    with pytest.raises(RealServiceError, match="--force installs it anyway") as caught:
        machine(shell, answer=answer, firmware=firmware, asked=queries).up(DNAT, force=False)
    assert caught.value.exit_code == 70
    assert shell.ran == []
    # The firmware decides alone: a cloud's service gets no request.
    assert len(queries) == asked


def test_a_real_service_at_the_ipv6_address_is_not_hidden() -> None:
    def probe(url: str) -> str:
        raise OTHER_SERVER if "fd00:ec2::254" in url else NO_ANSWER

    shell = FakeShell()
    with pytest.raises(RealServiceError):
        Host(Linux(), shell, probe, lambda: None).up(Redirect("dnat", 1338, ipv6=True), force=False)
    assert shell.ran == []


def test_force_skips_the_checks() -> None:
    shell = FakeShell()
    queries: list[str] = []
    machine(shell, answer=OTHER_SERVER, firmware="a cloud", asked=queries).up(DNAT, force=True)
    assert len(shell.ran) == 3
    assert queries == []


def test_a_mock_at_the_address_is_accepted() -> None:
    shell = FakeShell()
    machine(shell, answer="the-id").up(DNAT, force=False)
    assert len(shell.ran) == 3


def test_status_sends_no_request_without_a_redirect(capsys: pytest.CaptureFixture[str]) -> None:
    queries: list[str] = []
    assert machine(FakeShell(), asked=queries).status() is False
    assert queries == []
    assert "no redirect is installed on this machine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "healthy", "message"),
    [
        ("the-id", True, "http://169.254.169.254:80 is imds-mock the-id"),
        (NO_ANSWER, False, "no answer; start the mock with: sudo imds-mock serve --host 169.254.169.254 --port 80"),
        (OTHER_SERVER, False, "is not imds-mock: it answers 'HTTP/1.1 403'"),
    ],
)
def test_status_names_the_server(
    capsys: pytest.CaptureFixture[str], answer: str | ProbeError, *, healthy: bool, message: str
) -> None:
    seen = {"ip -j -4 address show dev lo": '[{"addr_info":[{"local":"169.254.169.254","label":"lo:imds"}]}]'}
    assert machine(FakeShell(seen), answer=answer).status() is healthy
    assert message in capsys.readouterr().out


def test_status_of_an_incomplete_redirect(capsys: pytest.CaptureFixture[str]) -> None:
    seen = {"ip -j -4 rule show": '[{"priority":16925,"dst":"169.254.169.254","protocol":"169"}]'}
    queries: list[str] = []
    assert machine(FakeShell(seen), asked=queries).status() is False
    assert queries == []
    assert "the redirect is incomplete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("sys_vendor", "Amazon EC2\n", "Amazon EC2"),
        ("board_asset_tag", "i-0123456789abcdef0\n", "Amazon EC2"),
        ("product_uuid", "EC2D1F2E-0000-0000-0000-000000000000\n", "Amazon EC2"),
        ("bios_version", "4.11.amazon\n", "Amazon EC2"),
        ("product_name", "Google Compute Engine\n", "Google Compute Engine"),
        ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77\n", "Azure"),
        ("chassis_asset_tag", "OracleCloud.com\n", "Oracle"),
        ("sys_vendor", "Hetzner\n", "cloud server"),
        ("sys_vendor", "Microsoft Corporation\n", None),
        ("sys_vendor", "Google\n", None),
        ("board_asset_tag", "i-am-a-desktop\n", None),
        ("product_uuid", "4c4c4544-0042-3510-8052-b3c04f463933\n", None),
    ],
)
def test_clouds_by_firmware(tmp_path: Path, file: str, content: str, what: str | None) -> None:
    (tmp_path / "sys/class/dmi/id").mkdir(parents=True)
    (tmp_path / "sys/class/dmi/id" / file).write_text(content)
    cloud = clouds.detect_cloud(tmp_path)
    assert (cloud is None) is (what is None)
    assert what is None or what in str(cloud)


def test_without_firmware_there_is_no_cloud(tmp_path: Path) -> None:
    assert clouds.detect_cloud(tmp_path) is None
