"""`imds-mock config show` and `config check`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml

from imds_mock.build.loading import load
from imds_mock.cli import main
from support.configurations import NO_FLAGS, written

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_config_show_is_the_merged_configuration_without_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "credentials: {source: static, access_key_id: AKIA, secret_access_key: hush, session_token: hush}\n"
    file = written(tmp_path, text + "instance: {role: null, tags: {a: 'no', b: 1.10}}\n")
    monkeypatch.setenv("IMDS_MOCK_PORT", "81")
    assert main(["config", "show", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "hush" not in shown
    document = yaml.safe_load(shown)
    assert document["server"]["port"] == 81
    assert set(document["credentials"]["secret_access_key"]) == {"*"}
    assert document["instance"]["tags"] == {"a": "no", "b": "1.10"}
    assert load(NO_FLAGS, {}, written(tmp_path, shown, "again.yaml")).instance.role is None
    assert main(["config", "show", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["server"]["port"] == 81


def test_config_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = written(tmp_path, "server: {port: 1}"), written(tmp_path, "server: {prt: 1}", "bad.yaml")
    assert main(["config", "check", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: ok\n"
    assert main(["config", "check", str(bad)]) == 78
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"imds-mock: {bad}: server.prt: unknown key; did you mean server.port?\n"
