"""The shim's init container beside that of a service mesh, which redirects all TCP connections to its proxy.

The rules are those that istio-init and linkerd-init set for what a Pod sends: a chain of their own that leaves out the
proxy's user and loopback, and redirects the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from support.shimlab import MOCK, ShimLab

if TYPE_CHECKING:
    from collections.abc import Iterator

PROXY_USER: Final = "1337"
PROXY_PORT: Final = 15001
BACK_ENDS: Final = ("iptables-legacy", "iptables-nft")
ELSEWHERE: Final = 8080


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShimLab]:
    with ShimLab(tmp_path_factory.mktemp("lab")) as made:
        made.serve()
        made.serve(mock_id="elsewhere", port=ELSEWHERE)
        yield made


def redirect(lab: ShimLab, iptables: str) -> None:
    """Set the rules of a mesh."""
    for words in (
        ("-N", "MESH_OUTPUT"),
        ("-A", "OUTPUT", "-p", "tcp", "-j", "MESH_OUTPUT"),
        ("-A", "MESH_OUTPUT", "-m", "owner", "--uid-owner", PROXY_USER, "-j", "RETURN"),
        ("-A", "MESH_OUTPUT", "-o", "lo", "-j", "RETURN"),
        ("-A", "MESH_OUTPUT", "-p", "tcp", "-j", "REDIRECT", "--to-ports", str(PROXY_PORT)),
    ):
        lab.tool(iptables, "-t", "nat", *words)


def other_traffic(lab: ShimLab) -> str:
    """What answers a connection that is not for 169.254.169.254; empty if nothing does."""
    url = f"http://{MOCK}:{ELSEWHERE}/"
    return lab.app.run(["curl", "-s", "--max-time", "30", url], check=False).stdout


@pytest.mark.parametrize(
    ("backend", "mesh"), [("nft", "iptables-nft"), ("nft", "iptables-legacy"), ("legacy", "iptables-legacy")]
)
def test_before_the_mesh_the_rule_stays_in_front_of_its_redirect(lab: ShimLab, backend: str, mesh: str) -> None:
    """istio-init and linkerd-init run after the init containers of the Pod.

    A legacy rule is not in front of a mesh's nf_tables chain. The init container in `deploy` has no NET_RAW, so its
    rule is in nf_tables.
    """
    assert lab.shim("--init", MOCK_BACKEND=backend).returncode == 0
    redirect(lab, mesh)
    assert lab.ask() == "first"
    assert other_traffic(lab) == ""  # no proxy runs
    lab.serve("127.0.0.1", "proxy", PROXY_PORT, where=lab.app)
    assert lab.ask() == "first"
    assert other_traffic(lab) == "proxy"


@pytest.mark.parametrize("mesh", BACK_ENDS)
def test_behind_the_mesh_without_its_proxy_the_mock_is_unreachable(lab: ShimLab, mesh: str) -> None:
    """A mesh's network plugin redirects before any init container runs."""
    redirect(lab, mesh)
    done = lab.shim("--init", MOCK_TIMEOUT_SECONDS=4)
    assert done.returncode == 69
    assert f"{MOCK}:80 refuses the connection" in done.stderr


@pytest.mark.parametrize("mesh", BACK_ENDS)
def test_an_address_that_the_mesh_leaves_out_is_reached(lab: ShimLab, mesh: str) -> None:
    redirect(lab, mesh)
    lab.tool(mesh, "-t", "nat", "-I", "MESH_OUTPUT", "-d", f"{MOCK}/32", "-j", "RETURN")
    assert lab.shim("--init").returncode == 0
    assert lab.ask() == "first"
