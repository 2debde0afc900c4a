"""The repository's claims about itself: versions, locks, pages and examples."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from support.paths import ROOT

VERSION = (ROOT / "VERSION").read_text().strip()


@pytest.mark.parametrize("distribution", ["imds-shim", "imds-mock"])
def test_both_programs_carry_the_one_version(distribution: str) -> None:
    assert importlib.metadata.version(distribution) == VERSION


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "Dockerfile.shim"])
def test_image_labels_carry_the_one_version(dockerfile: str) -> None:
    labels = re.findall(r"org\.opencontainers\.image\.version=\"?([\w.]+)", (ROOT / dockerfile).read_text())
    assert labels
    assert set(labels) == {VERSION}


def test_a_build_of_both_images_installs_once() -> None:
    """BuildKit runs equal steps on equal bases once."""
    stages = []
    for dockerfile in ("Dockerfile", "Dockerfile.shim"):
        steps = re.sub(r"^#.*\n|^$\n", "", (ROOT / dockerfile).read_text(), flags=re.MULTILINE)
        stages.append(dict(re.findall(r"^FROM (.* AS .*)\n((?:(?!FROM).*\n)*)", steps, re.MULTILINE)))
    shared = "--platform=${BUILDPLATFORM:-linux} ${BASE} AS tools"
    assert stages[0][shared] == stages[1][shared]
    assert "RUN unpack-packages" in stages[0][shared]


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "Dockerfile.shim"])
def test_only_stages_of_the_machine_that_builds_run_programs(dockerfile: str) -> None:
    steps = (ROOT / dockerfile).read_text().partition("AS debug")[0]
    stages = re.split(r"^FROM (?:--platform=\S+ )?", steps, flags=re.MULTILINE)[1:]
    assert [stage.split()[0] for stage in stages if "\nRUN " in stage] == ["${BASE}", "tools"]


@pytest.mark.parametrize(
    "file",
    [
        *("Dockerfile", "Dockerfile.shim", "image/tree.sh", "image/launcher.h"),
        *("image/unpack-packages.sh", "image/download-wheels.sh", "image/unpack_wheels.py"),
        *("shim/build-tree.sh", "shim/pack_modules.py", "shim/freeze_modules.py"),
        *("shim/launcher/launcher.c", "shim/interpreter/interpreter.c"),
        *("mock/build-tree.sh", "mock/build-root.sh", "mock/launcher/launcher.c"),
    ],
)
def test_nothing_that_builds_an_image_is_tied_to_one_processor(file: str) -> None:
    assert re.findall(r"amd64|arm64|x86|aarch64", (ROOT / file).read_text()) == []


def test_the_changelog_has_an_entry_for_the_version() -> None:
    assert f"## [{VERSION}]" in (ROOT / "CHANGELOG.md").read_text()


def test_make_help_lists_every_target_in_80_columns() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    printed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = printed.stdout.splitlines()
    assert [line.split()[0] for line in lines] == phony[1].split()
    assert [line for line in lines if len(line) > 80] == []


def test_make_lets_python_write_bytecode() -> None:
    show = 'show: ; @echo "[$${PYTHONDONTWRITEBYTECODE-not set}]"'
    told = subprocess.run(
        ["make", "--no-print-directory", f"--eval={show}", "show"],
        cwd=ROOT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "[not set]\n"


def test_no_file_contains_a_conflict_marker() -> None:
    found = subprocess.run(
        ["git", "grep", "-lE", "^(<{7}|>{7}) "], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (found.stdout, found.returncode) == ("", 1)


def test_nothing_passes_a_filter_to_tarfile_which_the_python_of_debian_12_rejects() -> None:
    """Python 3.11.4 introduced the argument; Debian 12 has 3.11.2. `extraction_filter` works with both."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    calls = [
        (path, node.lineno, {keyword.arg for keyword in node.keywords})
        for path in listed.stdout.splitlines()
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"extract", "extractall", "unpack_archive"}
    ]
    assert "image/unpack_wheels.py" in {path for path, _line, _names in calls}, "the search finds calls"
    assert [(path, line) for path, line, names in calls if "filter" in names] == []


WAYS_IN = sorted(page.parent.name for page in (ROOT / "examples").glob("*/README.md"))


@pytest.mark.parametrize("page", ["README.md", "docs/ways-in.md"])
def test_every_example_is_told_of(page: str) -> None:
    text = (ROOT / page).read_text()
    assert sorted(set(re.findall(r"\]\((?:\.\./)?examples/([a-z-]+)\)", text))) == WAYS_IN


def table(page: str, first: str) -> list[list[str]]:
    """The rows of the table whose heading begins with `first`."""
    text = (ROOT / page).read_text()
    found = re.search(rf"^\| {re.escape(first)} \|.*\n(?:\|.*\n)+", text, re.MULTILINE)
    assert found is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[0].splitlines()]


