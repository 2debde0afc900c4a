"""The bill of materials names every Python and Debian package of a tree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bill_of_materials import bill_of_materials

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = 1_700_000_000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for folder, metadata in (
        ("httpx-0.28.1", "Name: httpx\nVersion: 0.28.1\nLicense: BSD-3-Clause\n\ntext"),
        ("python_iptables-1.2.0", "Name: python_iptables\nVersion: 1.2.0\nLicense: Apache License\n  in lines\n"),
        ("rich-14.0", "Name: rich\nVersion: 14.0\nLicense-Expression: MIT\nLicense: other\n"),
    ):
        (tmp_path / f"lib/{folder}.dist-info").mkdir(parents=True)
        (tmp_path / f"lib/{folder}.dist-info/METADATA").write_text(f"Metadata-Version: 2.1\n{metadata}")
    (tmp_path / "licenses").mkdir()
    (tmp_path / "licenses/debian-packages.tsv").write_text("libc6\t2.41-12\tamd64\nlibnftables1\t1:1.1-2\tamd64\n")
    return tmp_path


def written(tree: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bill_of_materials(tree, "imds-shim", "0.1.0", EPOCH))
    return found


def test_it_names_every_package_with_its_version(tree: Path) -> None:
    found = written(tree)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert {each["purl"] for each in found["components"]} == {
        "pkg:pypi/httpx@0.28.1",
        "pkg:pypi/python-iptables@1.2.0",
        "pkg:pypi/rich@14.0",
        "pkg:deb/debian/libc6@2.41-12?arch=amd64",
        "pkg:deb/debian/libnftables1@1:1.1-2?arch=amd64",
    }


def test_it_names_the_image_and_the_time(tree: Path) -> None:
    metadata = written(tree)["metadata"]
    assert metadata["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert (metadata["component"]["name"], metadata["component"]["version"]) == ("imds-shim", "0.1.0")
    assert metadata["component"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]


def test_it_names_licenses_where_the_package_does_in_one_line(tree: Path) -> None:
    licenses = {each["name"]: each.get("licenses") for each in written(tree)["components"]}
    assert licenses["rich"] == [{"license": {"id": "MIT"}}]
    assert licenses["httpx"] == [{"license": {"id": "BSD-3-Clause"}}]
    assert licenses["python_iptables"] is None


def test_equal_trees_give_equal_documents(tree: Path) -> None:
    assert bill_of_materials(tree, "imds-shim", "0.1.0", EPOCH) == bill_of_materials(tree, "imds-shim", "0.1.0", EPOCH)
