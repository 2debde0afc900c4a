"""A configuration file in a mounted folder, as in docs/images.md: a saved change reaches the mock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from support.containers import Docker

PAGE = (ROOT / "docs/images.md").read_text()


def test_a_file_that_an_editor_replaces_is_taken_over(docker: Docker, mock_image: str, tmp_path: Path) -> None:
    assert mock_image == "imds-mock"
    (compose,) = re.findall(r"^```yaml\n(# compose\.yaml\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "compose.yaml").write_text(compose)
    folder = tmp_path / "mock"
    folder.mkdir()
    (folder / "mock.yaml").write_text("instance: {region: eu-west-1}\n")
    stack = ("compose", "--project-name", docker.name(), "--file", str(tmp_path / "compose.yaml"))

    def region() -> str:
        ctl = ("exec", "-T", "mock_metadata", "imds-mock", "ctl", "config", "show")
        return docker(*stack, *ctl).stdout

    try:
        docker(*stack, "up", "--detach", "--wait")
        assert "eu-west-1" in region()
        # As editors save: a new file, renamed over the old one.
        (folder / "mock.yaml.new").write_text("instance: {region: ap-south-1}\n")
        (folder / "mock.yaml.new").rename(folder / "mock.yaml")
        docker.await_log(docker(*stack, "ps", "--quiet", "mock_metadata").stdout.strip(), "configuration reloaded")
        assert "ap-south-1" in region()
    finally:
        docker(*stack, "down", "--timeout", "2")
