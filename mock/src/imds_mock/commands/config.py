"""Show the merged configuration, check a file, import an instance, or print the JSON Schema that editors use."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=type(parser))
    show = actions.add_parser("show", help="print defaults, file and variables merged, without secrets")
    show.add_argument("--config", type=Path, metavar="FILE", help="YAML or JSON file with settings")
    show.add_argument("--format", choices=("yaml", "json"), default="yaml", help="(default: yaml)")
    check = actions.add_parser("check", help="check a file: exit code 0, or 78 and what is wrong")
    check.add_argument("file", type=Path, metavar="FILE", help="YAML or JSON file with settings")
    imported = actions.add_parser("import", help="print the configuration of an instance that the EC2 API describes")
    imported.add_argument("--instance-id", required=True, metavar="ID", help="id of the instance")
    imported.add_argument("--region", help="region of the instance (default: as AWS clients are configured)")
    imported.add_argument("--profile", help="profile of the AWS configuration files (default: as for AWS clients)")
    imported.add_argument(
        "--include-user-data", action="store_true", help="include the user data, which may contain secrets"
    )
    actions.add_parser("schema", help="print the JSON Schema of configuration files")


def run(arguments: argparse.Namespace) -> int:
    """Run the action."""
    {"show": _show, "check": _check, "import": _import, "schema": _schema}[arguments.action](arguments)
    return 0


def _show(arguments: argparse.Namespace) -> None:
    from imds_mock.build.loading import document_of, load  # noqa: PLC0415 - each action loads what it needs
    from imds_mock.control.secrets import masked  # noqa: PLC0415 - as above

    document = masked(document_of(load({}, os.environ, arguments.config)))
    sys.stdout.write(_json(document) if arguments.format == "json" else _yaml(document))


def _check(arguments: argparse.Namespace) -> None:
    from imds_mock.build.loading import load  # noqa: PLC0415 - each action loads what it needs

    load({}, {}, arguments.file)
    sys.stdout.write(f"{arguments.file}: ok\n")


def _import(arguments: argparse.Namespace) -> None:
    from imds_mock.build.loading import from_document  # noqa: PLC0415 - each action loads what it needs
    from imds_mock.ec2_import.api import describe  # noqa: PLC0415 - as above
    from imds_mock.ec2_import.document import document_of  # noqa: PLC0415 - as above
    from imds_mock.log import say  # noqa: PLC0415 - as above

    description = describe(
        arguments.instance_id, arguments.region, arguments.profile, include_user_data=arguments.include_user_data
    )
    document = document_of(description)
    for note in description.notes:
        say(note)
    from_document(document)
    sys.stdout.write(_yaml(document))


def _schema(_arguments: argparse.Namespace) -> None:
    from imds_mock.config.schema import json_schema  # noqa: PLC0415 - each action loads what it needs

    sys.stdout.write(_json(json_schema()))


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _yaml(document: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415 - only this output needs it

    text: str = yaml.safe_dump(json.loads(_json(document)), sort_keys=False, allow_unicode=True, width=120)
    return text
