"""`make images` when images with the same names exist."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from support.paths import ROOT

if TYPE_CHECKING:
    from support.containers import Docker


def test_what_new_images_replace_does_not_stay_without_a_name(docker: Docker, mock_image: str, shim_image: str) -> None:
    replaced = set()
    for number, image in enumerate((mock_image, shim_image)):
        docker("tag", image, f"{image}:kept")
        docker("build", "--tag", image, "-", input_text=f"FROM scratch\nLABEL older={number}\n")
        replaced.add(docker.inspect(image, ".Id"))
    done = subprocess.run(
        [ROOT / "scripts/images.sh"], env=dict(docker.environment), capture_output=True, text=True, check=False
    )
    docker("rmi", f"{mock_image}:kept", f"{shim_image}:kept")
    assert done.returncode == 0, done.stderr
    assert replaced & set(docker("image", "ls", "--all", "--quiet", "--no-trunc").stdout.split()) == set()
    assert docker.inspect(mock_image, ".Config.Entrypoint") == ["imds-mock"]
