"""The page that tells what came of the runs of real clients; nothing on it is volatile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crawling_clients import CRAWLING_CLIENTS
from realclients import version_of
from sdk_clients import SDK_CLIENTS
from status_matrix import ROWS, WITHOUT_A_TOKEN

if TYPE_CHECKING:
    from instances import Instances
    from realclients import Client
    from status_matrix import Row

CLIENTS: Final = (*SDK_CLIENTS, *CRAWLING_CLIENTS)
_NOT_RUN: Final = "-"

_TOP: Final = """\
# Real clients

Written by `make contract`, which runs each client against `imds-mock` at 169.254.169.254:80, or [fd00:ec2::254]:80, in
a network namespace. A cell names the version of the service that the client spoke, where everything that it read was
exactly what the instance is: region, role, keys, every property. "Who signs" means that the access key, the session
token and the region in the signature of a request, which the client sent to an S3 endpoint on loopback, are those that
curl reads (or, for the region, the client's default where it does not ask for it).

* **no token arrives**: tokens are optional, and the answer to a token request is lost, as in a container on an instance
  whose hop limit is 1. Clients that then go on without a token are run.
* `-`: the client has no setting for the IPv6 endpoint; or, without a token, it gives up or waits for minutes.

| client | version | what it reads | tokens optional | tokens required | IPv6, tokens required | no token arrives |
|---|---|---|---|---|---|---|
"""

_MATRIX: Final = """
## The status matrix

What curl shows, with tokens optional and with tokens required alike.

| request | path | status |
|---|---|---|
"""

_WITHOUT: Final = """
Without a session token:

| request | path | tokens optional | tokens required |
|---|---|---|---|
"""

_SIGNATURES: Final = """
## Signatures

The identity document's `signature` is verified with `openssl dgst -sha256 -verify`, `pkcs7` and `rsa2048` with
`openssl smime -verify ... -noverify`, as the EC2 User Guide says, against the certificates of `imds-mock certs export`.

## By their commands

The commands of EC2 Instance Connect (`aws-ec2-instance-connect-config`), whose every path ends in a slash, find the
instance, the signer's certificate and the pushed keys. What s3fs 1.90 asks (the role without a token, then a token with
`Expect: 100-continue`) is answered 200 and 417, with which it goes on without a token.
"""


def page(instances: Instances) -> str:
    """The whole page; runs what has not run yet."""
    rows = "".join(f"| {_row(client, instances)} |\n" for client in CLIENTS)
    matrix = "".join(f"| {row.name} | {_path(row)} | {row.status} |\n" for row in ROWS)
    without = "".join(f"| {row.name} | {_path(row)} | {row.status} | 401 |\n" for row in WITHOUT_A_TOKEN)
    return f"{_TOP}{rows}{_MATRIX}{matrix}{_WITHOUT}{without}{_SIGNATURES}"


def _row(client: Client, instances: Instances) -> str:
    cells = [client.name, version_of(client), client.reads]
    cells += [_cell(client, tokens, 4, instances) for tokens in ("optional", "required")]
    cells.append(_NOT_RUN if client.ipv6 is None else _cell(client, "required", 6, instances))
    cells.append(_NOT_RUN if client.without_tokens is None else _cell(client, "lost", 4, instances))
    return " | ".join(cells)


def _cell(client: Client, tokens: str, family: int, instances: Instances) -> str:
    run = instances.run(client, tokens, family)
    read_with = {asked.version for asked in run.asked if asked.method == "GET" and asked.status == 200}
    spoken = " and ".join(f"IMDS{version}" for version in sorted(read_with))
    return spoken if run.seen == run.expected else f"**differs** ({spoken})"


def _path(row: Row) -> str:
    return f"`{row.path}`"
