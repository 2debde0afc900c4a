"""`imds-mock host` without touching a network: which commands, in which order, and what is said when one fails."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from imds_mock.cli import main
from imds_mock.commands import host as command
from imds_mock.errors import ProbeError, StrangerError
from imds_mock.host import clouds
from imds_mock.host.errors import HostError, SomebodyAnswersError, WayError
from imds_mock.host.linux import Linux
from imds_mock.host.macos import MacOS
from imds_mock.host.redirect import Host
from imds_mock.host.setting import Request, request_of, steps_up

if TYPE_CHECKING:
    from pathlib import Path

    from imds_mock.host.setting import Platform

NOBODY = ProbeError("nobody answers")
STRANGER = StrangerError("http://169.254.169.254:80 is answered by something that is not imds-mock: 'HTTP/1.1 403'")
ROUTE = '[{"type":"local","dst":"169.254.169.254","dev":"lo","prefsrc":"127.0.0.1"}]'
DNAT = Request("dnat", 1338, ipv6=False)


class FakeShell:
    """Notes what is run, and refuses the commands that begin with `refused`."""

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
    shell: FakeShell,
    platform: Platform | None = None,
    answer: str | ProbeError = NOBODY,
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


def test_linux_redirects_what_the_machine_itself_sends(capsys: pytest.CaptureFixture[str]) -> None:
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
        "# 169.254.169.254:80 -> 127.0.0.1:1338, until `imds-mock host down` or a restart of this machine",
        "# the mock for it: imds-mock serve --host 127.0.0.1",
    ]


def test_ipv6_is_the_same_again(capsys: pytest.CaptureFixture[str]) -> None:
    shell = FakeShell()
    machine(shell).up(Request("dnat", 8080, ipv6=True), force=False)
    assert "ip6 daddr fd00:ec2::254 tcp dport 80 dnat to [::1]:8080 comment" in shell.ran[3]
    assert shell.ran[4].startswith("ip -6 route add local fd00:ec2::254 dev lo src ::1 table 16925")
    assert "imds-mock serve --host 127.0.0.1 --host ::1 --port 8080" in capsys.readouterr().out


ALL = ("ec2", "ecs", "eks")


def test_other_endpoints_are_redirected_likewise(capsys: pytest.CaptureFixture[str]) -> None:
    shell = FakeShell()
    machine(shell).up(Request("dnat", 1338, ipv6=True, endpoints=("ecs", "eks")), force=False)
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
        "until `imds-mock host down` or a restart of this machine"
    )


def test_other_endpoints_as_aliases(capsys: pytest.CaptureFixture[str]) -> None:
    shell = FakeShell()
    machine(shell).up(Request("alias", 80, ipv6=False, endpoints=("ec2", "ecs")), force=False)
    assert [(command.split()[3], command.split()[-1]) for command in shell.ran] == [
        ("169.254.169.254/32", "lo:imds"),
        ("169.254.170.2/32", "lo:imds-ecs"),
    ]
    assert "sudo imds-mock serve --host 169.254.169.254 --host 169.254.170.2 --port 80" in capsys.readouterr().out


def test_ecs_has_no_ipv6_address() -> None:
    shell = FakeShell()
    with pytest.raises(WayError, match="--ipv6 needs the endpoint ec2 or eks"):
        machine(shell).up(Request("dnat", 1338, ipv6=True, endpoints=("ecs",)), force=False)
    assert shell.ran == []


def test_every_endpoint_is_looked_at_before_it_is_hidden() -> None:
    asked: list[str] = []
    machine(FakeShell(), asked=asked).up(Request("dnat", 1338, ipv6=True, endpoints=ALL), force=False)
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
    wanted = Linux().wanted(Request("dnat", 1338, ipv6=False, endpoints=endpoints))
    assert capsys.readouterr().out == "".join(f"{setting.up}\n" for setting in wanted)


@pytest.mark.parametrize("text", ["", "ec3", "ec2,lambda", "ec2 ecs"])
def test_endpoints_that_are_none(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["host", "up", "--dry-run", f"--endpoints={text}"])
    assert ended.value.code == 64
    assert "is not an endpoint; expected ec2, ecs or eks, with commas" in capsys.readouterr().err


def test_the_alias_of_linux_is_one_address() -> None:
    shell = FakeShell()
    machine(shell).up(Request("alias", 80, ipv6=False), force=False)
    assert shell.ran == ["ip address add 169.254.169.254/32 dev lo scope host label lo:imds"]


@pytest.mark.parametrize("request_", [Request("alias", 1338, ipv6=False), Request("alias", 80, ipv6=True)])
def test_what_the_alias_of_linux_cannot_do(request_: Request) -> None:
    shell = FakeShell()
    with pytest.raises(WayError):
        machine(shell).up(request_, force=False)
    assert shell.ran == []


@pytest.mark.parametrize("failing", range(3))
def test_a_failure_takes_back_what_was_done(failing: int) -> None:
    wanted = Linux().wanted(DNAT)
    shell = FakeShell(refused=(wanted[failing].up,))
    with pytest.raises(HostError, match="failed: refused"):
        machine(shell).up(DNAT, force=False)
    assert shell.ran == [setting.up for setting in wanted[: failing + 1]] + [
        setting.down for setting in reversed(wanted[:failing])
    ]


def test_what_cannot_be_taken_back_is_named() -> None:
    shell = FakeShell(refused=("ip -4 rule", "nft delete"))
    with pytest.raises(HostError, match=r"'ip -4 rule.*taking back.*'nft delete table ip imds_host' failed: refused"):
        machine(shell).up(DNAT, force=False)


def test_down_goes_on_after_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    platform = MacOS()
    seen = {"cat /var/run/imds-mock.address4": "set\n", "cat /var/run/imds-mock.redirect": "1338\n"}
    shell = FakeShell(seen, refused=("pfctl",))
    with pytest.raises(HostError, match="pfctl"):
        machine(shell, platform).down()
    assert beginnings(shell.ran) == ["pfctl -q -a com.apple/imds-mock", "ifconfig lo0 inet 169.254.169.254"]
    assert "taken away" not in capsys.readouterr().out


def test_a_change_sets_first_and_takes_away_then() -> None:
    before, wanted = Linux().wanted(Request("dnat", 1338, ipv6=True)), Linux().wanted(Request("dnat", 8080, ipv6=False))
    steps = steps_up(before, wanted)
    assert [step.command for step in steps] == [wanted[0].up, *(setting.down for setting in reversed(before[3:]))]
    assert steps[0].undo == before[0].up


def test_what_is_there_needs_no_step() -> None:
    for request in (
        DNAT,
        Request("dnat", 5, ipv6=True),
        Request("alias", 80, ipv6=False),
        Request("dnat", 5, ipv6=True, endpoints=("ecs", "eks")),
        Request("alias", 80, ipv6=False, endpoints=ALL),
    ):
        assert steps_up(Linux().wanted(request), Linux().wanted(request)) == []
        assert request_of(Linux().wanted(request)) == request


@pytest.mark.parametrize(
    ("firmware", "answer", "asked"),
    [("this machine is an Amazon EC2 instance", NOBODY, 0), (None, STRANGER, 1)],
)
def test_a_real_service_is_not_hidden(firmware: str | None, answer: ProbeError, asked: int) -> None:
    shell = FakeShell()
    queries: list[str] = []
    with pytest.raises(SomebodyAnswersError, match="--force if that is meant") as caught:
        machine(shell, answer=answer, firmware=firmware, asked=queries).up(DNAT, force=False)
    assert caught.value.exit_code == 70
    assert shell.ran == []
    # What the firmware says is enough: a cloud's service is not asked for nothing.
    assert len(queries) == asked


def test_a_real_service_at_the_other_address_is_not_hidden_either() -> None:
    def probe(url: str) -> str:
        raise STRANGER if "fd00:ec2::254" in url else NOBODY

    shell = FakeShell()
    with pytest.raises(SomebodyAnswersError):
        Host(Linux(), shell, probe, lambda: None).up(Request("dnat", 1338, ipv6=True), force=False)
    assert shell.ran == []


def test_unless_it_is_forced() -> None:
    shell = FakeShell()
    queries: list[str] = []
    machine(shell, answer=STRANGER, firmware="a cloud", asked=queries).up(DNAT, force=True)
    assert len(shell.ran) == 3
    assert queries == []


def test_a_mock_that_answers_there_is_no_stranger() -> None:
    shell = FakeShell()
    machine(shell, answer="the-id").up(DNAT, force=False)
    assert len(shell.ran) == 3


def test_status_asks_nobody_where_nothing_is_set(capsys: pytest.CaptureFixture[str]) -> None:
    queries: list[str] = []
    assert machine(FakeShell(), asked=queries).status() is False
    assert queries == []
    assert "nothing is set" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "healthy", "said"),
    [
        ("the-id", True, "http://169.254.169.254:80 is imds-mock the-id"),
        (NOBODY, False, "nobody answers; start the mock: sudo imds-mock serve --host 169.254.169.254 --port 80"),
        (STRANGER, False, "is answered by something that is not imds-mock: 'HTTP/1.1 403'"),
    ],
)
def test_status_says_who_answers(
    capsys: pytest.CaptureFixture[str], answer: str | ProbeError, *, healthy: bool, said: str
) -> None:
    seen = {"ip -j -4 address show dev lo": '[{"addr_info":[{"local":"169.254.169.254","label":"lo:imds"}]}]'}
    assert machine(FakeShell(seen), answer=answer).status() is healthy
    assert said in capsys.readouterr().out


def test_status_of_a_part(capsys: pytest.CaptureFixture[str]) -> None:
    seen = {"ip -j -4 rule show": '[{"priority":16925,"dst":"169.254.169.254","protocol":"169"}]'}
    queries: list[str] = []
    assert machine(FakeShell(seen), asked=queries).status() is False
    assert queries == []
    assert "only a part is set" in capsys.readouterr().out


def test_without_root_the_table_is_taken_for_granted(capsys: pytest.CaptureFixture[str]) -> None:
    """nft shows nothing to others; the routing says that the redirect is there, but not where to."""
    rule = '[{"priority":16925,"dst":"169.254.169.254","protocol":"169"}]'
    seen = {"ip -j -4 rule show": rule, "ip -j -4 route show table 16925 proto 169": ROUTE}

    class Unprivileged(FakeShell):
        def read(self, command: str) -> tuple[str, str]:
            return ("", "Operation not permitted") if command.startswith("nft") else super().read(command)

    host = machine(Unprivileged(seen), answer="the-id")
    assert host.status() is True
    assert capsys.readouterr().out.splitlines() == [
        "# 169.254.169.254:80 -> 127.0.0.1, at a port that only root may see",
        "# http://169.254.169.254:80 is imds-mock the-id",
    ]
    assert host.planned(None).splitlines()[-1] == "nft delete table ip imds_host"
    assert machine(Unprivileged()).planned(None) == ""


def test_a_rule_of_somebody_else_at_the_same_place_is_not_ours() -> None:
    seen = {"ip -j -4 rule show": '[{"priority":16925,"src":"all","table":"main"}]'}
    assert Linux().present(FakeShell(seen)) == []


def test_macos_at_the_mocks_own_port() -> None:
    shell = FakeShell()
    machine(shell, MacOS()).up(Request("alias", 1338, ipv6=True), force=False)
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
    machine(shell, MacOS()).up(Request("alias", 1338, ipv6=False, endpoints=("ecs", "eks")), force=False)
    ecs, eks, redirect, _ = shell.ran
    assert "ifconfig lo0 inet 169.254.170.2 netmask 255.255.255.255 alias" in ecs
    assert eks.endswith(">/var/run/imds-mock.address4-eks")
    assert "to 169.254.170.2 port 80 -> 127.0.0.1 port 1338\nrdr pass" in redirect
    assert redirect.endswith("echo 1338 ecs eks >/var/run/imds-mock.redirect")


def test_macos_at_port_80_needs_no_packet_filter() -> None:
    shell = FakeShell()
    machine(shell, MacOS()).up(Request("alias", 80, ipv6=False), force=False)
    assert len(shell.ran) == 1
    assert "pfctl" not in shell.ran[0]


@pytest.mark.parametrize("endpoints", [("ec2",), ("ecs",), ALL])
def test_macos_finds_what_it_has_set(tmp_path: Path, endpoints: tuple[str, ...]) -> None:
    """Its commands, run with stand-ins for the system's programs: the notes that they leave are what is found."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("ifconfig", "pfctl"):
        (programs / name).write_text(
            f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/said\n'
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
    request = Request("alias", 1338, ipv6="ec2" in endpoints, endpoints=endpoints)
    wanted = platform.wanted(request)
    for setting in wanted:
        shell.run(setting.up)
    present = platform.present(shell)
    assert {setting.key: setting for setting in present} == {setting.key: setting for setting in wanted}
    assert request_of(present) == request
    for setting in reversed(present):
        shell.run(setting.down)
    assert platform.present(shell) == []
    addresses = {("inet" if version == 4 else "inet6", address) for version, address in request.addresses}
    said = (tmp_path / "said").read_text().splitlines()[-2 - len(addresses) :]
    assert said[:2] == ["pfctl -q -X 4711", "pfctl -q -a com.apple/imds-mock -F nat"]
    assert set(said[2:]) == {f"ifconfig lo0 {inet} {address} -alias" for inet, address in addresses}


def test_macos_leaves_an_address_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "ifconfig").write_text("#!/bin/sh\necho '\tinet 169.254.169.254 netmask 0xffff0000'\n")
    (tmp_path / "ifconfig").chmod(0o755)
    done = subprocess.run(
        ["sh", "-ec", MacOS().wanted(Request("alias", 80, ipv6=False))[0].up],
        check=False,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "169.254.169.254 is on lo0 already\n")


