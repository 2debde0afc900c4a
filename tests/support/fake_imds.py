"""A program: the smallest server that the shim accepts as a mock. Arguments: address, port, id. Prints `ready`.

It answers `GET /` with the probe header as imds-mock does, `GET /silence` never, and every other request with the id.
Some ids change that: `real` ignores the probe, like another IMDS; `hanging` never answers; `busy` answers 503 to the
first three requests; `telling` prints `asked` for each probe.
"""

from __future__ import annotations

import http.server
import itertools
import socket
import sys
import threading

BUSY_TURNS = 3


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    turns = itertools.count()

    def do_GET(self) -> None:
        if self.path == "/silence" or sys.argv[3] == "hanging":
            threading.Event().wait()
        if sys.argv[3] == "busy" and next(self.turns) < BUSY_TURNS:
            self.send_error(503)
            return
        if self.headers.get("X-Imds-Mock-Probe") and sys.argv[3] != "real":
            if sys.argv[3] == "telling":
                sys.stdout.write("asked\n")
                sys.stdout.flush()
            self.send_response(204)
            self.send_header("X-Imds-Mock-Id", sys.argv[3])
            self.end_headers()
            return
        body = sys.argv[3].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET


if __name__ == "__main__":
    server = Server((sys.argv[1], int(sys.argv[2])), Handler)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()
