"""A control plane of prepared responses: a spot interruption at noon, and callers with unusual names."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from support.http_server import ScriptedHttpServer

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = "2026-01-31T12:00:40.000Z"
ROLE = "/latest/meta-data/iam/security-credentials/my-role"
V1 = {"version": "v1", "token": "absent"}
PUT = {"method": "PUT", "token": "issued"}
HOSTILE = "\x1b[31mred\x07\x9b2J\u202eevil\x7f"


def request(number: int, second: int, caller: str, name: str, written: str, **changes: Any) -> dict[str, Any]:
    """A recorded request, some seconds after noon."""
    time = f"2026-01-31T12:00:{second:02}.000Z"
    entry = {"number": number, "time": time, "real_time": time, "caller": caller, "names": [name] if name else []}
    entry |= {"instance_id": None, "method": "GET", "path": written, "written": written, "version": "v2"}
    return {**entry, "token": "valid", "status": 200, "microseconds": 180 + number, "faults": [], **changes}


REQUESTS = [
    request(1, 1, "172.18.0.3", "shop-web-1", "/latest/api/token", **PUT),
    request(2, 1, "172.18.0.3", "shop-web-1", "/latest/meta-data/instance-id"),
    request(3, 5, "172.18.0.4", "shop-worker-1", "/latest/meta-data/placement/region", **V1),
    request(4, 9, "172.18.0.4", "shop-worker-1", "/latest/meta-data/spot/instance-action", status=404),
    request(5, 12, "172.18.0.5", "", ROLE, status=503, faults=["status-1"], microseconds=1200417),
    request(6, 31, "172.18.0.6", "漢字-バッチ-1", "/latest/meta-data/spot/instance-action"),
    request(7, 33, "172.18.0.7", "party-🎉-1", f"/latest/meta-data/{'tags/instance/' * 9}Name", status=404),
    request(8, 38, "172.18.0.8", f"evil{HOSTILE}", f"/latest/{HOSTILE}", **V1, status=404),
    request(9, 39, "2001:db8::17", "", "/latest/meta-data/mac", status=0, faults=["stall-2"]),
]


def armed(what: str, fields: dict[str, Any], number: int, **changes: Any) -> dict[str, Any]:
    """An event or fault as the API shows it."""
    shown = {"id": f"{fields['kind']}-{number}", "kind": fields["kind"], "state": "active"}
    shown |= {"starts": "2026-01-31T12:00:30.000Z", "ends": None, "target": None, "addresses": [], "callers": None}
    return {**shown, "warning": None, what: fields, **changes}


EVENTS = [
    armed("event", {"kind": "spot", "target": "worker"}, 1, target="worker", callers=2, addresses=["172.18.0.4"]),
    armed("event", {"kind": "maintenance"}, 2),
    armed("event", {"kind": "rebalance", "in": "1m"}, 3, state="pending", starts="2026-01-31T12:01:40.000Z"),
    armed("event", {"kind": "lifecycle", "state": "Terminated", "for": "1m"}, 4, ends="2026-01-31T12:01:30.000Z"),
    armed("event", {"kind": "rebalance"}, 5, state="canceled", ends="2026-01-31T12:00:35.000Z"),
    armed("event", {"kind": "maintenance", "code": "instance-stop", "not_before": "2h", "description": HOSTILE}, 6),
]
FAULTS = [
    armed("fault", {"kind": "status", "status": 503, "path": "*/iam/security-credentials/*", "rate": 0.5}, 1, hits=3),
    armed("fault", {"kind": "stall", "target": "worker", "for": "1m"}, 2, hits=0, target="worker", callers=2)
    | {"ends": "2026-01-31T12:01:30.000Z"},
]


def caller(address: str, names: list[str], number: int, **changes: Any) -> dict[str, Any]:
    """A caller as the API shows it."""
    shown = {"address": address, "names": names, "instance_id": f"i-{number:017x}", "variants": [], "role": "my-role"}
    times = {"first": "2026-01-31T11:12:13.000Z", "last": f"2026-01-31T12:00:{number:02}.000Z"}
    return {**shown, **times, "requests": 40 * number, **changes}


CALLERS = [
    caller("172.18.0.3", ["shop-web-1", "web"], 17, variants=["web"]),
    caller("172.18.0.4", ["shop-worker-1", "worker"], 12, role=None),
    caller("172.18.0.6", ["漢字-バッチ-1"], 9),
    caller("172.18.0.8", [f"evil{HOSTILE}"], 3),
]
METADATA = {
    path: {"value": value}
    for path, value in {
        "dynamic/instance-identity/document": '{\n  "instanceId" : "i-1234567890abcdef0",\n  "region" : "us-east-1"\n}',
        "meta-data/instance-id": "i-1234567890abcdef0",
        "meta-data/managed-ssh-keys/signer-cert": "\n".join(f"{line:02}{'MIID' * 20}" for line in range(20)),
        "meta-data/placement/region": "us-east-1",
        "meta-data/tags/instance/Name": f"web{HOSTILE}",
        "meta-data/tags/instance/漢字🎉": "値",
    }.items()
}
NOTICES = [
    {
        "subject": "spot-interruption",
        "caller": "172.18.0.4",
        "names": ["shop-worker-1"],
        "instance_id": None,
        "times": 4,
    }
    | dict.fromkeys(("first", "real_first"), "2026-01-31T12:00:31.000Z")
    | dict.fromkeys(("last", "real_last"), "2026-01-31T12:00:38.000Z")
]
RESPONSES: dict[str, Any] = {
    "/v1/clock": {"time": NOW, "real_time": NOW, "offset_seconds": 0.0, "is_real": True},
    "/v1/requests": REQUESTS,
    "/v1/events": EVENTS,
    "/v1/faults": FAULTS,
    "/v1/callers": CALLERS,
    "/v1/metadata": METADATA,
    "/v1/metadata/meta-data/tags/instance/Name": {"leaf": METADATA["meta-data/tags/instance/Name"]},
    "/v1/requests/notices": NOTICES,
    "/v1/requests/imdsv1": [{"caller": "172.18.0.4", "times": 1}],
    "/v1/statistics": {
        "requests_per_second": 0.9,
        "p99_microseconds": 1417,
        "imdsv1_share": 0.25,
        "memory_bytes": 1 << 25,
    },
    "/v1/status": {
        "instance_id": "i-1234567890abcdef0",
        "http_tokens": "required",
        "http_endpoint": "enabled",
        "version": HOSTILE,
        "reloads": {"applied": 0, "refused": 0},
    },
}


@contextlib.contextmanager
def prepared_control_plane() -> Iterator[str]:
    """Serve the prepared responses on loopback until the block ends; the address for `--url`."""
    with ScriptedHttpServer(_answer) as server:
        yield f"http://127.0.0.1:{server.port}"


def _answer(head: bytes) -> bytes:
    path = urlsplit(head.split(b" ")[1].decode()).path
    if path == "/v1/requests/stream":
        lines = [f"id: {entry['number']}\ndata: {json.dumps(entry)}\n\n" for entry in REQUESTS]
        return b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + "".join(lines).encode()
    body = json.dumps(RESPONSES[path]).encode()
    return b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
