"""Callers as the API shows them."""

from __future__ import annotations

from typing import Any

import msgspec


class ShownAnnouncement(msgspec.Struct, frozen=True):
    """What a container has announced about itself.

    Attributes:
        name: Its name; null if it has announced none.
        instance: Facts of its instance, with the keys of the section `instance`; user data is not shown.
    """

    name: str | None
    instance: dict[str, Any]


class ShownIdentity(msgspec.Struct, frozen=True):
    """How the mock sees a caller.

    Attributes:
        address: The caller's IP address.
        addresses: All its known addresses.
        container: Name of its container, if known.
        service: Its Compose service, if known.
        networks: Its known networks.
        identity: `shared` or `per-container`.
        variants: The variants that match it, in the order in which they apply.
        instance_id: Id of its instance.
        availability_zone: Availability zone of its instance.
        role: IAM role in its metadata; null if there is none.
        local_ipv4: Private address in its metadata; null if there is none.
        mac: MAC address in its metadata.
        http_tokens: Whether its requests need a session token.
        announced: What it has announced about itself (`MOCK_INSTANCE`); null if nothing.
    """

    address: str
    addresses: tuple[str, ...]
    container: str | None
    service: str | None
    networks: tuple[str, ...]
    identity: str
    variants: tuple[str, ...]
    instance_id: str
    availability_zone: str | None
    role: str | None
    local_ipv4: str | None
    mac: str | None
    http_tokens: str
    announced: ShownAnnouncement | None


class Client(msgspec.Struct, frozen=True):
    """A program that a caller sends requests with.

    Attributes:
        user_agent: Its user agent, cut after 256 characters; empty if it sends none.
        requests: Number of its requests in the journal.
    """

    user_agent: str
    requests: int


class Caller(msgspec.Struct, frozen=True):
    """A caller in the journal.

    Attributes:
        address: The caller's IP address.
        addresses: All its known addresses.
        names: Container and service name, if known.
        container: Name of its container, if known.
        service: Its Compose service, if known.
        networks: Its known networks.
        instance_id: Id of its instance.
        variants: The variants that match it.
        role: IAM role in its metadata.
        region: Region in its metadata.
        availability_zone: Availability zone in its metadata.
        local_ipv4: Private address in its metadata.
        mac: MAC address in its metadata.
        http_tokens: Whether its requests need a session token.
        announced: What it has announced about itself (`MOCK_INSTANCE`); null if nothing.
        first: Time of its first request in the journal.
        last: Time of its latest request.
        requests: Number of its requests in the journal.
        imdsv1: Number of its requests without a session token.
        clients: The programs that it sends requests with, most requests first.
    """

    address: str
    addresses: tuple[str, ...]
    names: tuple[str, ...]
    container: str | None
    service: str | None
    networks: tuple[str, ...]
    instance_id: str
    variants: tuple[str, ...]
    role: str | None
    region: str | None
    availability_zone: str | None
    local_ipv4: str | None
    mac: str | None
    http_tokens: str
    announced: ShownAnnouncement | None
    first: str
    last: str
    requests: int
    imdsv1: int
    clients: tuple[Client, ...]
