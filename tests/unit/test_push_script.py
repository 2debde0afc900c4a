"""`make push` and `make dist`: hostile words reach no shell, and a wrong registry is refused in one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

VERSION = (ROOT / "VERSION").read_text().strip()
SKOPEO = '#!/bin/sh\nprintf "%s\\n" "$*" >> calls\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that a push reads, and a skopeo that only writes down its arguments."""
    for folder in ("scripts", "dist", "bin"):
        (tmp_path / folder).mkdir()
    for name in ("Makefile", "VERSION", "scripts/push.sh"):
        shutil.copy(ROOT / name, tmp_path / name)
    for image in ("imds-mock", "imds-shim"):
        (tmp_path / f"dist/{image}-{VERSION}.tar").touch()
    skopeo = tmp_path / "bin/skopeo"
    skopeo.write_text(SKOPEO)
    skopeo.chmod(0o755)
    return tmp_path


def make(checkout: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["make", "--silent", *words],
        cwd=checkout,
        env=os.environ | {"PATH": path} | environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "registry",
    [
        "registry.example/team",
        "registry.example/team/",
        "localhost:5000/a_b/c-d.e",
        "127.0.0.1:5000",
        "[::1]:5000/team",
        "Registry.Example",
    ],
)
def test_each_image_is_pushed_with_both_tags(checkout: Path, registry: str) -> None:
    done = make(checkout, "push", f"REGISTRY={registry}")
    assert (done.returncode, done.stderr) == (0, "")
    own = registry.rstrip("/")
    tags = [f"{own}/{image}:{tag}" for image in ("imds-mock", "imds-shim") for tag in (VERSION, "latest")]
    assert done.stdout.splitlines() == tags
    calls = (checkout / "calls").read_text().splitlines()
    assert [call.rpartition(" docker://")[2] for call in calls] == tags
    is_local = own.startswith(("localhost", "127."))
    assert all(("--dest-tls-verify=false" in call) == is_local for call in calls)


@pytest.mark.parametrize(
    "registry",
    [
        "https://registry.example/team",
        "registry.example/team:tag",
        "registry.example/Team",
        "registry.example/a b",
        "registry.example//team",
        "registry.example/../team",
        "user:hunter2@registry.example/team",
        "--help",
        "registry.example/é",
        "registry.example/a\ntouch owned",
    ],
)
@pytest.mark.parametrize("is_variable", [False, True])
def test_what_is_no_registry_is_refused_without_repeating_it(
    checkout: Path, registry: str, *, is_variable: bool
) -> None:
    done = make(checkout, "push", REGISTRY=registry) if is_variable else make(checkout, "push", f"REGISTRY={registry}")
    assert done.returncode == 2
    assert done.stderr.startswith("push: REGISTRY is not HOST[:PORT]/PATH, such as registry.example.com/team")
    assert "hunter2" not in done.stderr
    assert not (checkout / "calls").exists()


@pytest.mark.parametrize("word", ["", "/"])
def test_without_a_registry_the_usage_is_printed(checkout: Path, word: str) -> None:
    assert make(checkout, "push", f"REGISTRY={word}").stderr.startswith("usage: make push REGISTRY=HOST[:PORT]/PATH\n")


HOSTILE = [
    "$(shell touch owned)",
    "$$(touch owned)",
    "`touch owned`",
    '"; touch owned; "',
    "; touch owned",
    "$(touch owned)",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_nothing_in_a_registry_is_run(checkout: Path, words: str) -> None:
    make(checkout, "push", f"REGISTRY={words}")
    make(checkout, "push", REGISTRY=words)
    assert not (checkout / "owned").exists()


@pytest.mark.parametrize("words", [*HOSTILE, "linux/amd64,linux/arm64"])
def test_platforms_reach_the_build_as_they_are(checkout: Path, words: str) -> None:
    python = checkout / "python"
    python.write_text('#!/bin/sh\nprintf "%s|" "$@" > words\n')
    python.chmod(0o755)
    make(checkout, "dist", f"PLATFORMS={words}", f"BIN={checkout}", "--old-file=setup-dev")
    given = f"scripts/engine.py|run|{checkout}/python|scripts/dist.py|--platforms|{words}|"
    assert (checkout / "words").read_text() == given
    assert not (checkout / "owned").exists()
