"""The bench's own logic: limits, verdicts, what wrk prints, tables and pictures."""

from __future__ import annotations

import contextlib
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import chart
import control
import mockprocess
import paths
import references
import results
import run
import tables
import wrk
from diagrams import PALETTES
from effort import QUICK
from outcomes import (
    MET,
    MISSED,
    NOT_MEASURED,
    Figures,
    NotMeasuredError,
    figure_text,
    ratios,
    sizes,
    value_text,
    verdict,
)
from rows import GROUPS, PATHS, ROWS, Row, at_least, at_most
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outcomes import Outcome

LEAST = Row("a", "paths", "a path", "requests/s", "plain leaf", at_least(0.8))
MOST = Row("b", "start", "at rest", "resident memory, MiB", "", at_most(34))
FREE = Row("c", "paths", "a path", "requests/s", "nginx")

PRINTED = """\
Running 1s test @ http://127.0.0.1:36029/latest/meta-data/instance-id
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   141.91us   89.36us   4.25ms   97.81%
    Req/Sec   112.66k     5.53k  119.01k    81.82%
  Latency Distribution
     50%  133.00us
     75%  149.00us
     90%  175.00us
     99%  {p99}
  100000 requests in 1.25s, 30.83MB read
{errors}Requests/sec:  80000.50
Transfer/sec:     28.03MB
"""
REFUSED = "  Non-2xx or 3xx responses: {}\n"


def printed(p99: str = "259.00us", errors: str = "") -> str:
    return PRINTED.format(p99=p99, errors=errors)


@pytest.mark.parametrize(
    ("row", "value", "tolerance", "expected"),
    [
        (LEAST, 0.8, 1.0, MET),
        (LEAST, 0.79, 1.0, MISSED),
        (LEAST, 0.79, 1.1, MET),
        (MOST, 34.0, 1.0, MET),
        (MOST, 34.1, 1.0, MISSED),
        (MOST, 67.9, 2.0, MET),
        (FREE, 0.01, 1.0, ""),
    ],
)
def test_a_value_is_within_its_limit_or_not(row: Row, value: float, tolerance: float, expected: str) -> None:
    outcome = ratios([value], [1.0]) if row.reference else sizes([value])
    assert verdict(row, outcome, tolerance) == expected


def test_the_verdict_agrees_with_the_rounded_value_that_is_printed() -> None:
    assert (value_text(ratios([0.7951], [1])), verdict(LEAST, ratios([0.7951], [1]))) == ("0.80", MET)
    assert (value_text(sizes([34.04])), verdict(MOST, sizes([34.04]))) == ("34.0", MET)


def test_a_row_without_figures_is_not_measured() -> None:
    assert verdict(LEAST, "nginx is missing") == NOT_MEASURED
    assert tables.cells(LEAST, "nginx is missing")[-1] == "not measured: nginx is missing"


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    # The ratio of the medians would be 1.
    figures = ratios([50, 200, 300], [100, 200, 200])
    assert figures == Figures((0.5, 1.0, 1.5), 200, 200)
    assert value_text(figures) == "1.00 (0.50 to 1.50)"


def test_the_cells_of_a_row() -> None:
    assert tables.cells(LEAST, ratios([70_000.0], [100_000.0])) == (
        *("a path", "requests/s", "70,000", "plain leaf", "100,000", "1", "0.70", "at least 0.8", "missed"),
    )
    assert tables.cells(MOST, sizes([30.0, 31.0, 33.0])) == (
        *("at rest", "resident memory, MiB", "", "", "", "3", "31.0 (30.0 to 33.0)", "at most 34", "met"),
    )
    assert figure_text(0.2590) == "0.259"


def test_a_missed_row_catches_the_eye_in_the_terminal() -> None:
    assert tables.line(tables.cells(LEAST, ratios([0.7], [1]))).endswith("at least 0.8   MISSED")


def test_a_row_says_if_a_server_was_kept_waiting() -> None:
    sample = wrk.Sample(rate=70_000, p99=1, processor_rate=140_000, busy=0.5)
    other = wrk.Sample(rate=100_000, p99=2, processor_rate=100_000, busy=1.0)
    figures = wrk.compare([sample], [other], "rate")
    assert figures == Figures((0.7,), 70_000, 100_000, 0.5)
    assert tables.cells(LEAST, figures)[-1] == "missed; a server used 50% of its processor"
    assert tables.cells(FREE, figures)[-1] == "a server used 50% of its processor"
    assert tables.cells(FREE, wrk.compare([other], [other], "p99"))[-1] == ""


