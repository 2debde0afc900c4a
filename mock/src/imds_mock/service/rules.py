"""The rules of the instance metadata service: the response to a request, without I/O and without a clock.

Sources: EC2 User Guide (instance metadata, IMDSv2), and captures of current instances where the guide says nothing;
`docs/mock-protocol.md` has the table. Order of the rules: probe, address family, endpoint switch, Expect, method,
session token, path. An invalid token on a missing path is therefore a 401.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, Protocol

from msgspec.structs import replace

from imds_mock.scheduling.window import ALWAYS
from imds_mock.service import responses
from imds_mock.service.messages import (
    ANNOUNCEMENT_HEADER,
    PROBE_HEADER,
    TOKEN_HEADER,
    TOKEN_TTL_HEADER,
    Delivery,
    Head,
    Response,
)
from imds_mock.service.tokens import MAX_TTL_SECONDS, MIN_TTL_SECONDS, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.config.settings import MetadataOptions
    from imds_mock.scheduling.window import Window
    from imds_mock.service.messages import Request
    from imds_mock.service.snapshot import Snapshot

TOKEN_PATH: Final = "/latest/api/token"  # noqa: S105 - a path, not a secret
DEFAULT_HOP_LIMIT: Final = 1

_TOKEN_METHODS: Final = "OPTIONS, PUT"  # noqa: S105 - methods, not a secret
_READING: Final = frozenset({"GET", "HEAD"})
_SEND: Final = Delivery.SEND  # an attribute of an enumeration is slow to get before Python 3.12
_DELIVERIES: Final = {delivery.value: delivery for delivery in Delivery}
_PROXIED: Final = responses.AnnouncementOutcome("an announcement must not come through a proxy (X-Forwarded-For)")
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
_TOKEN_HEAD: Final = Head.build(200, (("Content-Length", "56"),), (("Content-Type", "text/plain"),))
# The most responses that one snapshot keeps; real clients request some hundred paths.
_MAX_RESPONSES: Final = 2048


class SnapshotSource(Protocol):
    """Knows what each caller sees."""

    @property
    def snapshot_for(self) -> Callable[[str], Snapshot]:
        """Returns the snapshot that the caller with an address sees now."""


class FaultInjector(Protocol):
    """Changes responses as the armed faults say."""

    @property
    def armed(self) -> tuple[object, ...]:
        """The armed faults."""

    def apply(
        self, response: Response, request: Request, caller: str, now: float, token_issued_at: Callable[[], float | None]
    ) -> Response:
        """Return the response with the changes of all faults that match the request."""


class Service:
    """Answers requests.

    Args:
        snapshots: What each caller sees.
        tokens: Issues and verifies session tokens.
        probe_id: Identifies this mock in the response to a probe.
        faults: Changes the responses; None changes nothing.
        announce: Accepts or refuses what a probe announces about its container, given the caller's address and the
            header. None ignores announcements.
    """

    __slots__ = ("_announce", "_faults", "_probe_id", "_probe_response", "_snapshots", "_tokens")

    def __init__(
        self,
        snapshots: SnapshotSource,
        tokens: Tokens,
        probe_id: str,
        faults: FaultInjector | None = None,
        announce: Callable[[str, str], responses.AnnouncementOutcome] | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._tokens = tokens
        self._probe_id = probe_id
        self._probe_response = responses.probed(probe_id)
        self._faults = faults
        self._announce = announce

    def respond(self, request: Request, caller: str, now: float) -> Response:
        """The response to a request, with the armed faults applied.

        Args:
            request: The request.
            caller: The caller's IP address.
            now: Wall-clock time in seconds since the epoch.
        """
        faults = self._faults
        if faults is None or not faults.armed:
            return self._decide(request, caller, now)
        return self._apply(faults, request, caller, now)

    def respond_to_malformed(self, caller: str) -> Response:
        """The response to bytes that cannot be parsed.

        Args:
            caller: The caller's IP address.
        """
        snapshot = self._snapshots.snapshot_for(caller)
        own = snapshot.compatibility.malformed_response
        return own or responses.page(400, snapshot.options.bad_request_content_type)

    def _decide(self, request: Request, caller: str, now: float) -> Response:
        if request.path == "/" and PROBE_HEADER in request.headers and request.method == "GET":
            return self._probed(request, caller)
        snapshot = self._snapshots.snapshot_for(caller)
        if request.agent and snapshot.agents is not None:
            return snapshot.agents.respond(request, snapshot.tree, caller, now)
        refused = _refuse_at_once(request, caller, snapshot.options)
        if refused is not None:
            return refused
        if request.method == "PUT":
            return self._put(request, snapshot, now)
        names_token = request.path == TOKEN_PATH and not request.trailing_slash
        if request.method in _READING and not names_token:
            return self._read(request, snapshot, caller, now)
        allow = _TOKEN_METHODS if names_token else snapshot.options.data_path_allow
        return responses.refusal(200 if request.method == "OPTIONS" else 405, allow=allow)

    def _probed(self, request: Request, caller: str) -> Response:
        announcement = request.headers.get(ANNOUNCEMENT_HEADER)
        if announcement is None or self._announce is None:
            return self._probe_response
        # As for session tokens: what comes through a proxy is not the container's own.
        outcome = _PROXIED if "x-forwarded-for" in request.headers else self._announce(caller, announcement)
        return responses.announced(self._probe_id, outcome, caller)

    # Kept out of `respond`, where the lambda would make every call allocate a cell for each variable it uses.
    def _apply(self, faults: FaultInjector, request: Request, caller: str, now: float) -> Response:
        response = self._decide(request, caller, now)
        return faults.apply(response, request, caller, now, lambda: self._token_issued_at(request, caller, now))

    def _token_issued_at(self, request: Request, caller: str, now: float) -> float | None:
        token = request.headers.get(TOKEN_HEADER)
        if token is None:
            return None
        return self._tokens.issued_at(token, now, self._snapshots.snapshot_for(caller).instance)

    def _put(self, request: Request, snapshot: Snapshot, now: float) -> Response:
        options = snapshot.options
        if request.path != TOKEN_PATH or request.trailing_slash:
            return responses.refusal(options.put_elsewhere_status)
        if "x-forwarded-for" in request.headers:
            return responses.refusal(403)
        asked = request.headers.get(TOKEN_TTL_HEADER, "")
        ttl_seconds = int(asked) if _DIGITS.fullmatch(asked) else 0
        if not MIN_TTL_SECONDS <= ttl_seconds <= MAX_TTL_SECONDS:
            malformed = snapshot.compatibility.responses_by_status.get(400)
            return malformed or responses.page(400, options.bad_request_content_type)
        hop_limit = options.http_put_response_hop_limit
        lost = options.container_hops >= (hop_limit or DEFAULT_HOP_LIMIT)
        issue, instance = self._tokens.issue, snapshot.instance
        return Response(
            _TOKEN_HEAD,
            issue(ttl_seconds, now, instance),
            token_ttl_seconds=ttl_seconds,
            hop_limit=hop_limit,
            delivery=_DELIVERIES[options.hop_limit_effect] if lost else _SEND,
            start=-math.inf,
            end=math.inf,
            renew=lambda moment: issue(ttl_seconds, moment, instance),
        )

    def _read(self, request: Request, snapshot: Snapshot, caller: str, now: float) -> Response:
        token = request.headers.get(TOKEN_HEADER)
        if token is None:
            if snapshot.options.http_tokens == "required":
                return snapshot.compatibility.responses_by_status.get(401) or responses.refusal(401)
            return _look_up(request.path, snapshot, caller, now)
        checked = self._tokens.check(token, now, snapshot.instance)
        if checked is None:
            return snapshot.compatibility.responses_by_status.get(401) or responses.refusal(401)
        seconds, until = checked
        found = _look_up(request.path, snapshot, caller, now)
        return Response(found.head, found.body, seconds, start=max(found.start, now), end=min(found.end, until))


def _refuse_at_once(request: Request, caller: str, options: MetadataOptions) -> Response | None:
    if options.http_protocol_ipv6 == "disabled" and ":" in caller:
        return responses.RESET
    if options.http_endpoint == "disabled":
        return responses.refusal(403)
    if "expect" in request.headers:
        return responses.refusal(417)
    return None


def _look_up(path: str, snapshot: Snapshot, caller: str, now: float) -> Response:
    kept = snapshot.responses.get(path)
    if kept is not None and kept.start <= now < kept.end:
        return kept
    compatibility = snapshot.compatibility
    suffix = compatibility.listing_suffixes.get(path, b"")
    if path == "/":
        listing = "\n".join(snapshot.versions).encode() + suffix
        return _remember(path, snapshot, _during(ALWAYS, Response.content(listing, "text/plain", snapshot.started)))
    version, _, inner = path[1:].partition("/")
    is_visible = compatibility.visible_to.get(path)
    if version not in snapshot.versions or (is_visible is not None and not is_visible(caller)):
        return _not_found(snapshot)
    found = snapshot.tree.lookup(version, inner, now)
    if found is None:
        response = _not_found(snapshot)
    else:
        modified = snapshot.started if found.modified is None else found.modified
        response = Response.content(found.body + suffix, found.content_type, modified)
    if is_visible is not None:
        return response
    window = snapshot.tree.window(inner, now)
    response = _during(window, response)
    # Clients can invent any number of paths that are never found.
    return response if found is None and window == ALWAYS else _remember(path, snapshot, response)


def _not_found(snapshot: Snapshot) -> Response:
    own = snapshot.compatibility.responses_by_status.get(404)
    return own or responses.page(404, snapshot.options.not_found_content_type)


def _during(window: Window, response: Response) -> Response:
    """The response, valid for a span of time."""
    return replace(response, start=window.start, end=window.end)


def _remember(path: str, snapshot: Snapshot, response: Response) -> Response:
    """Keep a response for later requests in its span of time."""
    kept = snapshot.responses
    if response.start < response.end and (len(kept) < _MAX_RESPONSES or path in kept):
        kept[path] = response
    return response
