"""How a test gives a scenario: a mapping, text, or a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.config.errors import ConfigError
from imds_mock.events.scenario import read_scenario
from imds_mock.testing.scenarios import scenario_of

if TYPE_CHECKING:
    from pathlib import Path

STEPS: dict[str, Any] = {"steps": [{"at": "10s", "event": {"kind": "rebalance"}}]}
YAML = "steps:\n  - {at: 10s, event: {kind: rebalance}}\n"


def test_a_mapping_text_and_a_file_give_the_same_scenario(tmp_path: Path) -> None:
    expected = read_scenario(STEPS)
    file = tmp_path / "scenario.yaml"
    file.write_text(YAML)
    given: list[Any] = [STEPS, YAML, json.dumps(STEPS), file, str(file), expected]
    assert [scenario_of(each) for each in given] == [expected] * len(given)


def test_every_wrong_field_is_named() -> None:
    steps = [{"at": "soon", "event": {"kind": "rebalance"}}, {"event": {"kind": "spit"}}]
    with pytest.raises(ConfigError) as caught:
        scenario_of({"steps": steps})
    assert "scenario: steps[0].at" in str(caught.value)
    assert "scenario: steps[1].event.kind" in str(caught.value)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    with pytest.raises(ConfigError, match=r"scenario\.yaml: cannot be read: No such file"):
        scenario_of(str(file))
    file.write_text("steps: []\n")
    with pytest.raises(ConfigError, match=r"scenario\.yaml: steps"):
        scenario_of(file)
