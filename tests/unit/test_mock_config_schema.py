"""The JSON schema of the configuration: it accepts what the mock accepts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from imds_mock.build.loading import document_of, from_document
from imds_mock.cli import main
from imds_mock.config.schema import json_schema
from imds_mock.config.settings import Config
from support.configurations import message, written

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_json_schema_takes_what_we_take_and_refuses_what_we_refuse(tmp_path: Path) -> None:
    validator = jsonschema_rs.validator_for(json_schema())
    assert validator.is_valid(document_of(Config()))
    assert validator.is_valid({"x-mine": 3, "instance": {"public_ipv4": None}, "metadata": {"meta-data": {"a": None}}})
    variant = {"match": {"service": "a"}, "instance": {"role": None, "tags": {"Name": None}}}
    assert validator.is_valid({"identity": "per-container", "variants": [variant]})
    from_document({"variants": [variant]})
    wrong: dict[str, Any]
    for wrong in (
        {"region": "us-east-1"},
        {"server": {"port": 65536}},
        {"instance": {"instance_id": "x"}},
        {"instance": {"interfaces": [{"macc": "x"}]}},
        {"metadata_options": {"http_tokens": "on"}},
        {"variants": [{"match": {"service": "a"}, "instance": {"role": "no good"}}]},
        {"variants": [{"match": {"service": "a"}, "instance": {"regoin": "us-east-1"}}]},
        {"variants": [{"match": {"service": "a"}, "metadata_options": {"http_tokens": "on"}}]},
        {"variants": [{"instance": {}}]},
    ):
        assert not validator.is_valid(wrong)
        assert message(written(tmp_path, json.dumps(wrong)))


def test_the_json_schema_describes_every_key() -> None:
    def walk(part: Any) -> None:
        for name, known in part.get("properties", {}).items():
            assert known.get("description"), name

    for part in json_schema()["$defs"].values():
        assert part["description"]
        walk(part)


def test_config_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(json_schema()))