def test_a_client_of_the_control_plane_costs_a_share_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without and with the client, in each of two rounds.
    shares = iter([0.10, 0.13, 0.12, 0.11])
    is_there = []

    def share(_server: wrk.Server, _path: str) -> float:
        is_there.append(len(clients))
        return next(shares)

    clients: list[bool] = []

    @contextlib.contextmanager
    def client() -> Iterator[None]:
        clients.append(True)
        yield
        clients.clear()

    sample = wrk.Sample(rate=100_000, p99=1, processor_rate=100_000, busy=1.0)
    monkeypatch.setattr(control, "processor_share", share)
    monkeypatch.setattr(control, "disturb", lambda *_: ([sample], [sample]))
    effort = QUICK._replace(rounds=2)
    figures = dict(control.cost("page", effort, wrk.Server(1, 1, Path()), client))["page/processor"]
    assert isinstance(figures, Figures)
    assert figures.values == pytest.approx((0.97, 1.0))  # less time with the client is noise, not a gain
    assert is_there == [0, 1, 0, 1]


class MissingNginx:
    def __init__(self, _folder: Path, _bodies: object) -> None:
        pass

    def __enter__(self) -> wrk.Server:
        raise NotMeasuredError("nginx is missing")

    def __exit__(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def idle_mock(*_: object) -> Iterator[SimpleNamespace]:
    yield SimpleNamespace(server=wrk.Server(1, 1, Path()), token=lambda: "AQAEA")


def test_without_nginx_only_the_rows_relative_to_it_are_not_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sample = wrk.Sample(rate=80_000, p99=1, processor_rate=80_000, busy=1.0)
    statuses = {f"/latest/{path.path}": path.status for path in PATHS}
    monkeypatch.setattr(references, "nginx", MissingNginx)
    monkeypatch.setattr(mockprocess, "running", idle_mock)
    monkeypatch.setattr(paths, "_answer", lambda _server, path: (statuses.get(path, 200), "ROLE"))
    monkeypatch.setattr(paths, "run", lambda *_: sample)
    monkeypatch.setattr(control, "disturb", lambda *_: ([sample], [sample]))
    monkeypatch.setattr(control, "cost", lambda *_: iter(()))
    outcomes = {**dict(paths.measure(QUICK, tmp_path)), **dict(control.measure(QUICK, tmp_path))}
    missing = [key for key, outcome in outcomes.items() if outcome == "nginx is missing"]
    assert missing == [row.key for row in ROWS if row.key in outcomes and row.reference == "nginx"]
    measured_rows = {key for key, outcome in outcomes.items() if isinstance(outcome, Figures)}
    assert measured_rows == {f"path/{path.path}/leaf" for path in PATHS[1:]} | {"control/changes/16"}


@pytest.mark.parametrize(("p99", "milliseconds"), [("259.00us", 0.259), ("4.25ms", 4.25), ("1.20s", 1200.0)])
def test_what_wrk_prints_is_read(p99: str, milliseconds: float) -> None:
    sample = wrk.parse(printed(p99), 200, 1.0)
    assert sample.p99 == pytest.approx(milliseconds)
    assert sample == wrk.Sample(80000.5, sample.p99, 100_000, 0.8)


def test_responses_of_the_expected_status_are_counted() -> None:
    assert wrk.parse(printed(errors=REFUSED.format(100_000)), 404, 1.0).rate == 80000.5


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        (REFUSED.format(3), 200),
        (REFUSED.format(99_999), 404),
        ("", 404),
        ("  Socket errors: connect 0, read 0, write 0, timeout 1\n", 200),
    ],
)
def test_other_responses_and_errors_are_refused(errors: str, status: int) -> None:
    with pytest.raises(RuntimeError, match=r"wrk failed|not all responses"):
        wrk.parse(printed(errors=errors), status, 1.0)


@pytest.mark.parametrize(
    ("output", "spent"), [(printed().replace("100000 requests", "0 requests"), 1.0), (printed(), 0.0)]
)
def test_a_run_without_a_response_is_refused(output: str, spent: float) -> None:
    with pytest.raises(wrk.UnansweredError, match="no request was answered"):
        wrk.parse(output, 200, spent)


def test_each_row_has_a_key_and_a_group_of_its_own() -> None:
    assert len({row.key for row in ROWS}) == len(ROWS)
    assert {row.group for row in ROWS} == set(GROUPS) == set(run.MEASUREMENTS)


def measured(value: float) -> dict[str, Outcome]:
    """The same value for every row."""
    return {row.key: ratios([value] * 2, [1.0] * 2) if row.reference else sizes([value]) for row in ROWS}


