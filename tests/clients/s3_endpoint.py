"""A stand-in for S3 on loopback with one empty bucket; it records who signed the requests."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTING = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>bucket</Name><Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys>"
    b"<IsTruncated>false</IsTruncated></ListBucketResult>"
)
_SCOPE = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/")


class Signers:
    """The signers of the requests (access key, region, session token), in order of their first request."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[tuple[str, str, str]] = []

    def note(self, authorization: str, token: str) -> None:
        found = _SCOPE.search(authorization)
        signer = (found[1], found[2], token) if found else (authorization, "", token)
        if signer not in self.seen:
            self.seen.append(signer)

    def only(self) -> dict[str, str]:
        """The signer of all requests; fails if there is none or more than one."""
        ((access_key_id, region, token),) = self.seen
        return {"access_key_id": access_key_id, "session_token": token, "signing_region": region}


@contextlib.contextmanager
def s3_endpoint() -> Iterator[Signers]:
    """Run the endpoint until the block ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            signers.note(self.headers.get("Authorization", ""), self.headers.get("X-Amz-Security-Token", ""))
            names_object = self.path.partition("?")[0].strip("/").count("/") > 0
            body = b"" if names_object else _LISTING
            self.send_response(404 if names_object else 200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    signers = Signers(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield signers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
