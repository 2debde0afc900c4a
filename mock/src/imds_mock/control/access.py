"""Access to the control plane: the Unix socket, loopback and the default gateway; all other clients need the token.

Requests to a port that is published on the host come from the default gateway's address (measured with Docker), with
rootless Podman from the container's own address, which no other namespace can send from. An address proves little: a
neighbour that can send ARP replies (NET_ADMIN, NET_RAW) can take the gateway's address. Therefore both are trusted only
if no token is set, and `control.trust_gateway` can turn that off. Browsers are stopped by two headers that pages can
neither omit nor forge: `Origin`, and `Host`, which holds the page's own host name after DNS rebinding.

If a token is set, the files of the page need none: they contain nothing of this mock, and the page's login box asks
for the token. Without a token, only clients with access get them.
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


class AccessGuard:
    """ASGI middleware that answers 403 to clients without access.

    Args:
        app: The protected application.
        gateways: Returns the addresses from which requests to a published port come, which have access if no token is
            set; None: they have no access of their own.
        token: The bearer token, if one is set.
        allowed_hosts: Additional host names of the mock.
        is_local: Whether the listener is the Unix socket, which only processes of this container can reach.
        is_public: Whether any client may read a path if a token is set, so that a browser can ask for the token.
    """

    def __init__(  # noqa: PLR0913 - passed by keyword
        self,
        app: ASGIApp,
        gateways: Callable[[], frozenset[str]] | None,
        token: str | None,
        allowed_hosts: Iterable[str],
        *,
        is_local: bool = False,
        is_public: Callable[[str], bool] = lambda _path: False,
    ) -> None:
        self._app = app
        self._is_public = is_public
        self._is_local = is_local
        self._gateways = gateways or frozenset
        self._advice = _advice(has_token=token is not None, trusts_gateway=gateways is not None)
        self._token = None if token is None else f"Bearer {token}".encode("latin-1")
        self._allowed_hosts = frozenset(name.lower().rstrip(".") for name in allowed_hosts)
        # Tells the page that a token would help.
        self._challenge = None if token is None else {"WWW-Authenticate": "Bearer"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403."""
        if scope["type"] == "http":
            refusal = self.refusal(scope)
            if refusal is not None and not self.needs_no_token(scope):
                problem = problem_of(ProblemError(403, refusal))
                assert problem is not None  # noqa: S101 - a ProblemError is always one
                await respond(problem, self._challenge)(scope, receive, send)
                return
        # A client that disconnects while it sends its body gets no response.
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, receive, send)

    def refusal(self, scope: Mapping[str, Any]) -> str | None:
        """Return why a request is refused, or None if it has access."""
        headers = {name: value for name, value in scope["headers"] if name in {b"authorization", b"host", b"origin"}}
        if self._token is not None and hmac.compare_digest(headers.get(b"authorization", b""), self._token):
            return None
        if self._is_local:
            return self._cross_origin(headers)
        # After a reset the peer's address is no longer available.
        address = (scope.get("client") or ("unknown", 0))[0]
        needs_token = self._token is not None and not _is_loopback(address)
        if needs_token or not self.has_priority(address):
            return f"{address} may not use the control plane; {self._advice}."
        return self._from_foreign_page(headers)

    def needs_no_token(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request is for something that any client may read."""
        if self._token is None or not self._is_public(scope["path"]) or scope["method"] not in {"GET", "HEAD"}:
            return False
        headers = {name: value for name, value in scope["headers"] if name in {b"host", b"origin"}}
        return self._from_foreign_page(headers) is None

    def _from_foreign_page(self, headers: Mapping[bytes, bytes]) -> str | None:
        host = _host_name(headers.get(b"host", b"").decode("latin-1"))
        if not self._is_own_host(host):
            return f"The host name {host!r} is unknown; add it to the setting control.allowed_hosts."
        return self._cross_origin(headers)

    def has_priority(self, address: str) -> bool:
        """Whether an address is loopback or that of a trusted gateway."""
        return _is_loopback(address) or str(_peer(address)) in self._gateways()

    def _is_own_host(self, host: str) -> bool:
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
        shown = origin.decode("latin-1")
        return f"Requests from web pages of the origin {shown!r} are refused; use imds-mock ctl or curl."


def _peer(address: str) -> IPv4Address | IPv6Address | None:
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(peer, "ipv4_mapped", None) or peer


def _is_loopback(address: str) -> bool:
    peer = _peer(address)
    return peer is not None and peer.is_loopback


def _advice(*, has_token: bool, trusts_gateway: bool) -> str:
    """What a refused client can do."""
    inside = "use it from inside the container (imds-mock ctl)"
    if has_token:
        return f"send the bearer token of the setting control.token, or {inside}"
    published = ", from the host through a published port," if trusts_gateway else ""
    return f"{inside}{published} or set control.token and send it as bearer token"


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")
