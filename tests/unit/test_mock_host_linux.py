"""`imds-mock host` on Linux: the commands of each redirect, and what it finds installed."""

from __future__ import annotations

import json

import pytest

from imds_mock.host.errors import OptionsError
from imds_mock.host.linux import Linux
from imds_mock.host.setting import Redirect
from support.host_machine import DNAT, ROUTE, FakeShell, machine


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