def test_the_readme_compares_the_ways_by_what_decides() -> None:
    heading, _line, *rows = table("README.md", "way")
    assert heading == [
        *("way", "capability", "image", "replicas", "several projects", "mock recreated", "IPv6", "engines")
    ]
    assert sorted(re.findall(r"\[([a-z-]+)\]", " ".join(row[0] for row in rows))) == WAYS_IN
    assert {len(row) for row in rows} == {len(heading)}


def test_the_page_of_the_ways_says_of_each_how_callers_are_told_apart() -> None:
    heading, _line, *rows = table("docs/ways-in.md", "way | callers are told apart")
    assert heading[2:] == ["by name", "`local-ipv4` is"]
    assert sorted(way for row in rows for way in row[0].split(", ")) == WAYS_IN


@pytest.mark.parametrize("way", WAYS_IN)
def test_an_example_says_when_it_fits_what_it_needs_and_what_breaks_it(way: str) -> None:
    page = (ROOT / "examples" / way / "README.md").read_text()
    assert page.startswith(f"# {way}: ")
    assert re.findall(r"^\* \*\*(.*?):\*\*", page, re.MULTILINE)[:3] == ["When", "Needs", "Breaks it"]
    before_the_first_command = re.split(r"^```(?:console|sh)$", page, maxsplit=1, flags=re.MULTILINE)[0]
    assert re.search("make (images|setup)|Build the images", before_the_first_command), "what has to be there is said"


@pytest.mark.parametrize(
    "lock",
    [
        *("requirements-dev.lock", "requirements-test.lock", "requirements-programs.lock"),
        "shim/requirements.lock",
        "mock/requirements.lock",
        "tests/clients/requirements.lock",
        "tests/clients/collections.lock",
        "tests/browser/requirements.lock",
        "tests/e2e/images/aws/requirements.lock",
        *(str(lock.relative_to(ROOT)) for lock in sorted(ROOT.glob("tests/conformance/python/*.lock"))),
        "tests/conformance/cpp/requirements.lock",
    ],
)
def test_locks_pin_versions_and_hashes_and_name_no_registry(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    requirements = re.findall(r"^(\S+?)(==\S+)?(?: ; .*)? \\$", text, re.MULTILINE)
    assert requirements
    assert [name for name, pin in requirements if not pin] == []
    assert text.count("--hash=sha256:") >= len(requirements)


def pins(lock: str) -> set[str]:
    return set(re.findall(r"^(\S+==\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_each_group_is_a_part_of_the_next() -> None:
    assert pins("requirements-programs.lock") < pins("requirements-test.lock") < pins("requirements-dev.lock")
    assert pins("mock/requirements.lock") | pins("shim/requirements.lock") < pins("requirements-programs.lock")


@pytest.mark.parametrize("folder", ["clients", "browser"])
def test_the_node_locks_pin_versions_and_hashes_and_name_no_registry(folder: str) -> None:
    packages = json.loads((ROOT / f"tests/{folder}/package-lock.json").read_text())["packages"]
    installed = {path: package for path, package in packages.items() if path}
    assert installed
    assert [path for path, package in installed.items() if not package["integrity"].startswith("sha512-")] == []
    assert [path for path, package in packages.items() if "resolved" in package] == []


def test_the_cargo_lock_pins_versions_and_hashes_and_names_no_registry_but_cargos_own() -> None:
    packages = tomllib.loads((ROOT / "tests/conformance/rust/Cargo.lock").read_text())["package"]
    downloaded = [package for package in packages if "source" in package]
    assert downloaded
    assert [package["name"] for package in packages if package not in downloaded] == ["conformance"]
    assert [package["name"] for package in downloaded if len(package.get("checksum", "")) != 64] == []
    assert {package["source"].rpartition("/")[2] for package in downloaded} == {"crates.io-index"}


def test_no_example_mounts_a_single_file() -> None:
    """Docker binds such a file to what exists at the start: a file that an editor saves anew never arrives."""
    pages = [
        ROOT / "README.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("*compose*.y*ml"),
        *ROOT.glob("examples/**/*.y*ml"),
    ]
    lines = [line for page in pages for line in page.read_text().splitlines()]
    mounting = [
        line for line in lines if re.search(r"volumes:|^\s*- [\"']?[.~/]|--volume|--mount|docker run.* -v", line)
    ]
    mounts = [match for line in mounting for match in re.findall(r"([.~]?/[^\s:\"']+):(/[^\s:\"',\]]+)", line)]
    assert ("./mock", "/etc/imds-mock") in mounts, "the search finds mounts"
    assert [mount for mount in mounts if any(Path(place).suffix for place in mount)] == []
