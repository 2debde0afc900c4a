"""The chart and the kustomizations agree with both programs, without Helm and kubectl."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
import yaml

from chart_schema import SCHEMA, renewed
from imds_mock.aemm.keys import KEYS
from imds_mock.aemm.keys import variable_of as aemm_variable_of
from imds_mock.config.sources import RESERVED, variables
from imds_shim.config import SETTINGS
from support.paths import ROOT

CHART = ROOT / "deploy/helm/imds-mock"
KUSTOMIZE = ROOT / "deploy/kustomize"
VERSION = (ROOT / "VERSION").read_text().strip()
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
TEMPLATES = {path.name: path.read_text() for path in CHART.rglob("*.tpl")} | {
    path.name: path.read_text() for path in CHART.glob("templates/**/*.yaml")
}
PATCHES = ("pod.yaml", "workload.yaml", "cronjob.yaml")


def test_the_chart_carries_the_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


def test_the_schema_has_the_current_configuration() -> None:
    text = SCHEMA.read_text()
    assert renewed(text) == text, "run .venv/bin/python scripts/reference.py"


def test_the_schema_is_valid_and_accepts_the_chart_s_own_values() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(VALUES, schema)


def test_every_regular_expression_of_the_schema_is_one_of_go_s() -> None:
    patterns = re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', SCHEMA.read_text())
    assert len(patterns) > 50
    assert [each for each in patterns if re.search(r"\(\?|\{\d*,?\d{4,}\}", each)] == []


def test_every_value_is_in_the_schema_and_the_others_are_amazon_ec2_metadata_mock_s() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert VALUES.keys() <= schema["properties"].keys()
    keys = re.search(r'"imds-mock.aemmKeys".*?range list (.*?) -', TEMPLATES["_helpers.tpl"], re.DOTALL)
    assert keys is not None
    assert schema["properties"].keys() - VALUES.keys() == {"global", *re.findall(r'"(\w+)"', keys[1])}


def test_every_variable_of_the_chart_and_the_kustomizations_is_a_setting() -> None:
    texts = [*TEMPLATES.values(), *(path.read_text() for path in KUSTOMIZE.rglob("*.yaml"))]
    named = {name for text in texts for name in re.findall(r"\b(?:IMDS_MOCK|MOCK|AEMM)_[A-Z0-9_]+\b", text)}
    known = {*variables(), *(setting.variable for setting in SETTINGS), *map(aemm_variable_of, KEYS)}
    assert "IMDS_MOCK_CONTROL_TRUST_GATEWAY" in named
    assert "AEMM_SPOT_ACTION" in named
    assert sorted(named - known - RESERVED) == []


def init_container(name: str) -> dict[str, Any]:
    """The init container in a patch of the component."""
    node: Any = yaml.safe_load((KUSTOMIZE / "components/inject" / name).read_text())["spec"]
    while "initContainers" not in node:
        node = node.get("jobTemplate", node.get("template", node.get("spec")))
    (found,) = node["initContainers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", PATCHES[1:])
def test_every_kind_of_workload_gets_the_same_init_container(name: str) -> None:
    assert init_container(name) == init_container(PATCHES[0])