def test_macos_has_no_dnat() -> None:
    with pytest.raises(WayError, match="leave --way out"):
        MacOS().wanted(DNAT)


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
def test_what_the_firmware_says(tmp_path: Path, file: str, content: str, what: str | None) -> None:
    (tmp_path / "sys/class/dmi/id").mkdir(parents=True)
    (tmp_path / "sys/class/dmi/id" / file).write_text(content)
    said = clouds.evidence(tmp_path)
    assert (said is None) is (what is None)
    assert what is None or what in str(said)


def test_without_firmware_there_is_no_evidence(tmp_path: Path) -> None:
    assert clouds.evidence(tmp_path) is None


@pytest.mark.parametrize("action", ["up", "down"])
def test_only_root_may(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str) -> None:
    shell = FakeShell()
    monkeypatch.setattr(command, "this_machine", lambda: machine(shell))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["host", action]) == 77
    assert capsys.readouterr().err == f"imds-mock: only root may change the network: sudo imds-mock host {action}\n"
    assert shell.ran == []


def test_anybody_may_read_what_would_be_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = FakeShell()
    queries: list[str] = []
    monkeypatch.setattr(command, "this_machine", lambda: machine(shell, firmware="a cloud", asked=queries))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["host", "up", "--dry-run"]) == 0
    assert capsys.readouterr().out == "".join(f"{setting.up}\n" for setting in Linux().wanted(DNAT))
    assert (shell.ran, queries) == ([], [])


def test_another_system(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert main(["host", "status"]) == 69
    assert "neither Linux nor macOS" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "\u0661"])
def test_a_port_that_is_none(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["host", "up", "--dry-run", f"--port={port}"])
    assert ended.value.code == 64
    assert "is no TCP port from 1 to 65535" in capsys.readouterr().err
