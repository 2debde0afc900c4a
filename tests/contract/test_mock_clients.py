"""Real clients at the true address: each reads what the instance is, with session tokens and nothing but them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.clients_page import CLIENTS, renewed_page
from support.paths import ROOT

if TYPE_CHECKING:
    from support.instances import Instances
    from support.real_clients import Client

PAGE = ROOT / "docs" / "clients.md"
WAYS = (("optional", 4), ("required", 4), ("required", 6))
RUNS = [
    pytest.param(client, tokens, family, id=f"{client.name}-{tokens}-ipv{family}")
    for client in CLIENTS
    for tokens, family in WAYS
    if family == 4 or client.ipv6 is not None
]
FALLING_BACK = [pytest.param(client, id=client.name) for client in CLIENTS if client.without_tokens is not None]


@pytest.mark.parametrize(("client", "tokens", "family"), RUNS)
def test_client_reads_what_the_instance_is(client: Client, tokens: str, family: int, instances: Instances) -> None:
    run = instances.run(client, tokens, family)
    assert run.seen == run.expected
    assert {":" in asked.caller for asked in run.asked} == {family == 6}
    assert {asked.version for asked in run.asked} == {"v2"}
    refused = [(asked.path, asked.status) for asked in run.asked if asked.status != 200]
    assert sorted(refused) == sorted((path, 404) for path in client.absent)


@pytest.mark.parametrize("client", FALLING_BACK)
def test_client_goes_on_without_a_token_when_none_arrives(client: Client, instances: Instances) -> None:
    run = instances.run(client, "lost", 4)
    assert run.seen == run.expected
    assert run.asked[0].method == "PUT"
    assert {asked.version for asked in run.asked if asked.method == "GET" and asked.status == 200} == {"v1"}


def test_the_page_tells_what_came_of_the_runs(instances: Instances) -> None:
    before = PAGE.read_text()
    current = renewed_page(before, instances)
    if before != current:
        PAGE.write_text(current)
        pytest.fail(f"docs/{PAGE.name} told something else; it is written anew now: read it and commit it")
