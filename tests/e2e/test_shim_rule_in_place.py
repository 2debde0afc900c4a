"""The rule in a container that has other rules: it is one rule, replaced and removed as one, and the others stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.containers import INSTANCE_ID
from support.shimcontainers import INSTANCE_ID_ASKED, Application, address, application

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.containers import Docker

BACKENDS = ("legacy", "nft")
# Neighbours of every kind: a chain, a rule with counters, one that looks like ours, a table with a set and a NAT hook.
LIBRARY_WORDING = """
set -e
nat="iptables-legacy --table nat"
$nat --new-chain THEIRS
$nat --append OUTPUT --destination 192.0.2.1 --set-counters 5 500 --jump THEIRS
$nat --append THEIRS --protocol tcp --dport 80 --match comment --comment "a proxy's" --jump REDIRECT --to-ports 3128
$nat --append OUTPUT --destination 169.254.169.254 --protocol tcp --dport 8080 --jump DNAT --to-destination 192.0.2.2:80
$nat --append POSTROUTING --destination 192.0.2.3 --jump MASQUERADE
nft -f - <<'NFT'
table ip somebody {
  set proxied { type ipv4_addr; elements = { 192.0.2.4, 192.0.2.5 } }
  chain output {
    type nat hook output priority -100;
    ip daddr @proxied tcp dport 80 redirect to :3128 comment "not imds"
  }
}
NFT
"""


@pytest.fixture
def app(docker: Docker, tools_image: str, network: str, mock: str) -> Iterator[Application]:
    del mock  # it only has to be there
    with application(docker, tools_image, networks=[network]) as made:
        made.run("bash", "-c", LIBRARY_WORDING)
        yield made


@pytest.mark.parametrize("second", BACKENDS)
@pytest.mark.parametrize("first", BACKENDS)
def test_run_again_there_is_one_rule_and_nobody_elses_is_touched(
    app: Application, network: str, mock: str, first: str, second: str
) -> None:
    before = app.foreign()
    target = f"{address(app.docker, mock, network)}:80"
    for backend in (first, second):
        assert app.shim(*INSTANCE_ID_ASKED, MOCK_BACKEND=backend).stdout == INSTANCE_ID
        assert app.rules() == [(backend, target)]
        assert app.foreign() == before
        assert app.run("getent", "ahostsv4", "mock_metadata").stdout
    assert app.shim("--remove").stderr == "imds-shim: removed 1 rule and 0 routes\n"
    assert app.rules() == []
    assert app.foreign() == before
    assert app.run("getent", "ahostsv4", "mock_metadata").stdout


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_mock_with_another_address_takes_the_rules_place(
    app: Application, mock_image: str, network: str, backend: str
) -> None:
    before = app.foreign()
    other_id = "i-0fedcba0987654321"
    options = ["--network", network, "--network-alias", "other_mock", "--env", f"IMDS_MOCK_INSTANCE_ID={other_id}"]
    with app.docker.container(mock_image, options=options) as other:
        app.shim("--init", MOCK_BACKEND=backend)
        target = f"{address(app.docker, other, network)}:80"
        assert app.rules() != [(backend, target)]
        asked = app.shim(*INSTANCE_ID_ASKED, MOCK_BACKEND=backend, MOCK_HOSTNAME="other_mock")
        assert asked.stdout == other_id
        assert app.rules() == [(backend, target)]
    assert app.foreign() == before


def test_a_start_that_fails_leaves_the_rule_that_was_there(app: Application) -> None:
    app.shim("--init", MOCK_BACKEND="nft")
    before = app.rules()
    assert app.shim("no-such-command", check=False, MOCK_BACKEND="legacy").returncode == 127
    assert app.rules() == before
    assert app.run(*INSTANCE_ID_ASKED).stdout == INSTANCE_ID
