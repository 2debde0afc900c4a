"""Read everything below the given paths by following the listings: `crawl.py [--without-token] PATH...`.

Prints the text of each path as JSON. Uses only the standard library, because real clients are compared with this.
"""

from __future__ import annotations

import http.client
import json
import sys

ADDRESS = "169.254.169.254"


class Reader:
    def __init__(self, *, with_token: bool) -> None:
        self._headers: dict[str, str] = {}
        if with_token:
            token = self._ask("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
            self._headers["X-aws-ec2-metadata-token"] = token

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> str:
        connection = http.client.HTTPConnection(ADDRESS, timeout=5)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read().decode("latin-1")
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise SystemExit(f"{method} {path} answered {answer.status}")
        return body

    def read(self, path: str) -> str:
        return self._ask("GET", path, self._headers)

    def below(self, path: str) -> dict[str, str]:
        """All leaves below a listing, by path."""
        found: dict[str, str] = {}
        for name in self.read(path).split("\n"):
            if path.endswith("/public-keys/"):
                key = f"{path}{name.partition('=')[0]}/openssh-key"
                found[key] = self.read(key)
            elif name.endswith("/"):
                found |= self.below(f"{path}{name}")
            else:
                found[f"{path}{name}"] = self.read(f"{path}{name}")
        return found


roots = [word for word in sys.argv[1:] if word != "--without-token"]
reader = Reader(with_token=len(roots) == len(sys.argv) - 1)
tree: dict[str, str] = {}
for root in roots:
    tree |= reader.below(root) if root.endswith("/") else {root: reader.read(root)}
print(json.dumps(tree))
