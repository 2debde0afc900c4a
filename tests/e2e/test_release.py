"""A release: its image archives load, describe what is in them, and reach users through a registry of their own."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import dist
from debian_packages import apt
from engine import BASE_IMAGE
from oci_archive import write_archive
from release_packages import commit_time
from support.containers import INSTANCE_ID
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.containers import Docker

VERSION = (ROOT / "VERSION").read_text().strip()
PLATFORMS = dist.PLATFORMS.split(",")
ARCHITECTURES = [each.partition("/")[2] for each in PLATFORMS]
ARCHIVES = [f"imds-mock-{VERSION}.tar", f"imds-shim-{VERSION}.tar"]


@pytest.fixture(scope="module")
def release(docker: Docker, mock_image: str, shim_image: str) -> Iterator[Path]:
    assert mock_image, shim_image  # their build stages are in the engine's cache
    folder = ROOT / "dist"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in docker.environment.items():
            patch.setenv(name, value)
        folder.mkdir(exist_ok=True)
        dist.build(folder, PLATFORMS)
    yield folder
    shutil.rmtree(folder)
    for image in dist.IMAGES:
        docker("image", "rm", "--force", *(f"{image}:{VERSION}-{name}" for name in ARCHITECTURES))


@pytest.fixture(scope="module")
def registry(docker: Docker) -> Iterator[str]:
    """A registry, as the engine reaches it; yields HOST:PORT."""
    # Debian's own configuration asks for a password.
    config = '{version: 0.1, storage: {filesystem: {rootdirectory: /tmp/registry}}, http: {addr: ":5000"}}'
    recipe = (
        f"FROM {BASE_IMAGE}\n"
        "RUN apt-get update && apt-get install --yes --no-install-recommends docker-registry\n"
        f"RUN echo '{config}' >/registry.yaml\n"
    )
    docker("build", "--tag", "imds-e2e-registry", "-", input_text=recipe)
    command = ["docker-registry", "serve", "/registry.yaml"]
    with docker.container("imds-e2e-registry", command, ["--publish", "5000"]) as name:
        docker.await_log(name, "listening on", seconds=120)
        published = docker("port", name, "5000/tcp").stdout.splitlines()[0]
        yield f"127.0.0.1:{published.rpartition(':')[2]}"


def skopeo(*words: str | Path) -> str:
    if shutil.which("skopeo") is None:
        apt(["update"])
        apt(["install", "--yes", "--no-install-recommends", "skopeo"])
    return subprocess.run(["skopeo", *words], check=True, capture_output=True, text=True).stdout


def test_the_checksums_are_those_of_all_files(release: Path) -> None:
    sums = dict(line.split("  ")[::-1] for line in (release / "SHA256SUMS").read_text().splitlines())
    assert sums == {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in release.iterdir()
        if each.name != "SHA256SUMS"
    }
    assert set(ARCHIVES) < set(sums)
    assert len(sums) == 2 * 2 + 2 + 2 * 2  # packages, archives, bills of two platforms


@pytest.mark.parametrize("archive", ARCHIVES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_archive_has_an_image_of_each_platform(release: Path, architecture: str, archive: str) -> None:
    options = ("--override-arch", architecture, "inspect", "--config")
    found: dict[str, Any] = json.loads(skopeo(*options, f"oci-archive:{release / archive}"))
    assert (found["os"], found["architecture"]) == ("linux", architecture)
    assert found["config"]["Labels"]["org.opencontainers.image.version"] == VERSION


@pytest.mark.parametrize(("image", "package"), [("imds-mock", "msgspec"), ("imds-shim", "httpx")])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_bill_of_materials_names_what_is_in_the_image(
    release: Path, architecture: str, image: str, package: str
) -> None:
    bill = json.loads((release / f"{image}-{VERSION}-{architecture}.cdx.json").read_text())
    found = {each["purl"].partition("@")[0]: each["version"] for each in bill["components"]}
    lock = (ROOT / image.removeprefix("imds-") / "requirements.lock").read_text()
    pinned = re.search(rf"^{package}==([^ ]+)", lock, re.MULTILINE)
    assert pinned is not None
    assert found[f"pkg:pypi/{package}"] == pinned[1]
    assert found[f"pkg:pypi/{image}"] == VERSION
    assert "pkg:deb/debian/libc6" in found
    assert any(name.startswith("pkg:deb/debian/python3.") for name in found)
    debian = [each["purl"] for each in bill["components"] if each["purl"].startswith("pkg:deb/")]
    assert {purl.partition("?arch=")[2] for purl in debian} == {architecture}


def copy_for_owner(checkout: Path) -> None:
    """Copy what images are built from, so that only the owner can read it, as with a umask of 077."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in names.split("\0"):
        if name.startswith(("Dockerfile", ".dockerignore", "VERSION", "LICENSE", "image/", "shim/", "mock/")):
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    for each in checkout.rglob("*"):
        # The steps that unpack and download packages, which copy only these files, come from the engine's cache.
        if each.name not in {"unpack-packages.sh", "download-wheels.sh", "requirements.lock"}:
            each.chmod(each.stat().st_mode & 0o700)


