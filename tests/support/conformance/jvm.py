"""Builds a program in Java: Maven downloads its dependencies, javac compiles it, and plain `java` runs it.

The program consists of the Java files in a folder below `tests/conformance` and those in `tests/conformance/jvm`. Its
main class is `Program`.
`pom.xml` pins the direct dependencies, and `dependencies.sha256` has the checksum of everything that they resolve to.

As a program (with `PYTHONPATH=tests:scripts`), it renews the files `dependencies.sha256`.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import re
import tempfile
from pathlib import Path
from typing import Final

from support.conformance.sdk import CACHE, SOURCES, built, run_build
from toolchains import from_debian

LOCK: Final = "dependencies.sha256"
# Quick starts matter more than speed: a program makes a few requests.
_OPTIONS: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
_COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.11.0:copy-dependencies"
_SHARED: Final = SOURCES / "jvm"
# Several programs have dependencies in common, and a change of one pom.xml downloads only what is new.
_REPOSITORY: Final = CACHE / "maven-repository"


def build(key: str) -> tuple[str | Path, ...]:
    """The command line of the program in a folder below `tests/conformance`, built if necessary."""
    compiler = from_debian("javac", ("default-jdk-headless",), ("--version",), (17,))
    version = run_build(compiler, "--version", folder=SOURCES)
    shared = [source.read_text() for source in sorted(_SHARED.glob("*.java"))]
    folder = built(key, functools.partial(_build, key, compiler), version, *shared)
    jars = sorted((folder / "jars").glob("*.jar"))
    class_path = ":".join(map(str, [folder / "classes", *jars]))
    return (compiler.with_name("java"), *_OPTIONS, "-cp", class_path, "Program")


def version_of(key: str, artifact: str) -> str:
    """The version of an artifact that `dependencies.sha256` pins."""
    found = re.search(rf"  {re.escape(artifact)}-(\d\S*)\.jar$", (SOURCES / key / LOCK).read_text(), re.MULTILINE)
    assert found is not None, f"{artifact} is missing from {key}/{LOCK}"
    return found[1]


def _build(key: str, compiler: Path, folder: Path) -> None:
    jars = folder / "jars"
    _download(key, jars)
    resolved, locked = _checksums(jars), (SOURCES / key / LOCK).read_text()
    differing = sorted(set(resolved.splitlines()) ^ set(locked.splitlines()))
    assert not differing, "\n".join([f"the dependencies of {key} differ from {LOCK}:", *differing])
    sources = [*sorted((SOURCES / key).glob("*.java")), *sorted(_SHARED.glob("*.java"))]
    run_build(compiler, "-proc:none", "-cp", f"{jars}/*", "-d", folder / "classes", *sources, folder=folder)


def _download(key: str, jars: Path) -> None:
    maven = from_debian("mvn", ("maven",), ("--version",), (3, 6))
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "maven-repository.lock").open("w") as lock:
        # Maven's repository is for one process at a time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        run_build(
            *(maven, "--batch-mode", "--quiet", "--file", SOURCES / key / "pom.xml"),
            *(_COPY, "-DincludeScope=runtime", f"-DoutputDirectory={jars}", f"-Dmaven.repo.local={_REPOSITORY}"),
            folder=jars.parent,
        )


def _checksums(jars: Path) -> str:
    lines = [f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}\n" for jar in sorted(jars.glob("*.jar"))]
    return "".join(lines)


def renew_locks() -> None:
    """Write the file `dependencies.sha256` of each program."""
    for pom in sorted(SOURCES.glob("*/pom.xml")):
        with tempfile.TemporaryDirectory() as scratch:
            jars = Path(scratch) / "jars"
            _download(pom.parent.name, jars)
            (pom.parent / LOCK).write_text(_checksums(jars))


if __name__ == "__main__":
    renew_locks()
