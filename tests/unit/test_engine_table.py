"""The table of engines in docs/ways-in.md, which `make engines` writes."""

from __future__ import annotations

from support.engine_table import COLUMNS, NOTES, PAGE, Results, cells


def results() -> Results:
    """The results of a complete run on two engines."""
    found = Results(("one", "two"), versions={"one": "Docker 1.2", "two": "Podman 3.4"})
    for engine in found.engines:
        for column in COLUMNS:
            found.record(engine, column)
    found.record("two", "link-local-ip", "no: Podman ignores `link_local_ips`")
    for name in NOTES:
        found.note(name, "yes")
    return found


def test_each_no_in_the_page_has_its_reason() -> None:
    table = cells(PAGE.read_text())
    assert table
    for engine, row in table.items():
        assert tuple(row) == COLUMNS, engine
        assert [cell for cell in row.values() if cell != "yes" and not cell.startswith("no: ")] == [], engine


def test_a_table_has_a_row_for_each_engine() -> None:
    found = results()
    lines = found.text().splitlines()
    assert lines[0].startswith("| engine | README's stack |")
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| Docker 1.2", "| Podman 3.4"]
    assert "| no: Podman ignores `link_local_ips` |" in lines[3]


def test_an_incomplete_run_writes_nothing() -> None:
    assert results().is_complete
    found = results()
    del found.rows["two"]["environment"]
    assert not found.is_complete
    found = results()
    del found.notes[NOTES[0]]
    assert not found.is_complete
    assert not Results().is_complete
