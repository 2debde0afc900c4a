"""Real clients at the true address: each reads what the instance is, with session tokens and nothing but them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crawling_clients import CRAWLING_CLIENTS
from sdk_clients import SDK_CLIENTS

if TYPE_CHECKING:
    from instances import Instances
    from realclients import Client

CLIENTS = (*SDK_CLIENTS, *CRAWLING_CLIENTS)
WAYS = (("optional", 4), ("required", 4), ("required", 6))
RUNS = [
    pytest.param(client, tokens, family, id=f"{client.name}-{tokens}-ipv{family}")
    for client in CLIENTS
    for tokens, family in WAYS
    if family == 4 or client.ipv6 is not None
]


@pytest.mark.parametrize(("client", "tokens", "family"), RUNS)
def test_client_reads_what_the_instance_is(client: Client, tokens: str, family: int, instances: Instances) -> None:
    run = instances.run(client, tokens, family)
    assert run.seen == run.expected
    assert {":" in asked.caller for asked in run.asked} == {family == 6}
    assert {asked.version for asked in run.asked} == {"v2"}
    refused = [(asked.path, asked.status) for asked in run.asked if asked.status != 200]
    assert sorted(refused) == sorted((path, 404) for path in client.absent)
