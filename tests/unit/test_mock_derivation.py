"""The setting from which each path is derived."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from imds_mock.config.errors import dotted
from imds_mock.config.marks import known_keys
from imds_mock.config.settings import Config
from imds_mock.metadata import derivation
from imds_mock.metadata.catalogue import ROWS
from imds_mock.metadata.derivation import advice_about, settings_of

# No setting determines these.
UNDERIVED = {
    "meta-data/elastic-gpus/associations/<id>",
    "meta-data/elastic-inference/associations/<id>",
    "meta-data/metrics/vhostmd",
}


def test_every_path_of_the_catalogue_has_a_setting_or_an_event() -> None:
    for row in ROWS:
        assert bool(advice_about(row.path)) == (row.path not in UNDERIVED), row.path


def test_every_setting_that_is_named_exists() -> None:
    known = {dotted(path) for path in known_keys(Config)}
    assert set(derivation._SETTINGS.values()) <= known
    assert set(derivation._SETTINGS) <= {row.path for row in ROWS}


class RecordingSettings:
    """The default facts; records which are read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.read.append(name)
        return getattr(Config().instance, name)


def test_a_path_names_the_setting_that_its_value_is_read_from() -> None:
    compared = 0
    for row in ROWS:
        settings = RecordingSettings()
        try:
            row.value(SimpleNamespace(settings=settings))  # type: ignore[arg-type]  # the other facts are derived
        except AttributeError:
            continue
        if settings.read:
            (named,) = settings_of(row.path)
            assert named.split(".")[:2] == ["instance", settings.read[0]], row.path
            compared += 1
    assert compared > 15


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        ("meta-data/placement/region", ["instance.region"]),
        ("meta-data/placement/region/", ["instance.region"]),
        ("meta-data/tags/instance/Name", ["instance.tags"]),
        ("meta-data/public-keys", ["instance.public_keys"]),
        ("meta-data/public-keys/0/openssh-key", ["instance.public_keys"]),
        ("meta-data/network/interfaces/macs/0a:00:00:00:00:01/vpc-id", ["instance.interfaces"]),
        ("meta-data/network", ["instance.interfaces"]),
        ("meta-data/own", []),
        ("meta-data/metrics/vhostmd", []),
    ],
)
def test_settings_of_a_path(path: str, settings: list[str]) -> None:
    assert settings_of(path) == settings


def test_the_advice_names_what_to_use() -> None:
    assert "use `imds-mock ctl config set instance.region=VALUE`" in str(advice_about("meta-data/placement/region"))
    assert "use `imds-mock ctl spot interrupt`" in str(advice_about("meta-data/spot/instance-action"))
    assert "derived from all settings of `instance`" in str(advice_about("dynamic/instance-identity/document"))
    assert "instance.image_id and instance.ami_launch_index and others" in str(advice_about("meta-data"))
