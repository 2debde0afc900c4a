"""Who may drive the mock: callers over the Unix socket, from loopback or from the default gateway; others by token.

A port that is published on the host is reached from the default gateway's address, measured with Docker. An address is
no proof: a neighbour that may send ARP answers (NET_ADMIN, NET_RAW) can take the gateway's. So the gateway is trusted
only while there is no token, and `control.trust_gateway` takes that away. Browsers are
kept out by what they cannot leave out or forge: `Origin` on every request that changes something, and `Host`, which
names the page's own host when a name was rebound to a local address.
"""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import ClientDisconnect

from imds_mock.control.problems import ProblemError, problem_of, respond

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from ipaddress import IPv4Address, IPv6Address

    from starlette.types import ASGIApp, Receive, Scope, Send

_LOCALHOST: Final = "localhost"


class Access:
    """The guard in front of all operations.

    Args:
        app: What is guarded.
        gateways: Gives the addresses of the default gateways, which need no token as long as there is none; None: they
            are callers like others.
        token: The bearer token; None if nobody is let in by one.
        allowed_hosts: Names that callers may use for the mock.
        local: The listener is the Unix socket, which only this container's processes reach.
    """

    def __init__(
        self,
        app: ASGIApp,
        gateways: Callable[[], frozenset[str]] | None,
        token: str | None,
        allowed_hosts: Iterable[str],
        *,
        local: bool = False,
    ) -> None:
        self._app = app
        self._local = local
        self._gateways = gateways or frozenset
        self._way = _way(has_token=token is not None, trusts_gateway=gateways is not None)
        self._token = None if token is None else f"Bearer {token}".encode("latin-1")
        self._allowed_hosts = frozenset(name.lower().rstrip(".") for name in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 403."""
        if scope["type"] == "http":
            refusal = self.refusal(scope)
            if refusal is not None:
                problem = problem_of(ProblemError(403, refusal))
                assert problem is not None  # noqa: S101 - a ProblemError is always one
                await respond(problem)(scope, receive, send)
                return
        # A client that goes away while it sends its body gets no answer.
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, receive, send)

    def refusal(self, scope: Mapping[str, Any]) -> str | None:
        """Why a request may not pass; None if it may."""
        headers = {name: value for name, value in scope["headers"] if name in {b"authorization", b"host", b"origin"}}
        if self._token is not None and hmac.compare_digest(headers.get(b"authorization", b""), self._token):
            return None
        if self._local:
            return self._cross_origin(headers)
        # The peer of a connection that was reset already is unknown: it is nobody.
        client = scope.get("client") or ("nobody", 0)
        needs_token = self._token is not None and not _is_loopback(client[0])
        if needs_token or not self.is_near(client[0]):
            return f"{client[0]} may not use the control plane; {self._way}."
        host = _name_of(headers.get(b"host", b"").decode("latin-1"))
        if not self._is_own(host):
            return (
                f"The host name {host!r} is not known to be this mock's; add it to the setting control.allowed_hosts."
            )
        return self._cross_origin(headers)

    def is_near(self, address: str) -> bool:
        """Whether a peer is this machine or a gateway that is trusted, told by its address."""
        return _is_loopback(address) or str(_peer(address)) in self._gateways()

    def _is_own(self, host: str) -> bool:
        if host == _LOCALHOST or host.endswith(f".{_LOCALHOST}") or host in self._allowed_hosts:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True

    def _cross_origin(self, headers: Mapping[bytes, bytes]) -> str | None:
        origin = headers.get(b"origin")
        if origin is None or origin.partition(b"://")[2] == headers.get(b"host", b""):
            return None
        return "Requests from pages of other origins are refused."


def _peer(address: str) -> IPv4Address | IPv6Address | None:
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(peer, "ipv4_mapped", None) or peer


def _is_loopback(address: str) -> bool:
    peer = _peer(address)
    return peer is not None and peer.is_loopback


def _way(*, has_token: bool, trusts_gateway: bool) -> str:
    """What a caller that was refused can do."""
    inside = "use it from inside the container (imds-mock ctl)"
    if has_token:
        return f"send the bearer token of the setting control.token, or {inside}"
    published = ", from the host through a published port," if trusts_gateway else ""
    return f"{inside}{published} or set control.token and send it as bearer token"


def _name_of(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")
