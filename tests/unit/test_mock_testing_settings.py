"""Settings by short names: which setting each name means, and what a wrong one is answered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_mock.config.errors import ConfigError
from imds_mock.config.settings import Config
from imds_mock.testing.settings import changed, short_names, start_config

if TYPE_CHECKING:
    from pathlib import Path


def test_names_mean_the_settings_of_the_instance_and_its_options() -> None:
    names = short_names()
    expected = {
        "region": ("instance", "region"),
        "role": ("instance", "role"),
        "http_tokens": ("metadata_options", "http_tokens"),
        "ecs": ("ecs",),
        "identity": ("identity",),
        "credentials__role_arn": ("credentials", "role_arn"),
    }
    assert {name: names[name] for name in expected} == expected


def test_a_mock_for_tests_listens_on_loopback_and_free_ports() -> None:
    config = start_config(None, {"region": "eu-west-1"})
    assert (config.server.hosts, config.server.port, config.control.port) == (("127.0.0.1",), 0, 0)
    assert config.instance.region == "eu-west-1"


def test_a_file_is_read_and_settings_replace_its_values(tmp_path: Path) -> None:
    file = tmp_path / "imds.yaml"
    file.write_text("instance: {region: eu-west-1, instance_type: c5.large}\n")
    config = start_config(file, {"region": "eu-west-2"})
    assert (config.instance.region, config.instance.instance_type) == ("eu-west-2", "c5.large")
    assert config.server.hosts == ("127.0.0.1",)


def test_a_section_changes_its_given_keys() -> None:
    config = changed(changed(Config(), {"region": "eu-west-1"}), {"instance": {"instance_type": "c5.large"}})
    assert (config.instance.region, config.instance.instance_type) == ("eu-west-1", "c5.large")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"regoin": "eu-west-1"}, "unknown setting regoin='eu-west-1'; did you mean region?"),
        ({"http_tokens": "maybe"}, "metadata_options.http_tokens: expected optional or required, got 'maybe'"),
        ({"server": {"port": 1}}, "takes effect at the start only; pass it to the constructor"),
        ({"regoin": 1, "rolle": 2}, "did you mean role?"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        changed(Config(), settings)
    assert sentence in str(raised.value)


def test_the_journal_needs_the_control_plane() -> None:
    with pytest.raises(ConfigError, match=r"control\.enabled: a mock for tests needs the control plane"):
        start_config({"control": {"enabled": False}}, {})
