"""The default gateways in the kernel's tables; `tests/netns/test_mock_callers_kernel.py` tests the rest."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import TYPE_CHECKING

from imds_mock.callers.kernel import GatewayCache, OwnAddress, default_gateways, published_port_peers

if TYPE_CHECKING:
    from pathlib import Path


def test_gateways_are_read_from_the_kernel_tables(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "eth1\t00000000\t02000A0A\t0001\t0\t0\t0\t00000000\t0\t0\t0\n"
    )
    zero = "0" * 32
    (tmp_path / "ipv6_route").write_text(
        f"{zero} 00 {zero} 00 fd000000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
        f"{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
        f"fd00{'0' * 28} 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0\n"
    )
    assert default_gateways(tmp_path) == {"172.18.0.1", "fd00::1"}


def test_without_tables_there_are_no_gateways(tmp_path: Path) -> None:
    assert default_gateways(tmp_path) == frozenset()


def test_with_podman_a_published_port_may_be_reached_from_the_own_address(tmp_path: Path) -> None:
    own = [OwnAddress(2, ip_interface("10.89.0.2/24"))]
    assert published_port_peers(tmp_path, tmp_path / "absent", lambda: own) == frozenset()
    assert published_port_peers(tmp_path, tmp_path, lambda: own) == {"10.89.0.2"}


def test_gateways_are_cached_for_a_second() -> None:
    now, tables = 100.0, [frozenset({"10.0.0.2"}), frozenset({"10.0.0.1"})]
    gateways = GatewayCache(tables.pop, lambda: now)
    assert gateways() == gateways() == {"10.0.0.1"}
    now += 1.5
    assert gateways() == {"10.0.0.2"}
