"""Metrics: what Prometheus reads is what was asked."""

from __future__ import annotations

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import Request
from imds_mock.service.responses import refusal
from imds_mock.state.entries import Batch, Recorded
from imds_mock.state.metrics import RequestMetrics, by_kind_and_state, family


def row(
    path: str = "/latest/meta-data/mac",
    *,
    caller: str = "172.18.0.3",
    micros: int = 80,
    version: int = 2,
    token: str = "valid",  # noqa: S107 - a state
    status: int = 200,
    faults: tuple[str, ...] = (),
) -> tuple[Exchange, int]:
    exchange = Exchange(caller, Request("GET", path, path), refusal(status))
    exchange.entry = (caller, "GET", version, token, status, faults, ""), path, path
    return exchange, micros


def count(request_metrics: RequestMetrics, *rows: tuple[Exchange, int]) -> None:
    recorded = Recorded()
    recorded.times = [0.0] * len(rows)
    recorded.exchanges, recorded.microseconds = [each for each, _ in rows], [micros for _, micros in rows]
    request_metrics.count(Batch.of(1, recorded), Counter(recorded.exchanges))


def samples(request_metrics: RequestMetrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = "\n".join(request_metrics.render()) + "\n"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for each in text_string_to_metric_families(text)
        for sample in each.samples
    }


def value(request_metrics: RequestMetrics, name: str, **labels: str) -> float | None:
    return samples(request_metrics).get((name, frozenset(labels.items())))


def test_requests_are_counted_by_class_status_version_and_caller() -> None:
    request_metrics = RequestMetrics()
    count(request_metrics, row(), row("/2021-03-23/meta-data/iam/info", status=404), row(), row("/", version=1))
    total = "imds_mock_requests_total"
    assert value(request_metrics, total, path_class="meta-data", status="200", version="2", caller="172.18.0.3") == 2
    assert value(request_metrics, total, path_class="credentials", status="404", version="2", caller="172.18.0.3") == 1
    assert value(request_metrics, total, path_class="root", status="200", version="1", caller="172.18.0.3") == 1


def test_tokens_and_fault_hits_are_counted() -> None:
    request_metrics = RequestMetrics()
    faults = ("status-1", "delay-12")
    count(request_metrics, row(token="issued"), row(), *[row(token="rejected", faults=faults)] * 2)  # noqa: S106 - states
    assert [
        value(request_metrics, "imds_mock_tokens_total", outcome=each) for each in ("issued", "valid", "rejected")
    ] == [
        1,
        1,
        2,
    ]
    assert value(request_metrics, "imds_mock_fault_hits_total", kind="status") == 2
    assert value(request_metrics, "imds_mock_fault_hits_total", kind="delay") == 2


def test_durations_fall_into_buckets() -> None:
    request_metrics = RequestMetrics()
    count(request_metrics, *(row(micros=micros) for micros in (10, 25, 26, 2_000_000)))
    name = "imds_mock_request_duration_seconds"
    assert value(request_metrics, f"{name}_bucket", le="2.5e-05") == 2
    assert value(request_metrics, f"{name}_bucket", le="5e-05") == 3
    assert value(request_metrics, f"{name}_bucket", le="1") == 3
    assert value(request_metrics, f"{name}_bucket", le="+Inf") == value(request_metrics, f"{name}_count") == 4
    assert value(request_metrics, f"{name}_sum") == 2.000061


def test_labels_are_bounded_and_escaped() -> None:
    request_metrics = RequestMetrics()
    count(request_metrics, *(row(caller=f"10.0.{at // 250}.{at % 250}") for at in range(1000)))
    callers = {
        dict(labels)["caller"] for name, labels in samples(request_metrics) if name == "imds_mock_requests_total"
    }
    assert len(callers) == 201
    assert "other" in callers
    (line,) = [each for each in family("x", "gauge", "x", [((("a", 'q"\\\n'),), 1)]) if not each.startswith("#")]
    assert line == r'x{a="q\"\\\n"} 1'


def test_large_counts_keep_all_their_digits() -> None:
    assert list(family("x_total", "counter", "x", [((), 12_345_678)]))[-1] == "x_total 12345678"


def test_gauges_by_kind_and_state() -> None:
    lines = list(family("imds_mock_events", "gauge", "Armed events.", by_kind_and_state({("spot", "active"): 2})))
    assert lines[-1] == 'imds_mock_events{kind="spot",state="active"} 2'
