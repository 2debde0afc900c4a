"""What a temporary engine finds of earlier runs, on an engine with data of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Runs a shell script next to a temporary engine, which has no images of Debian. $RUN is the id of this process.
PROGRAM = """
import os, subprocess, sys
from pathlib import Path
import engine, engine_install
plugins = engine_install.install(engine.CACHE)
engine.CACHE = Path(sys.argv[1])
engine.provide_debian = lambda suite, environment: None
engine_install.install = lambda cache: plugins
with engine.own_engine() as environment:
    words = ["sh", "-euc", sys.argv[2]]
    sys.exit(subprocess.run(words, env={**environment, "RUN": str(os.getpid())}).returncode)
"""
# Of both builds, the image has only the file of the first stage.
BUILD = """
build() {
  printf 'FROM scratch AS build\\nCOPY compiler program /\\nFROM scratch\\nCOPY --from=build /program /\\n' |
    docker build --progress plain --tag "$1" --file - "$2" 2>&1
}
"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "engine"
    subprocess.run(["rm", "-rf", "--one-file-system", tmp_path / "engine"], check=True)


def run(cache: Path, script: str, *, check: bool = True) -> str:
    words = [sys.executable, "-c", PROGRAM, str(cache), script]
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": "scripts"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def context(folder: Path, content: str) -> Path:
    folder.mkdir()
    for name in ("compiler", "program"):
        (folder / name).write_text(f"{name} {content}\n" * 100_000)
    return folder


def test_what_a_killed_run_leaves_goes_and_the_products_image_stays(cache: Path, tmp_path: Path) -> None:
    product, other = context(tmp_path / "product", "one"), context(tmp_path / "other", "two")
    builds = f"{BUILD} build imds-mock {product} >/dev/null; build imds-e2e-other {other} >/dev/null"
    left = "docker volume create left; docker network create left; docker create --name left imds-e2e-other /program"
    run(cache, f"{builds}; {left}; kill -KILL $RUN", check=False)

    count = "docker system df --format '{{.Type}} {{.TotalCount}} {{.Size}}'"
    networks = "docker network ls --format '{{.Name}}'"
    found = run(cache, f"{count}; {networks}; {BUILD} build imds-mock {product}")
    assert "\nbridge\n" in found
    assert "Images 1 " in found
    assert "Containers 0 " in found
    assert "Local Volumes 0 " in found
    assert "left" not in found
    assert found.count("CACHED") == 2  # the steps of both stages, although only the image of the last one stays
