"""Responses as the agents write them, with Go's `net/http` and `encoding/json`.

Sources: aws/amazon-ecs-agent (`ecs-agent/tmds`) and aws/eks-pod-identity-agent (`pkg/handlers`, `pkg/errors`). Only
task protection checks the method. No response has a `Server` header.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from imds_mock.service.messages import Head, Response

if TYPE_CHECKING:
    from imds_mock.service.messages import HeaderLines

_JSON: Final = (("Content-Type", "application/json"),)
_TEXT: Final = (("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"))


def json_response(document: Any, status: int = 200) -> Response:
    """A JSON document, without spaces between its tokens."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return _response(status, _JSON, text.encode())


def text_response(message: str, status: int) -> Response:
    """A message as written by `http.Error`, which appends a line end."""
    return _response(status, _TEXT, f"{message}\n".encode())


def not_found() -> Response:
    """The response for an unknown path."""
    return text_response("404 page not found", 404)


def method_not_allowed() -> Response:
    """The response for a method that a path does not support."""
    return _response(405, (), b"")


def _response(status: int, leading: HeaderLines, body: bytes) -> Response:
    trailing = (("Content-Length", str(len(body))),)
    return Response(Head.build(status, leading, trailing, names_server=False), body)
