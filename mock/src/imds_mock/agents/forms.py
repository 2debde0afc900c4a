"""How the agents answer: heads and bodies as Go's `net/http` and `encoding/json` write them.

Sources: aws/amazon-ecs-agent (`ecs-agent/tmds`) and aws/eks-pod-identity-agent (`pkg/handlers`, `pkg/errors`). Only
task protection looks at the method, and no answer has a `Server` line.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from imds_mock.service.messages import Head, Response

if TYPE_CHECKING:
    from imds_mock.service.messages import HeaderLines

_JSON: Final = (("Content-Type", "application/json"),)
_TEXT: Final = (("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"))


def as_json(document: Any, status: int = 200) -> Response:
    """A JSON document.

    Args:
        document: What `json` can write.
        status: HTTP status code.
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return _answer(status, _JSON, text.encode())


def as_text(message: str, status: int) -> Response:
    """A message, as `http.Error` writes it.

    Args:
        message: The message, without a line end.
        status: HTTP status code.
    """
    return _answer(status, _TEXT, f"{message}\n".encode())


def not_found() -> Response:
    """The answer to a path that is none."""
    return as_text("404 page not found", 404)


def method_not_allowed() -> Response:
    """The answer to a method that a path does not have."""
    return _answer(405, (), b"")


def _answer(status: int, leading: HeaderLines, body: bytes) -> Response:
    trailing = (("Content-Length", str(len(body))),)
    return Response(Head.build(status, leading, trailing, names_server=False), body)