def test_a_bar_shows_value_limit_and_verdict() -> None:
    missed = chart.Bar("label", "note", 0.6, (0.5, 0.7), 0.8, is_missed=True)
    section = chart.Section("title", "axis", 1.2, [missed])
    drawn = "\n".join(chart._section(section, 0, PALETTES["light"], chart.MISSED_COLORS["light"]))
    # The track is 320 pixels for 1.2.
    assert re.findall(r'<rect x="352" [^>]*width="([\d.]+)"[^>]*fill="([^"]+)"', drawn) == [
        ("320", PALETTES["light"].frame),
        ("160", chart.MISSED_COLORS["light"]),
    ]
    assert re.findall(r'd="M([\d.]+) [\d.]+H([\d.]+)"', drawn) == [("485.3", "538.7")]
    assert re.findall(r'd="M([\d.]+) [\d.]+v18"', drawn) == [("565.3")]


def test_a_bar_that_is_longer_than_its_axis_is_cut() -> None:
    assert chart._along(9.0, 1.2) == chart._along(1.2, 1.2) == 320


@pytest.mark.parametrize("scheme", PALETTES)
def test_the_picture_has_every_row_with_a_limit(scheme: str) -> None:
    texts = [each.text or "" for each in ET.fromstring(chart.picture(measured(0.01), scheme)).iter()]  # noqa: S314
    limited = [row for row in ROWS if row.limit is not None]
    assert sum("(at least " in text or "(at most " in text for text in texts) == len(limited)
    least = [row for row in limited if row.limit and row.limit.is_least]
    assert sum(text.endswith(", missed)") for text in texts) == len(least)


def test_a_row_that_is_newer_than_the_results_is_not_measured() -> None:
    page = tables.page(f"{tables.BEGIN}{tables.END}", results.Results({}, {}))
    assert page.count("not measured: the row is newer than the results") == len(ROWS)


def test_the_picture_leaves_out_what_is_not_measured() -> None:
    outcomes: dict[str, Outcome] = {ROWS[0].key: "nginx is missing"}
    texts = [each.text or "" for each in ET.fromstring(chart.picture(outcomes, "light")).iter()]  # noqa: S314
    assert [text for text in texts if text.strip()] == []


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = results.Results({"Python": "3.11"}, {"a": ratios([1.0, 2.0], [2.0, 4.0]), "b": sizes([3.0]), "c": "why"})
    results.save(written, tmp_path / "results.json")
    assert results.load(tmp_path / "results.json") == written


def test_the_page_has_the_rows_between_its_marks() -> None:
    text = f"before\n{tables.BEGIN}old\n{tables.END}\nafter\n"
    page = tables.page(text, results.Results({"day": "2026-01-02", "Python": "3.11"}, measured(1.0)))
    assert page.startswith(f"before\n{tables.BEGIN}2026-01-02, Python 3.11.\n")
    assert page.endswith(f"{tables.END}\nafter\n")
    assert "old" not in page
    assert page.count("### ") == len(GROUPS)
    with pytest.raises(ValueError, match="no marks"):
        tables.page("nothing", results.Results({}, {}))


def test_page_and_pictures_show_the_results_of_the_last_complete_run() -> None:
    last = results.load(results.FILE)
    page = (ROOT / run.PAGE).read_text()
    assert tables.page(page, last) == page, "run bench/run.py --redraw"
    for scheme in PALETTES:
        drawn = (ROOT / run.PICTURES.format(scheme=scheme)).read_text()
        assert chart.picture(last.outcomes, scheme) == drawn, "run bench/run.py --redraw"


def test_a_missed_row_or_a_failed_measurement_fails_the_bench(capsys: pytest.CaptureFixture[str]) -> None:
    key = "path/meta-data//leaf"
    assert run.summarize({key: ratios([0.9], [1.0])}, [], 1.0) == 0
    assert run.summarize({key: "nginx is missing"}, [], 1.0) == 0
    assert run.summarize({key: ratios([0.5], [1.0])}, [], 1.0) == 1
    assert run.summarize({}, ["paths"], 1.0) == 1
    assert "1 missed" in capsys.readouterr().out


def test_a_measurement_that_fails_leaves_its_rows_unmeasured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_effort: object, _folder: object) -> object:
        yield "page/rate", ratios([1.0], [1.0])
        raise RuntimeError("wrk failed")

    monkeypatch.setattr(run, "MEASUREMENTS", {"page": fails})
    outcomes, failed = run.measure(["page"], QUICK, 1.0)
    assert failed == ["page"]
    assert outcomes["page/processor"] == "RuntimeError: wrk failed"
    assert isinstance(outcomes["page/rate"], Figures)
    assert "not measured: RuntimeError: wrk failed" in capsys.readouterr().out
