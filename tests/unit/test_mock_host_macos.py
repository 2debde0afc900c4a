"""`imds-mock host` on macOS: the commands of each redirect, and what it finds installed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from imds_mock.host.errors import OptionsError
from imds_mock.host.macos import MacOS
from imds_mock.host.setting import Redirect, redirect_of
from support.host_machine import ALL, DNAT, FakeShell, machine

if TYPE_CHECKING:
    from pathlib import Path


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
