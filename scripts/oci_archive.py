"""Writes images as OCI archives that depend on the images' contents alone, with one image for each platform.

Engines before BuildKit 0.13 cannot set the times in an image, and store the time of the build in each layer: with a
cache, that of an earlier build. So an archive is made from what `docker save` prints, and no layer keeps a time.

Source: https://github.com/opencontainers/image-spec (image-layout.md, config.md, image-index.md)
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_KEPT: Final = ("architecture", "config", "os", "variant")
"""The parts of an image's configuration that are not about its build."""

Descriptor = dict[str, Any]


def write_archive(archive: Path, saved: Sequence[Path], tag: str, epoch: int) -> str:
    """Write an OCI archive.

    Args:
        archive: The file to write.
        saved: What `docker save IMAGE` printed for the image of each platform.
        tag: The name of the image in the archive.
        epoch: The time of the images, in seconds since the epoch.

    Returns:
        The digest of the image index.
    """
    blobs: dict[str, bytes] = {}
    manifests = sorted(
        (_image(each, epoch, blobs) for each in saved), key=lambda each: each["platform"]["architecture"]
    )
    index = _blob(_INDEX, _as_json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}), blobs)
    top = {"schemaVersion": 2, "manifests": [index | {"annotations": {"org.opencontainers.image.ref.name": tag}}]}
    files = {"index.json": _as_json(top), "oci-layout": _as_json({"imageLayoutVersion": "1.0.0"})}
    files |= {f"blobs/sha256/{digest}": content for digest, content in blobs.items()}
    with tarfile.open(archive, "w") as written:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), epoch
            written.addfile(member, io.BytesIO(content))
    return str(index["digest"])


def _image(saved: Path, epoch: int, blobs: dict[str, bytes]) -> Descriptor:
    """Add the blobs of one platform's image; returns the descriptor of its manifest."""
    with tarfile.open(saved) as archive:
        (named,) = json.loads(_read(archive, "manifest.json"))
        config = json.loads(_read(archive, named["Config"]))
        layers = [_without_times(_read(archive, name)) for name in named["Layers"]]
    created = datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")
    kept = {key: config[key] for key in _KEPT if config.get(key)}
    kept["config"] = {key: value for key, value in kept["config"].items() if value and key != "Image"}
    kept |= {
        "created": created,
        "history": [{"created": created} for _ in layers],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _blob(_CONFIG, _as_json(kept), blobs),
        "layers": [_blob(_LAYER, gzip.compress(each, mtime=0), blobs) for each in layers],
    }
    platform = {key: kept[key] for key in ("architecture", "os", "variant") if key in kept}
    return _blob(_MANIFEST, _as_json(manifest), blobs) | {"platform": platform}


def _without_times(layer: bytes) -> bytes:
    """A layer with its files in the same order, all with the time 0, as in the trees."""
    written = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(layer)) as old, tarfile.open(fileobj=written, mode="w") as new:
        for member in old:
            member.mtime = 0
            # Names longer than 100 characters, and times with fractions.
            member.pax_headers = {key: value for key, value in member.pax_headers.items() if not key.endswith("time")}
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    return written.getvalue()


def _blob(media_type: str, content: bytes, blobs: dict[str, bytes]) -> Descriptor:
    digest = hashlib.sha256(content).hexdigest()
    blobs[digest] = content
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _as_json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{name} in {archive.name!r} is not a file")
    return file.read()
