"""The rules of the instance metadata service: which answer a request gets. No I/O, no clock of its own.

Sources: EC2 User Guide (instance metadata, IMDSv2), and captures of current instances for what the guide leaves open;
`docs/mock-protocol.md` has the table. Order of the rules: probe, address family, endpoint switch, Expect, method,
session token, path. A bad token on a missing path is therefore 401.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imds_mock.service import answers
from imds_mock.service.messages import PROBE_HEADER, TOKEN_HEADER, TOKEN_TTL_HEADER, Delivery, Head, Response
from imds_mock.service.tokens import MAX_TTL_SECONDS, MIN_TTL_SECONDS, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.config.settings import MetadataOptions
    from imds_mock.service.messages import Request
    from imds_mock.service.snapshot import Snapshot

TOKEN_PATH: Final = "/latest/api/token"  # noqa: S105 - a path, not a secret
DEFAULT_HOP_LIMIT: Final = 1

_TOKEN_METHODS: Final = "OPTIONS, PUT"  # noqa: S105 - methods, not a secret
_READING: Final = frozenset({"GET", "HEAD"})
_SEND: Final = Delivery.SEND  # an attribute of an enumeration is slow to get before Python 3.12
_DELIVERIES: Final = {delivery.value: delivery for delivery in Delivery}
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
_TOKEN_HEAD: Final = Head.build(200, (("Content-Length", "56"),), (("Content-Type", "text/plain"),))
# An upper bound on what one snapshot keeps rendered; real clients ask for some hundred paths.
_MAX_RENDERED: Final = 2048


class Service:
    """Decides about requests.

    Args:
        snapshot_for: Gives the snapshot that a caller's address sees.
        tokens: Issues and checks session tokens.
        probe_id: What a probe is answered with.
    """

    __slots__ = ("_probe_answer", "_snapshot_for", "_tokens")

    def __init__(self, snapshot_for: Callable[[str], Snapshot], tokens: Tokens, probe_id: str) -> None:
        self._snapshot_for = snapshot_for
        self._tokens = tokens
        self._probe_answer = answers.probed(probe_id)

    def respond(self, request: Request, caller: str, now: float) -> Response:
        """Answer one request.

        Args:
            request: The request.
            caller: Address of the peer, as text.
            now: Wall-clock time in seconds since the epoch.
        """
        if request.path == "/" and PROBE_HEADER in request.headers and request.method == "GET":
            return self._probe_answer
        snapshot = self._snapshot_for(caller)
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
        return answers.refusal(200 if request.method == "OPTIONS" else 405, allow=allow)

    def token_issued_at(self, request: Request, caller: str, now: float) -> float | None:
        """Tell when the session token of a request was issued.

        Args:
            request: The request.
            caller: Address of the peer, as text.
            now: Wall-clock time in seconds since the epoch.

        Returns:
            Seconds since the epoch; None when the request has no token that is good.
        """
        token = request.headers.get(TOKEN_HEADER)
        return None if token is None else self._tokens.issued_at(token, now, self._snapshot_for(caller).instance)

    def _put(self, request: Request, snapshot: Snapshot, now: float) -> Response:
        options = snapshot.options
        if request.path != TOKEN_PATH or request.trailing_slash:
            return answers.refusal(options.put_elsewhere_status)
        if "x-forwarded-for" in request.headers:
            return answers.refusal(403)
        asked = request.headers.get(TOKEN_TTL_HEADER, "")
        ttl_seconds = int(asked) if _DIGITS.fullmatch(asked) else 0
        if not MIN_TTL_SECONDS <= ttl_seconds <= MAX_TTL_SECONDS:
            return snapshot.compatibility.responses_by_status.get(400) or answers.page(
                400, options.bad_request_content_type
            )
        hop_limit = options.http_put_response_hop_limit
        lost = options.container_hops >= (hop_limit or DEFAULT_HOP_LIMIT)
        return Response(
            _TOKEN_HEAD,
            self._tokens.issue(ttl_seconds, now, snapshot.instance),
            token_ttl_seconds=ttl_seconds,
            hop_limit=hop_limit,
            delivery=_DELIVERIES[options.hop_limit_effect] if lost else _SEND,
        )

    def _read(self, request: Request, snapshot: Snapshot, caller: str, now: float) -> Response:
        token = request.headers.get(TOKEN_HEADER)
        if token is None:
            if snapshot.options.http_tokens == "required":
                return snapshot.compatibility.responses_by_status.get(401) or answers.refusal(401)
            return snapshot.rendered.get(request.path) or _look_up(request.path, snapshot, caller, now)
        left = self._tokens.remaining_seconds(token, now, snapshot.instance)
        if left is None:
            return snapshot.compatibility.responses_by_status.get(401) or answers.refusal(401)
        found = snapshot.rendered.get(request.path) or _look_up(request.path, snapshot, caller, now)
        return Response(found.head, found.body, left)


def _refuse_at_once(request: Request, caller: str, options: MetadataOptions) -> Response | None:
    if options.http_protocol_ipv6 == "disabled" and ":" in caller:
        return answers.RESET
    if options.http_endpoint == "disabled":
        return answers.refusal(403)
    if "expect" in request.headers:
        return answers.refusal(417)
    return None


def _look_up(path: str, snapshot: Snapshot, caller: str, now: float) -> Response:
    compatibility = snapshot.compatibility
    end = compatibility.listing_suffixes.get(path, b"")
    if path == "/":
        answer = answers.content("\n".join(snapshot.versions).encode() + end, "text/plain", snapshot.started)
        return _remember(path, answer, snapshot)
    version, _, inner = path[1:].partition("/")
    found = snapshot.tree.lookup(version, inner, now) if version in snapshot.versions else None
    admits = compatibility.visible_to.get(path)
    if (admits is not None and not admits(caller)) or found is None:
        return compatibility.responses_by_status.get(404) or answers.page(404, snapshot.options.not_found_content_type)
    modified = snapshot.started if found.modified is None else found.modified
    answer = answers.content(found.body + end, found.content_type, modified)
    return _remember(path, answer, snapshot) if found.is_constant else answer


def _remember(path: str, answer: Response, snapshot: Snapshot) -> Response:
    if len(snapshot.rendered) < _MAX_RENDERED:
        snapshot.rendered[path] = answer
    return answer
