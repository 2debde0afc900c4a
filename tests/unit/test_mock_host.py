"""`imds-mock host` with a fake shell: the commands, their order, and the messages when one fails."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from imds_mock.cli import main
from imds_mock.commands import host as command
from imds_mock.errors import OtherServerError, ProbeError
from imds_mock.host import clouds
from imds_mock.host.errors import HostError, OptionsError, RealServiceError
from imds_mock.host.linux import Linux
from imds_mock.host.macos import MacOS
from imds_mock.host.redirect import Host
from imds_mock.host.setting import Redirect, redirect_of, steps_up
from imds_mock.host.shell import SystemShell

if TYPE_CHECKING:
    from pathlib import Path

    from imds_mock.host.setting import Platform

NO_ANSWER = ProbeError("no answer")
OTHER_SERVER = OtherServerError("the server at http://169.254.169.254:80 is not imds-mock: it answers 'HTTP/1.1 403'")
ROUTE = '[{"type":"local","dst":"169.254.169.254","dev":"lo","prefsrc":"127.0.0.1"}]'
DNAT = Redirect("dnat", 1338, ipv6=False)


class FakeShell:
    """Records commands; those that start with `refused` fail."""

    def __init__(self, seen: dict[str, str] | None = None, refused: tuple[str, ...] = ()) -> None:
        self.seen = seen or {}
        self.refused = refused
        self.ran: list[str] = []

    def run(self, command: str) -> None:
        self.ran.append(command)
        if command.startswith(self.refused or ("\0",)):
            raise HostError(f"{command.splitlines()[0]!r} failed: refused")

    def read(self, command: str) -> tuple[str, str]:
        return self.seen.get(command, ""), ""


def machine(
    shell: FakeShell | SystemShell,
    platform: Platform | None = None,
    answer: str | ProbeError = NO_ANSWER,
    firmware: str | None = None,
    asked: list[str] | None = None,
) -> Host:
    def probe(url: str) -> str:
        if asked is not None:
            asked.append(url)
        if isinstance(answer, str):
            return answer
        raise answer

    return Host(platform or Linux(), shell, probe, lambda: firmware)


def beginnings(commands: list[str]) -> list[str]:
    return [" ".join(line.split()[:4]) for line in (text.splitlines()[0] for text in commands)]


def test_linux_redirects_the_machines_own_packets(capsys: pytest.CaptureFixture[str]) -> None:
    shell = FakeShell()
    machine(shell).up(DNAT, force=False)
    rule, *routing = shell.ran
    assert 'ip daddr 169.254.169.254 tcp dport 80 dnat to 127.0.0.1:1338 comment "imds-mock host"' in rule
    assert "type nat hook output" in rule
    assert routing == [
        "ip -4 route add local 169.254.169.254 dev lo src 127.0.0.1 table 16925 proto 169",
        "ip -4 rule add pref 16925 iif lo to 169.254.169.254 ipproto tcp dport 80 lookup 16925 protocol 169",
    ]
    assert capsys.readouterr().out.splitlines() == [
        "# 169.254.169.254:80 -> 127.0.0.1:1338, until `imds-mock host down` or a reboot",
        "# start the mock with: imds-mock serve --host 127.0.0.1",
    ]


def test_ipv6_repeats_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    shell = FakeShell()
    machine(shell).up(Redirect("dnat", 8080, ipv6=True), force=False)
    assert "ip6 daddr fd00:ec2::254 tcp dport 80 dnat to [::1]:8080 comment" in shell.ran[3]
    assert shell.ran[4].startswith("ip -6 route add local fd00:ec2::254 dev lo src ::1 table 16925")
    assert "imds-mock serve --host 127.0.0.1 --host ::1 --port 8080" in capsys.readouterr().out


ALL = ("ec2", "ecs", "eks")


def test_other_endpoints(capsys: pytest.CaptureFixture[str]) -> None:
    shell = FakeShell()
    machine(shell).up(Redirect("dnat", 1338, ipv6=True, endpoints=("ecs", "eks")), force=False)
    assert [line.split()[2] for line in shell.ran[0].splitlines() if "dnat to" in line] == [
        "169.254.170.2",
        "169.254.170.23",
    ]
    assert [command.split()[5] for command in shell.ran if " route add" in command] == [
        "169.254.170.2",
        "169.254.170.23",
        "fd00:ec2::23",
    ]
    assert "ip6 daddr fd00:ec2::23 tcp dport 80 dnat to [::1]:1338" in shell.ran[5]
    assert capsys.readouterr().out.splitlines()[0] == (
        "# 169.254.170.2:80 -> 127.0.0.1:1338, 169.254.170.23:80 -> 127.0.0.1:1338, [fd00:ec2::23]:80 -> [::1]:1338, "
        "until `imds-mock host down` or a reboot"
    )


def test_other_endpoints_as_aliases(capsys: pytest.CaptureFixture[str]) -> None:
    shell = FakeShell()
    machine(shell).up(Redirect("alias", 80, ipv6=False, endpoints=("ec2", "ecs")), force=False)
    assert [(command.split()[3], command.split()[-1]) for command in shell.ran] == [
        ("169.254.169.254/32", "lo:imds"),
        ("169.254.170.2/32", "lo:imds-ecs"),
    ]
    assert "sudo imds-mock serve --host 169.254.169.254 --host 169.254.170.2 --port 80" in capsys.readouterr().out


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


def test_the_alias_of_linux_is_one_address() -> None:
    shell = FakeShell()
    machine(shell).up(Redirect("alias", 80, ipv6=False), force=False)
    assert shell.ran == ["ip address add 169.254.169.254/32 dev lo scope host label lo:imds"]


@pytest.mark.parametrize("redirect", [Redirect("alias", 1338, ipv6=False), Redirect("alias", 80, ipv6=True)])
def test_options_that_conflict_with_the_alias_of_linux(redirect: Redirect) -> None:
    shell = FakeShell()
    with pytest.raises(OptionsError):
        machine(shell).up(redirect, force=False)
    assert shell.ran == []


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


def test_without_root_the_table_is_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    """nft lists tables to root only; the routing rules prove the redirect, but not its port."""
    rule = '[{"priority":16925,"dst":"169.254.169.254","protocol":"169"}]'
    seen = {"ip -j -4 rule show": rule, "ip -j -4 route show table 16925 proto 169": ROUTE}

    class Unprivileged(FakeShell):
        def read(self, command: str) -> tuple[str, str]:
            return ("", "Operation not permitted") if command.startswith("nft") else super().read(command)

    host = machine(Unprivileged(seen), answer="the-id")
    assert host.status() is True
    assert capsys.readouterr().out.splitlines() == [
        "# 169.254.169.254:80 -> 127.0.0.1 (only root can see the port)",
        "# http://169.254.169.254:80 is imds-mock the-id",
    ]
    assert host.script(None).splitlines()[-1] == "nft delete table ip imds_host"
    assert machine(Unprivileged()).script(None) == ""


def test_linux_finds_its_settings() -> None:
    match = {"match": {"left": {"payload": {"field": "daddr"}}, "op": "==", "right": "169.254.169.254"}}
    port = {"match": {"left": {"payload": {"field": "dport"}}, "op": "==", "right": 80}}
    ours = {"comment": "imds-mock host", "expr": [match, port, {"dnat": {"addr": "127.0.0.1", "port": 8080}}]}
    foreign = {"expr": [match, {"dnat": {"addr": "127.0.0.1", "port": 9}}]}
    seen = {
        "nft -j list table ip imds_host": json.dumps({"nftables": [{"rule": ours}, {"rule": foreign}, {"table": {}}]}),
        "ip -j -4 rule show": '[{"priority":16925,"dst":"169.254.169.254","protocol":"169"}]',
        "ip -j -4 route show table 16925 proto 169": ROUTE,
    }
    redirect = Redirect("dnat", 8080, ipv6=False)
    assert Linux().installed(FakeShell(seen)) == Linux().settings(redirect)


def test_a_foreign_rule_with_our_priority_is_ignored() -> None:
    seen = {"ip -j -4 rule show": '[{"priority":16925,"src":"all","table":"main"}]'}
    assert Linux().installed(FakeShell(seen)) == []


def test_macos_at_the_default_port() -> None:
    shell = FakeShell()
    machine(shell, MacOS()).up(Redirect("alias", 1338, ipv6=True), force=False)
    address4, address6, redirect, switch = shell.ran
    assert "ifconfig lo0 inet 169.254.169.254 netmask 255.255.255.255 alias" in address4.splitlines()
    assert "ifconfig lo0 inet6 fd00:ec2::254 prefixlen 128 alias" in address6.splitlines()
    assert redirect.splitlines() == [
        "pfctl -q -a com.apple/imds-mock -f - <<'EOF'",
        "rdr pass on lo0 inet proto tcp from any to 169.254.169.254 port 80 -> 127.0.0.1 port 1338",
        "rdr pass on lo0 inet6 proto tcp from any to fd00:ec2::254 port 80 -> ::1 port 1338",
        "EOF",
        "echo 1338 ipv6 >/var/run/imds-mock.redirect",
    ]
    assert switch.startswith("pfctl -E ")


def test_macos_with_other_endpoints() -> None:
    shell = FakeShell()
    machine(shell, MacOS()).up(Redirect("alias", 1338, ipv6=False, endpoints=("ecs", "eks")), force=False)
    ecs, eks, redirect, _ = shell.ran
    assert "ifconfig lo0 inet 169.254.170.2 netmask 255.255.255.255 alias" in ecs
    assert eks.endswith(">/var/run/imds-mock.address4-eks")
    assert "to 169.254.170.2 port 80 -> 127.0.0.1 port 1338\nrdr pass" in redirect
    assert redirect.endswith("echo 1338 ecs eks >/var/run/imds-mock.redirect")


def test_macos_at_port_80_needs_no_packet_filter() -> None:
    shell = FakeShell()
    machine(shell, MacOS()).up(Redirect("alias", 80, ipv6=False), force=False)
    assert len(shell.ran) == 1
    assert "pfctl" not in shell.ran[0]


@pytest.mark.parametrize("endpoints", [("ec2",), ("ecs",), ALL])
def test_macos_finds_its_settings(tmp_path: Path, endpoints: tuple[str, ...]) -> None:
    """Run the commands with fake system programs and read the files that they write."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("ifconfig", "pfctl"):
        (programs / name).write_text(
            f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/log\n'
            'case "$*" in -E) echo "Token : 4711" >&2;; *-f*) cat;; esac\n'
        )
        (programs / name).chmod(0o755)

    class Shell:
        def run(self, command: str) -> None:
            subprocess.run(self.words(command), check=True, env=environment, capture_output=True)

        def read(self, command: str) -> tuple[str, str]:
            done = subprocess.run(self.words(command), check=False, env=environment, capture_output=True, text=True)
            return done.stdout, done.stderr

        def words(self, command: str) -> list[str]:
            return ["sh", "-ec", command.replace("/var/run/", f"{tmp_path}/")]

    environment = {"PATH": f"{programs}:/usr/bin:/bin"}
    shell, platform = Shell(), MacOS()
    redirect = Redirect("alias", 1338, ipv6="ec2" in endpoints, endpoints=endpoints)
    wanted = platform.settings(redirect)
    for setting in wanted:
        shell.run(setting.up)
    present = platform.installed(shell)
    assert {setting.key: setting for setting in present} == {setting.key: setting for setting in wanted}
    assert redirect_of(present) == redirect
    for setting in reversed(present):
        shell.run(setting.down)
    assert platform.installed(shell) == []
    addresses = {("inet" if version == 4 else "inet6", address) for version, address in redirect.addresses}
    log = (tmp_path / "log").read_text().splitlines()[-2 - len(addresses) :]
    assert log[:2] == ["pfctl -q -X 4711", "pfctl -q -a com.apple/imds-mock -F nat"]
    assert set(log[2:]) == {f"ifconfig lo0 {inet} {address} -alias" for inet, address in addresses}


def test_macos_keeps_an_existing_address(tmp_path: Path) -> None:
    (tmp_path / "ifconfig").write_text("#!/bin/sh\necho '\tinet 169.254.169.254 netmask 0xffff0000'\n")
    (tmp_path / "ifconfig").chmod(0o755)
    done = subprocess.run(
        ["sh", "-ec", MacOS().settings(Redirect("alias", 80, ipv6=False))[0].up],
        check=False,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "169.254.169.254 is on lo0 already\n")


def test_macos_has_no_dnat() -> None:
    with pytest.raises(OptionsError, match="omit --way"):
        MacOS().settings(DNAT)


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
