"""The page with the results of the runs of real clients. Its text is deterministic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from support.crawling_clients import CRAWLING_CLIENTS
from support.real_clients import version_of
from support.sdk_clients import SDK_CLIENTS
from support.status_matrix import ROWS, WITHOUT_A_TOKEN

if TYPE_CHECKING:
    from support.instances import Instances
    from support.real_clients import Client
    from support.status_matrix import Row

CLIENTS: Final = (*SDK_CLIENTS, *CRAWLING_CLIENTS)
_NOT_RUN: Final = "-"
# The tests of SDKs write the rest of the page, from this heading on.
_SDKS: Final = "\n## Official SDKs\n"

_TOP: Final = """\
# Real clients

[Official SDKs](#official-sdks) lists what each official SDK reads, and what it does if a request fails. This first part
is about other clients, and about SDKs inside other programs. `make contract` writes it: it runs each client against
`imds-mock` at 169.254.169.254:80, or [fd00:ec2::254]:80, in a network namespace.

* A cell names the IMDS version that the client used. Everything that the client read (region, role, keys, every
  property) matched the instance exactly.
* **who signs**: the client sent a signed request to an S3 endpoint on loopback. The access key, the session token and
  the region in the signature are those that curl reads. If a client does not read the region from the IMDS, its
  default region is expected.
* **no token arrives**: tokens are optional, and the response to the token request is lost, as in a container on an
  instance with a hop limit of 1. Only clients that fall back to IMDSv1 are tested.
* `-`: the client has no setting for the IPv6 endpoint; or, without a token, it gives up or waits for minutes.

| client | version | what it reads | tokens optional | tokens required | IPv6, tokens required | no token arrives |
|---|---|---|---|---|---|---|
"""

_MATRIX: Final = """
## Status matrix

The status codes that curl receives. They are the same with tokens optional and with tokens required.

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

The tests verify the identity document's signatures as the EC2 User Guide describes, against the certificates of
`imds-mock certs export`: `signature` with `openssl dgst -sha256 -verify`, `pkcs7` and `rsa2048` with
`openssl smime -verify ... -noverify`.

## Clients tested by their requests

* **EC2 Instance Connect** (`aws-ec2-instance-connect-config`): all its paths end in a slash. Its commands find the
  instance, the signer's certificate and the pushed keys.
* **s3fs 1.90**: it reads the role without a token (200), then requests a token with `Expect: 100-continue` (417), and
  continues without a token.
"""


def with_section(page: str, section: str) -> str:
    """The page with this section about SDKs."""
    return page.partition(_SDKS)[0] + _SDKS + section


def renewed_page(page: str, instances: Instances) -> str:
    """The page with the results of all clients except SDKs. Runs every client that has not run yet."""
    rows = "".join(f"| {_row(client, instances)} |\n" for client in CLIENTS)
    matrix = "".join(f"| {row.name} | {_path(row)} | {row.status} |\n" for row in ROWS)
    without = "".join(f"| {row.name} | {_path(row)} | {row.status} | 401 |\n" for row in WITHOUT_A_TOKEN)
    sdks = "".join(page.partition(_SDKS)[1:])
    return f"{_TOP}{rows}{_MATRIX}{matrix}{_WITHOUT}{without}{_SIGNATURES}{sdks}"


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
