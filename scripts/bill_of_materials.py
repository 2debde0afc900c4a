"""The bill of materials of a tree, in CycloneDX: its Python packages, and the Debian packages of its other files.

Source: https://cyclonedx.org/specification/overview/
"""

from __future__ import annotations

import email.parser
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEBIAN_PACKAGES: Final = "licenses/debian-packages.tsv"
"""In a tree: name, version and architecture of each Debian package whose files it has."""

_LICENSES: Final = LicenseFactory()


def bill_of_materials(tree: Path, name: str, version: str, epoch: int) -> str:
    """Describe a tree.

    Args:
        tree: The folder that an image contains, such as `/opt/imds-shim`.
        name: Name of the image.
        version: Its version.
        epoch: Time of the description, in seconds since the epoch.

    Returns:
        A JSON document of CycloneDX 1.6; equal trees give equal documents.
    """
    bom = Bom(components=[*_python_packages(tree), *_debian_packages(tree)])
    image = Component(
        name=name,
        version=version,
        type=ComponentType.CONTAINER,
        licenses=[_LICENSES.make_from_string("Apache-2.0")],
        bom_ref=name,
    )
    bom.metadata.component = image
    bom.register_dependency(image, bom.components)
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    # A name for this document that depends on its contents alone.
    purls = sorted(str(each.purl) for each in bom.components)
    bom.serial_number = uuid5(NAMESPACE_URL, "\n".join([name, version, *purls]))
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _python_packages(tree: Path) -> Iterator[Component]:
    for file in sorted(tree.rglob("*.dist-info/METADATA")):
        found = email.parser.Parser().parsestr(file.read_text())
        named, version = found["Name"], found["Version"]
        # License-Expression since metadata 2.4; a License of one line before.
        said = found["License-Expression"] or found["License"] or ""
        yield Component(
            name=named,
            version=version,
            type=ComponentType.LIBRARY,
            purl=PackageURL("pypi", None, named.lower().replace("_", "-"), version),
            licenses=[_LICENSES.make_from_string(said)] if said and "\n" not in said else (),
            bom_ref=f"pypi:{named}",
        )


def _debian_packages(tree: Path) -> Iterator[Component]:
    for line in (tree / DEBIAN_PACKAGES).read_text().splitlines():
        name, version, architecture = line.split("\t")
        yield Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            purl=PackageURL("deb", "debian", name, version, {"arch": architecture}),
            bom_ref=f"deb:{name}",
        )
