"""An answer as the bytes of HTTP/1.1, in the order in which the real service writes its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.wire.terms import SERVER_LINE

if TYPE_CHECKING:
    from imds_mock.service.messages import Response


def write(out: list[bytes], response: Response, passing: bytes, *, with_body: bool) -> None:
    """Append an answer to what is going to be sent.

    Args:
        out: Pieces of bytes.
        response: The answer.
        passing: The header lines of the moment and the connection.
        with_body: Not for HEAD.
    """
    head = response.head
    out.append(head.status_line)
    if response.token_ttl_seconds is not None:
        out.append(b"X-Aws-Ec2-Metadata-Token-Ttl-Seconds: %d\r\n" % response.token_ttl_seconds)
    if not head.names_server:
        passing = passing.replace(SERVER_LINE, b"")
    out += (head.leading_bytes, passing, head.trailing_bytes)
    if with_body:
        out.append(response.body if response.cut_after is None else response.body[: response.cut_after])