def test_a_checkout_that_only_its_owner_can_read_gives_the_same_bytes(
    docker: Docker, release: Path, tmp_path: Path
) -> None:
    # Other modes are other contents for the engine's cache, so both trees are built again.
    checkout = tmp_path / "checkout"
    copy_for_owner(checkout)
    assert release.exists()
    for archive, (image, (dockerfile, *options)) in zip(ARCHIVES, dist.IMAGES.items(), strict=True):
        saved = [tmp_path / name for name in ARCHITECTURES]
        for file in saved:
            on = ("--platform", f"linux/{file.name}", "--file", str(checkout / dockerfile))
            tag = docker.build(f"imds-e2e-again-{image}", checkout, *on, *options)
            docker("save", "--output", str(file), tag)
            docker("image", "rm", tag)
        write_archive(tmp_path / archive, saved, VERSION, commit_time())
        assert (tmp_path / archive).read_bytes() == (release / archive).read_bytes()


def push(docker: Docker, registry: str, path: str, checkout: Path) -> str:
    """Push the images of a checkout; returns the registry as this machine reaches it, and the path."""
    assert skopeo("--version")
    host = docker.environment.get("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")
    reached = f"{registry.replace('127.0.0.1', host)}/{path}"
    pushed = subprocess.run(
        [checkout / "scripts/push.sh", reached, "--dest-tls-verify=false"], check=False, capture_output=True, text=True
    )
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stdout.split() == [f"{reached}/{image}:{tag}" for image in dist.IMAGES for tag in (VERSION, "latest")]
    return reached


def copy_push(checkout: Path) -> None:
    (checkout / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/push.sh", checkout / "scripts")
    shutil.copy(ROOT / "VERSION", checkout)


def test_images_pushed_to_a_registry_run_from_it(docker: Docker, release: Path, registry: str) -> None:
    assert release.exists()
    reached = push(docker, registry, "team", ROOT)
    for image in dist.IMAGES:
        index = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{reached}/{image}:{VERSION}"))
        assert [each["platform"]["architecture"] for each in index["manifests"]] == ARCHITECTURES
    mock = f"{registry}/team/imds-mock:{VERSION}"
    try:
        docker("pull", "--quiet", mock)
        with docker.container(mock) as name:
            docker.await_log(name, f"{INSTANCE_ID} answers on", seconds=120)
    finally:
        docker("image", "rm", mock)


def test_a_push_without_a_release_says_what_to_run(tmp_path: Path) -> None:
    copy_push(tmp_path)
    copy = tmp_path / "scripts"
    done = subprocess.run([copy / "push.sh", "127.0.0.1:1/team"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        f"push: dist/imds-mock-{VERSION}.tar is missing; run make dist first\n",
    )
    done = subprocess.run([copy / "push.sh", ""], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (64, "usage: make push REGISTRY=HOST[:PORT]/PATH\n")
