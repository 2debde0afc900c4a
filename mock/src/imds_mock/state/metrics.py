"""Request metrics in Prometheus' text format (version 0.0.4), counted from batches of journal entries.

The number of labels is limited: callers after the first 200 count as `other`, and paths are grouped into classes.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from imds_mock.state.entries import ECS_VERSION, EKS_VERSION, VERSION_NAMES

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping

    from imds_mock.service.exchange import Exchange
    from imds_mock.state.entries import Batch

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_MAX_CALLERS: Final = 200
_MAX_PATHS: Final = 2048
_BUCKETS: Final = (25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 100_000, 1_000_000)
_CLASSES: Final = (
    ("api/token", "token"),
    ("user-data", "user-data"),
    ("dynamic/instance-identity", "identity"),
    ("meta-data/iam", "credentials"),
    ("meta-data/identity-credentials", "credentials"),
    ("meta-data/spot", "spot"),
    ("meta-data/events", "events"),
    ("meta-data/autoscaling", "autoscaling"),
    ("meta-data/network", "network"),
    ("meta-data/placement", "placement"),
    ("meta-data/tags", "tags"),
    ("meta-data", "meta-data"),
)

_AGENTS: Final = (ECS_VERSION, EKS_VERSION)
_TASK_METADATA: Final = ("/v3", "/v4")

Labels = tuple[tuple[str, str], ...]


class RequestMetrics:
    """Counts of requests, tokens, faults and durations; receives each journal entry once."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int, int, str], int] = {}
        self._tokens: dict[str, int] = {"issued": 0, "valid": 0, "rejected": 0}
        self._fault_hits: dict[str, int] = {}
        self._durations = [0] * (len(_BUCKETS) + 1)
        self._duration_sum = 0
        self._callers: set[str] = set()
        self._classes: dict[str, str] = {}

    def count(self, batch: Batch, counts: Counter[Exchange]) -> None:
        """Count a batch of journal entries.

        Args:
            batch: The entries.
            counts: Their exchanges, and how many entries each one has.
        """
        for exchange, n in counts.items():
            (caller, _, version, token, status, faults, _), path, _ = exchange.entry
            if version in _AGENTS:
                path_class = "task-metadata" if path.startswith(_TASK_METADATA) else "container-credentials"
            else:
                path_class = self._classes.get(path) or self._class_of(path)
            label = caller if caller in self._callers else self._label_of(caller)
            key = (path_class, status, version, label)
            self._requests[key] = self._requests.get(key, 0) + n
            if token in self._tokens:
                self._tokens[token] += n
            for fault in faults:
                fault_kind = fault.rpartition("-")[0]
                self._fault_hits[fault_kind] = self._fault_hits.get(fault_kind, 0) + n
        durations = sorted(batch.microseconds)
        below = 0
        for place, bound in enumerate((*_BUCKETS, math.inf)):
            upto = bisect_right(durations, bound)
            self._durations[place] += upto - below
            below = upto
        self._duration_sum += sum(durations)

    @property
    def tokens(self) -> Mapping[str, int]:
        """The number of session tokens by outcome: `issued`, `valid`, `rejected`."""
        return dict(self._tokens)

    def render(self) -> Iterator[str]:
        """The lines of all metrics."""
        yield from family(
            "imds_mock_requests_total",
            "counter",
            "Requests; status 0: no response was sent; version 0: the request could not be parsed.",
            (
                (
                    (
                        ("path_class", path_class),
                        ("status", str(status)),
                        ("version", VERSION_NAMES[version] if version in _AGENTS else str(version)),
                        ("caller", caller),
                    ),
                    n,
                )
                for (path_class, status, version, caller), n in self._requests.items()
            ),
        )
        yield from family(
            "imds_mock_tokens_total",
            "counter",
            "Session tokens by outcome.",
            (((("outcome", outcome),), n) for outcome, n in self._tokens.items()),
        )
        yield from family(
            "imds_mock_fault_hits_total",
            "counter",
            "Responses changed by a fault.",
            (((("kind", kind),), n) for kind, n in self._fault_hits.items()),
        )
        yield from self._histogram("imds_mock_request_duration_seconds")

    def _histogram(self, name: str) -> Iterator[str]:
        yield f"# HELP {name} Time from receiving a request to passing its response to the socket."
        yield f"# TYPE {name} histogram"
        total = 0
        for bound, n in zip(_BUCKETS, self._durations, strict=False):
            total += n
            yield f'{name}_bucket{{le="{bound / 1e6:g}"}} {total}'
        total += self._durations[-1]
        yield f'{name}_bucket{{le="+Inf"}} {total}'
        yield f"{name}_sum {self._duration_sum / 1e6}"
        yield f"{name}_count {total}"

    def _class_of(self, path: str) -> str:
        inner = path[1:].partition("/")[2]
        found = "root" if path == "/" else "other"
        for start, name in _CLASSES:
            if inner == start or inner.startswith(f"{start}/"):
                found = name
                break
        if len(self._classes) >= _MAX_PATHS:
            self._classes.clear()
        self._classes[path] = found
        return found

    def _label_of(self, caller: str) -> str:
        if len(self._callers) >= _MAX_CALLERS:
            return "other"
        self._callers.add(caller)
        return caller


def family(name: str, kind: str, explanation: str, samples: Iterable[tuple[Labels, float]]) -> Iterator[str]:
    """The lines of one metric.

    Args:
        name: Its name.
        kind: `counter` or `gauge`.
        explanation: Its help text.
        samples: Labels and value of each sample.
    """
    yield f"# HELP {name} {explanation}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        written = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
        yield f"{name}{{{written}}} {value}" if written else f"{name} {value}"


def by_kind_and_state(counts: Mapping[tuple[str, str], int]) -> Iterable[tuple[Labels, float]]:
    """Samples with the labels `kind` and `state`."""
    return (((("kind", kind), ("state", state)), n) for (kind, state), n in counts.items())


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
