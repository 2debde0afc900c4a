"""The compiled launcher of the relocatable tree, with a loader that reports its arguments and environment."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = ROOT / "shim/launcher/launcher.c"
STRICT = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
# Reads the kernel's copy, before the libraries could change it.
LOADER = f"""#!{sys.executable} -IS
import os, sys
for name in ("cmdline", "environ"):
    with open(f"/proc/self/{{name}}", "rb") as file:
        content = file.read()
    sys.stdout.buffer.write(len(content).to_bytes(8, "big") + content)
"""
# On standard input, because an argument may have 131072 bytes at most.
STARTER = """
import ctypes, signal, sys
for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which this interpreter itself ignores
    signal.signal(number, signal.SIG_DFL)
program, count, *words = sys.stdin.read().split("\\n")
words = [bytes.fromhex(word) for word in words]
def array(words):
    return (ctypes.c_char_p * (len(words) + 1))(*words)
ctypes.CDLL(None).execve(program.encode(), array(words[:int(count)]), array(words[int(count):]))
sys.exit(99)
"""
WORDS = st.lists(st.binary(max_size=30).map(lambda word: word.replace(b"\0", b"")), max_size=6)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree whose loader is LOADER."""
    tree = tmp_path_factory.mktemp("tree")
    (tree / "bin").mkdir()
    (tree / "lib").mkdir()
    compile_launcher = ["gcc", "-static", *STRICT, "-o", str(tree / "bin/imds-shim"), str(SOURCE)]
    subprocess.run(compile_launcher, check=True, capture_output=True)
    (tree / "lib/loader").write_text(LOADER)
    (tree / "lib/loader").chmod(0o755)
    return tree


def execute(program: str | Path, argv: list[bytes], environ: list[bytes]) -> subprocess.CompletedProcess[bytes]:
    """Execute a program with exactly these bytes; Python's functions take a mapping."""
    given_bytes = (program, len(argv), *(word.hex() for word in [*argv, *environ]))
    return subprocess.run(
        [sys.executable, "-ISc", STARTER],
        input="\n".join(map(str, given_bytes)).encode(),
        capture_output=True,
        check=False,
    )


def told(done: subprocess.CompletedProcess[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return the loader's arguments and environment."""
    assert done.returncode == 0, done.stderr
    rest, found = done.stdout, []
    while rest:
        size = 8 + int.from_bytes(rest[:8], "big")
        found.append(rest[8:size].split(b"\0")[:-1])
        rest = rest[size:]
    arguments, environ = found
    return arguments, environ


def interpreter(tree: Path) -> bytes:
    return os.fsencode(tree / "bin/python3")


@given(words=WORDS, environ=WORDS)
@settings(max_examples=40, deadline=None)
def test_arguments_and_environment_are_passed_byte_for_byte(
    tree: Path, words: list[bytes], environ: list[bytes]
) -> None:
    arguments, marked = told(execute(tree / "bin/imds-shim", [b"imds-shim", *words], environ))
    assert arguments[arguments.index(interpreter(tree)) + 1 :] == words
    # With the mark, so that no loader, C library or interpreter reads LD_PRELOAD and similar variables.
    assert marked[:-1] == [b"=" + entry for entry in environ]


def test_order_and_duplicates_and_entries_without_a_name_survive(tree: Path) -> None:
    environ = [b"B=1", b"A=2", b"B=3", b"", b"=", b"no sign", b"LD_PRELOAD=/nowhere.so", b"BYTES=\xff\xfe"]
    assert told(execute(tree / "bin/imds-shim", [b"imds-shim"], environ))[1][:-1] == [b"=" + entry for entry in environ]


@pytest.mark.parametrize(
    ("already", "entry"),
    [
        (set(), b"IMDS_SHIM_BLOCKED= TERM INT"),
        ({signal.SIGTERM}, b"IMDS_SHIM_BLOCKED= INT"),
        ({signal.SIGTERM, signal.SIGINT}, b"IMDS_SHIM_BLOCKED="),
    ],
)
def test_signals_are_blocked_until_handlers_are_installed(
    tree: Path, already: set[signal.Signals], entry: bytes
) -> None:
    """Blocked signals stay pending even for PID 1; named ones were not blocked before and must be unblocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, already)
    try:
        arguments, environ = told(execute(tree / "bin/imds-shim", [b"imds-shim", b"true"], [b"A=1"]))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert environ == [b"=A=1", entry]
    assert arguments[-1] == b"true"


def test_the_interpreter_and_its_libraries_are_the_trees(tree: Path) -> None:
    arguments, _ = told(execute(tree / "bin/imds-shim", [b"imds-shim", b"true"], []))
    options = [b"--inhibit-cache", b"--library-path", os.fsencode(tree / "lib")]
    assert arguments[-5:] == [*options, interpreter(tree), b"true"]


def test_without_arguments(tree: Path) -> None:
    arguments, _ = told(execute(tree / "bin/imds-shim", [], []))
    # The kernel passes an empty argument 0 instead.
    assert arguments[-1] == interpreter(tree)


def test_the_tree_is_found_through_a_link(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "entry").symlink_to(tree / "bin/imds-shim")
    arguments, _ = told(execute(tmp_path / "entry", [b"entry", b"x"], []))
    assert interpreter(tree) in arguments


def test_the_environment_may_be_large(tree: Path) -> None:
    environ = [b"%d=%s" % (number, b"x" * 100_000) for number in range(15)]
    assert told(execute(tree / "bin/imds-shim", [b"imds-shim"], environ))[1][:-1] == [b"=" + entry for entry in environ]


@pytest.mark.parametrize(
    ("damage", "environ", "sentence"),
    [
        ("loader", [], b"lib/loader: No such file or directory; copy the whole of"),
        (
            "none",
            [b"x" * 131_071],
            b"environment and arguments: Argument list too long; each entry may have 131070 bytes",
        ),
    ],
)
def test_a_failed_launch_is_one_line(
    tree: Path, tmp_path: Path, damage: str, environ: list[bytes], sentence: bytes
) -> None:
    shutil.copytree(tree, tmp_path / "tree")
    if damage == "loader":
        (tmp_path / "tree/lib/loader").unlink()
    done = execute(tmp_path / "tree/bin/imds-shim", [b"imds-shim", b"true"], environ)
    assert (done.returncode, done.stdout) == (71, b"")
    assert done.stderr.startswith(b"imds-shim: cannot start: ")
    assert sentence in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_without_proc_the_executed_path_is_used(tree: Path) -> None:
    hide = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs none /proc && exec "$@"',
        "sh",
    ]
    loader = tree / "lib/loader"
    (tree / "plain").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tree / "plain").chmod(stat.S_IRWXU)
    loader.rename(tree / "kept")
    (tree / "plain").rename(loader)
    try:
        done = subprocess.run([*hide, tree / "bin/imds-shim", "true"], capture_output=True, text=True, check=False)
    finally:
        (tree / "kept").rename(loader)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [str(tree / "bin/python3"), "true"]
