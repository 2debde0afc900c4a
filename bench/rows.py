"""The rows of the bench: what is measured, relative to which reference, and within which limit.

A row with a reference is a ratio of two figures from the same round, because a machine's speed changes from hour to
hour and a ratio does not. The other rows are absolute; those with a limit are sizes, which do not depend on speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OK: Final = 200


class Limit(NamedTuple):
    """A limit of a row, in the row's unit; `is_least` if it is the lowest value allowed, not the highest."""

    value: float
    is_least: bool

    def is_met(self, value: float, tolerance: float = 1.0) -> bool:
        """Whether a value is within the limit after the limit is loosened by a factor."""
        return value >= self.value / tolerance if self.is_least else value <= self.value * tolerance


class Row(NamedTuple):
    """One row.

    Attributes:
        key: Unique name.
        group: Key in `GROUPS`.
        name: What is measured, such as a request.
        measured: Which figure of it, with its unit.
        reference: What the figure is divided by; empty if the row is absolute.
        limit: None if the row only informs.
    """

    key: str
    group: str
    name: str
    measured: str
    reference: str = ""
    limit: Limit | None = None


class Path(NamedTuple):
    """A kind of path: below `/latest/`, with `ROLE` for the name of the role, and the status of its response."""

    path: str
    status: int = _OK


GROUPS: Final[Mapping[str, str]] = {
    "paths": "Every kind of path, 16 connections",
    "nginx": "Tokens optional and required",
    "control": "Control plane",
    "page": "Page in a browser",
    "identity": "An instance for each of 500 callers",
    "start": "Start and memory",
    "soak": "Memory after 1,000,000 tokens and 1,000,000 requests",
    "shim": "Containers",
}
"""The groups of rows with their headings. The bench measures one group after the other, in this order."""

LEAF: Final = Path("meta-data/instance-id")
PATHS: Final = (
    LEAF,
    Path("meta-data/iam/security-credentials/ROLE"),
    Path("meta-data/iam/security-credentials/"),
    Path("meta-data/"),
    Path("meta-data/placement/"),
    Path("dynamic/instance-identity/document"),
    Path("dynamic/instance-identity/pkcs7"),
    Path("meta-data/spot/instance-action", 404),
    Path("meta-data/unknown", 404),
)

RATE: Final = "requests/s"
PROCESSOR: Final = "requests per second of processor time"
SHARE: Final = "share of the processor left for requests"
P99: Final = "p99, ms"
MEMORY: Final = "resident memory, MiB"
IMAGE: Final = "size, MB"

NGINX: Final = "nginx"
AEMM: Final = "amazon-ec2-metadata-mock"

LOADS: Final[Mapping[str, tuple[str, float]]] = {
    "leaf": ("plain leaf", 0.65),
    "token": ("leaf with a token", 0.6),
    "required": ("leaf, tokens required", 0.6),
    "put": ("token PUT", 0.5),
}
"""Kinds of requests that are compared with nginx: name, and lowest ratio of the requests per second."""

CONNECTIONS: Final[Mapping[int, float]] = {16: 2.5, 64: 3.0}
"""Numbers of connections, with the highest ratio of p99 to that of nginx."""

CONTROL_LOADS: Final[Mapping[str, float]] = {"leaf": 0.5, "token": 0.45, "put": 0.4}
"""Kinds of requests that are measured with the control plane, too: lowest ratio of the requests per second to nginx."""

FOLLOWERS: Final[Mapping[str, str]] = {
    "batches": "a client follows the journal in batches",
    "entries": "a client follows the journal, an event for each request",
}


def at_least(value: float) -> Limit:
    """The limit of a row whose value is better the higher it is."""
    return Limit(value, is_least=True)


def at_most(value: float) -> Limit:
    """The limit of a row whose value is better the lower it is."""
    return Limit(value, is_least=False)


def _paths() -> Iterator[Row]:
    for path in PATHS:
        name = path.path if path.status == _OK else f"{path.path} ({path.status})"
        if path is not LEAF:
            yield Row(f"path/{path.path}/leaf", "paths", name, RATE, "plain leaf", at_least(0.8))
        yield Row(f"path/{path.path}/nginx", "paths", name, RATE, NGINX)
        yield Row(f"path/{path.path}/aemm", "paths", f"the same path of {AEMM}", RATE, NGINX)


def _nginx() -> Iterator[Row]:
    for load, (name, least) in LOADS.items():
        for connections, most in CONNECTIONS.items():
            shown = f"{name}, {connections} connections"
            yield Row(f"nginx/{load}/{connections}/rate", "nginx", shown, RATE, NGINX, at_least(least))
            yield Row(f"nginx/{load}/{connections}/p99", "nginx", shown, P99, NGINX, at_most(most))


def _control() -> Iterator[Row]:
    for load, least in CONTROL_LOADS.items():
        yield Row(f"control/{load}", "control", f"{LOADS[load][0]}, control plane on", RATE, NGINX, at_least(least))
    for connections in CONNECTIONS:
        name = f"100 changes per second, {connections} connections"
        yield Row(f"control/changes/{connections}", "control", name, P99, "no changes", at_most(2))
    for follower, name in FOLLOWERS.items():
        limit = at_least(0.97) if follower == "batches" else None
        yield Row(f"control/{follower}/processor", "control", name, SHARE, "no client", limit)
        yield Row(f"control/{follower}/rate", "control", name, RATE, "no client")


ROWS: Final = (
    *_paths(),
    *_nginx(),
    *_control(),
    Row("page/processor", "page", "the page is open", SHARE, "a blank page", at_least(0.97)),
    Row("page/rate", "page", "the page is open", RATE, "a blank page"),
    Row("identity/processor", "identity", "500 callers, an instance each", PROCESSOR, "one instance", at_least(0.85)),
    Row("identity/p99", "identity", "500 callers, an instance each", P99, "one caller", at_most(1.5)),
    Row("identity/first", "identity", "500 callers, their first requests at once", P99),
    Row("identity/memory", "identity", "500 callers, growth", MEMORY, "", at_most(40)),
    Row("start/first", "start", "mock, start to the first 200", "ms", "imports of the standard library", at_most(1.7)),
    Row("start/memory", "start", "mock at rest", MEMORY, "", at_most(32)),
    Row("start/memory-off", "start", "mock at rest, control plane off", MEMORY, "", at_most(28)),
    Row("soak/tokens", "soak", "growth with tokens", MEMORY, "", at_most(2)),
    Row("soak/requests", "soak", "growth with requests", MEMORY, "", at_most(2)),
    Row("shim/exec", "shim", "shim, exec to exec", "ms", "bash, dig and iptables", at_most(1)),
    Row("shim/run", "shim", "shim, docker run to the first line", "ms", "bash, dig and iptables", at_most(1)),
    Row("image/imds-mock", "shim", "image imds-mock", IMAGE, "", at_most(100)),
    Row("image/imds-shim", "shim", "image imds-shim", IMAGE, "", at_most(17)),
)
"""All rows, in the order of the table."""
