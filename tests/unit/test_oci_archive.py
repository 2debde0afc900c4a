"""OCI archives of images: complete, for several platforms, and equal for equal contents."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from oci_archive import write_archive

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = 1_700_000_000
LONG = "opt/" + "folder/" * 30 + "file"


def layer(files: dict[str, bytes], mtime: float) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode, member.uid = len(content), mtime, 0o755, 65532
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname, link.mtime = tarfile.SYMTYPE, "opt/x", mtime
        archive.addfile(link)
    return written.getvalue()


def saved(folder: Path, architecture: str, mtime: float, content: bytes = b"program") -> Path:
    """Write what `docker save` prints, with times of a build."""
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": f"2026-01-01T00:00:{mtime % 60:09.6f}Z",
        "docker_version": "20.10",
        "container": f"made-at-{mtime}",
        "config": {"Image": f"sha256:{mtime}", "User": "65532", "Entrypoint": ["/opt/x"], "Env": None},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:of-the-old-layer"]},
        "history": [{"created_by": f"COPY at {mtime}"}],
    }
    named = [{"Config": "config.json", "RepoTags": ["x:1"], "Layers": ["a/layer.tar"]}]
    path = folder / f"{architecture}-{mtime}.tar"
    files = {"manifest.json": json.dumps(named), "config.json": json.dumps(config)}
    with tarfile.open(path, "w") as archive:
        for name, text in [*files.items()]:
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
        of_layer = layer({"opt/x": content, LONG: b"deep"}, mtime)
        member = tarfile.TarInfo("a/layer.tar")
        member.size = len(of_layer)
        archive.addfile(member, io.BytesIO(of_layer))
    return path


def read(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        members = [(each.name, opened.extractfile(each)) for each in opened]
        return {name: file.read() for name, file in members if file is not None}


def blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    content = files["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]
    assert (len(content), "sha256:" + hashlib.sha256(content).hexdigest()) == (descriptor["size"], descriptor["digest"])
    return content


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    both = [saved(tmp_path, "arm64", EPOCH + 5.25), saved(tmp_path, "amd64", EPOCH + 6.5)]
    digest = write_archive(tmp_path / "archive.tar", both, "0.1.0", EPOCH)
    found = read(tmp_path / "archive.tar")
    assert json.loads(found["index.json"])["manifests"][0]["digest"] == digest
    return found


def images(files: dict[str, bytes]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return the manifest and the configuration for each architecture."""
    (top,) = json.loads(files["index.json"])["manifests"]
    assert top["annotations"] == {"org.opencontainers.image.ref.name": "0.1.0"}
    found = {}
    for each in json.loads(blob(files, top))["manifests"]:
        manifest = json.loads(blob(files, each))
        found[each["platform"]["architecture"]] = manifest, json.loads(blob(files, manifest["config"]))
    return found


def test_an_archive_has_an_image_for_each_platform(files: dict[str, bytes]) -> None:
    assert list(images(files)) == ["amd64", "arm64"]
    for architecture, (_, config) in images(files).items():
        assert (config["architecture"], config["os"]) == (architecture, "linux")
        assert config["config"] == {"User": "65532", "Entrypoint": ["/opt/x"]}


def test_a_layer_keeps_everything_but_times(files: dict[str, bytes]) -> None:
    manifest, config = images(files)["arm64"]
    (only,) = manifest["layers"]
    content = gzip.decompress(blob(files, only))
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(content).hexdigest()]
    with tarfile.open(fileobj=io.BytesIO(content)) as opened:
        members = opened.getmembers()
        assert [each.name for each in members] == ["opt/x", LONG, "link"]
        assert {each.mtime for each in members} == {0}
        assert (members[0].mode, members[0].uid, members[2].linkname) == (0o755, 65532, "opt/x")
        deep = opened.extractfile(LONG)
        assert deep is not None
        assert deep.read() == b"deep"


def test_equal_contents_built_before_and_after_the_commit_give_equal_archives(tmp_path: Path) -> None:
    archives = []
    for number, mtime in enumerate((EPOCH - 99_999.75, EPOCH + 1.5)):
        archives.append(tmp_path / f"{number}.tar")
        write_archive(archives[-1], [saved(tmp_path, "amd64", mtime)], "1", EPOCH)
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_other_contents_give_another_digest(tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar"
    digests = {
        write_archive(archive, [saved(tmp_path, "amd64", EPOCH, content)], "1", EPOCH) for content in (b"one", b"two")
    }
    assert len(digests) == 2
