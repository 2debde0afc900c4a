"""`make images` a second time, when there are older images of the same names."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from containers import ROOT

if TYPE_CHECKING:
    from containers import Docker


def test_what_new_images_replace_does_not_stay_without_a_name(docker: Docker, mock_image: str, shim_image: str) -> None:
    def unnamed() -> set[str]:
        return set(docker("image", "ls", "--quiet", "--filter", "dangling=true").stdout.split())

    before = unnamed()
    for number, image in enumerate((mock_image, shim_image)):
        docker("build", "--tag", image, "-", input_text=f"FROM scratch\nLABEL older={number}\n")
    done = subprocess.run(
        [ROOT / "scripts/images.sh"], env=dict(docker.environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert unnamed() - before == set()
    assert docker.inspect(mock_image, ".Config.Entrypoint") == ["imds-mock"]
