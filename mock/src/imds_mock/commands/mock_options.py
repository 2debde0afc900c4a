"""Options that `serve` and `run` share: the settings of the mock that they start."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imds_mock.events.scenario import Scenario


def add_mock_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML or JSON file with settings")
    parser.add_argument("--region", metavar="NAME", help="AWS region of the instance (default: us-east-1)")
    parser.add_argument(
        "--http-tokens",
        choices=("optional", "required"),
        help="whether requests need a session token, IMDSv2 (default: optional)",
    )
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="scenario to play from the start")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="KEY=VALUE",
        help="any other setting by its key in the file, such as instance.instance_type=m7g.large; may be repeated",
    )


def chosen_settings(arguments: argparse.Namespace) -> dict[str, object]:
    """The settings that these options set, by key."""
    shortcuts = {"instance.region": arguments.region, "metadata_options.http_tokens": arguments.http_tokens}
    return dict(arguments.set) | {key: value for key, value in shortcuts.items() if value is not None}


def chosen_scenario(arguments: argparse.Namespace) -> Scenario | None:
    """Read the scenario.

    Raises:
        ConfigError: The file cannot be read or is invalid.
    """
    if arguments.scenario is None:
        return None
    from imds_mock.config.plain_documents import read_document_text  # noqa: PLC0415 - only few starts have one
    from imds_mock.events.scenario import read_scenario_text  # noqa: PLC0415

    return read_scenario_text(read_document_text(arguments.scenario), str(arguments.scenario))


def _setting(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    return key, value
