"""Both entry points get arguments and environment as the bytes passed to exec."""

from __future__ import annotations

import compileall
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_shim.boot import main as boot
from imds_shim.system import _environ_of_libc, raw_environ
from support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SHOW = """
import sys
from imds_shim.system import raw_arguments, raw_environ
sys.stdout.buffer.write(b"\\0".join([*raw_arguments(), b"--", *raw_environ()]))
"""
ODD = [b"B=1", b"A=2", b"A=3", b"no equals sign", b"", b"=", b"\xff\xfe=\xfd", b"LC_ALL=C", b"E= spaces * "]


def execve(program: str | Path, argv: list[bytes], environ: list[bytes]) -> bytes:
    """Run with exactly these entries; Python's functions would drop duplicates and entries without `=`."""
    execute = (
        "import ctypes, sys\n"
        "*words, = sys.stdin.buffer.read().split(b'\\1')\n"
        "split = words.index(b'\\2')\n"
        "argv, environ = words[:split], words[split + 1:]\n"
        "vector = lambda items: (ctypes.c_char_p * (len(items) + 1))(*items, None)\n"
        "ctypes.CDLL(None).execve(argv[0], vector(argv), vector(environ))\n"
    )
    words = [os.fsencode(program), *argv, b"\2", *environ]
    done = subprocess.run(
        [sys.executable, "-c", execute], input=b"\1".join(words), capture_output=True, check=True, env={}
    )
    return done.stdout


@pytest.mark.parametrize("argument", [b"", b"a b", b"*", b"\xff", "ü".encode(), b"--help"])
def test_arguments(argument: bytes) -> None:
    out = execve(sys.executable, [b"-c", SHOW.encode(), argument, b"end"], [b"LC_ALL=C"])
    assert out.split(b"\0")[:2] == [argument, b"end"]


def test_an_environment_with_duplicates_and_unusual_entries() -> None:
    """With LC_ALL=C the interpreter adds LC_CTYPE to its copy (PEP 538), which must not appear here."""
    out = execve(sys.executable, [b"-c", SHOW.encode()], ODD)
    assert out.partition(b"--\0")[2].split(b"\0") == ODD


def test_without_proc_the_c_librarys_environment_is_used() -> None:
    assert set(_environ_of_libc()) >= {
        entry for entry in raw_environ() if entry.partition(b"=")[0] in (b"PATH", b"HOME")
    }
    assert raw_environ("/nowhere") == _environ_of_libc()


@given(st.lists(st.binary(min_size=1).filter(lambda entry: b"\0" not in entry)))
def test_the_launchers_mark_is_removed(entries: list[bytes]) -> None:
    assert boot.remove_marks([b"=" + entry for entry in entries]) == entries


def test_entries_without_the_launchers_mark_are_left_out() -> None:
    assert boot.remove_marks([b"=A=1", b"LC_CTYPE=C.UTF-8", b"=plain"]) == [b"A=1", b"plain"]


TREE_CLI = """
import ctypes, sys
def run(argv, environ, interrupts):
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    sys.stdout.buffer.write(b"\\0".join([getenv(b"XTABLES_LIBDIR"), *argv, b"--", *environ]))
    return 0
"""


# As `bin/python3` of the tree does.
START = """
import os, sys
sys.path.insert(0, f"{sys.argv[1]}/lib")
import archive
with open("/proc/self/environ", "rb") as file:
    environ = file.read().split(b"\\0")[:-1]
ignored = [int(entry[8:]) for entry in environ if entry.startswith(b"IGNORED=")]
sys.exit(archive.run(sys.argv[1], [os.fsencode(word) for word in sys.argv[2:]], environ, ignored))
"""

# The interpreter of the tree has it in C.
UNPACKING = """
import zlib
def unpack(packed, size):
    code = zlib.decompress(packed)
    assert len(code) == size
    return code
"""

SHIM = ROOT / "shim"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the modules that are imported before `cli`; a test writes its own `cli`."""
    package = tmp_path / "tree/lib/site-packages/imds_shim"
    for room in ("", "boot", "exec"):
        (package / room).mkdir(parents=True)
        shutil.copy(SHIM / "src/imds_shim" / room / "__init__.py", package / room)
    for name in ("boot/archive", "boot/main", "errors", "exec/signals", "system", "without_enums"):
        shutil.copy(SHIM / f"src/imds_shim/{name}.py", package / f"{name}.py")
    return tmp_path / "tree"


def complete(tree: Path, cli: str) -> list[bytes]:
    """Complete the tree as build-tree.sh does; returns the launcher's command."""
    packages = tree / "lib/site-packages"
    (packages / "imds_shim/cli.py").write_text(cli)
    compileall.compile_dir(packages, quiet=1, legacy=True)
    shutil.copy(packages / "imds_shim/boot/archive.pyc", tree / "lib")
    (tree / "lib/unpacking.py").write_text(UNPACKING)
    subprocess.run([sys.executable, SHIM / "pack_modules.py", tree, packages], check=True)
    shutil.rmtree(packages)
    return [b"-I", b"-S", b"-B", b"-X", b"utf8", b"-c", START.encode(), os.fsencode(tree)]


def test_the_tree_finds_its_modules_by_its_path(tree: Path) -> None:
    """Run as the launcher does: isolated, without site packages, each environment entry marked."""
    out = execve(sys.executable, [*complete(tree, TREE_CLI), b"a b", b"\xff"], [b"=" + entry for entry in ODD])
    extensions, *rest = out.split(b"\0")
    assert extensions == os.fsencode(tree / "lib/xtables")
    assert rest == [b"a b", b"\xff", b"--", *ODD]


@pytest.mark.parametrize(("number", "code"), [(15, 143), (2, 130)])
def test_a_signal_ends_the_program_during_its_imports(tree: Path, number: int, code: int) -> None:
    cli = f"import os, signal; os.kill(os.getpid(), {number}); signal.pause()"
    done = subprocess.run([sys.executable, *complete(tree, cli)], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


@pytest.mark.parametrize(("number", "code"), [(15, 143), (2, 130)])
def test_a_signal_that_the_launcher_blocked_ends_the_program_at_once(tree: Path, number: int, code: int) -> None:
    command = [os.fsencode(sys.executable), *complete(tree, "def run(*_): return 7")]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        with subprocess.Popen(command, env={"IMDS_SHIM_BLOCKED": "TERM INT"}) as shim:
            shim.send_signal(number)
            assert shim.wait(60) == code
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


TELL_SIGNALS = """
import signal
def run(*_):
    numbers = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGHUP)
    print(*(signal.getsignal(number) is signal.SIG_IGN for number in numbers))
    return 0
"""


@pytest.mark.parametrize(
    ("environ", "ignored"),
    [
        ({}, "False False False False"),
        ({"IGNORED": str(int(signal.SIGXFSZ))}, "False True False False"),
        ({"IGNORED": str(int(signal.SIGPIPE))}, "True False False False"),
        ({"IGNORED": str(int(signal.SIGTERM))}, "False False True False"),
        ({"IGNORED": str(int(signal.SIGHUP))}, "False False False True"),
    ],
)
def test_only_signals_that_the_kernel_ignores_stay_ignored(tree: Path, environ: dict[str, str], ignored: str) -> None:
    command = [os.fsencode(sys.executable), *complete(tree, TELL_SIGNALS)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == f"{ignored}\n"


def test_streams_that_are_closed_do_not_exist(tree: Path) -> None:
    cli = "import os, sys\ndef run(*_): os.write(2, repr((sys.stdin, sys.stdout, sys.stderr is None)).encode())"
    python = os.fsencode(sys.executable)
    command = [b"sh", b"-c", b'exec "$0" "$@" <&- >&-', python, *complete(tree, cli)]
    assert subprocess.run(command, stderr=subprocess.PIPE, check=False).stderr == b"(None, None, False)"


MOVED = """
import os, sys
sys.path.insert(0, f"{sys.argv[1]}/lib")
import archive
archive.prepare(sys.argv[1])
os.rename(sys.argv[1], sys.argv[2])
sys.exit(archive.run(sys.argv[2], [b"one"], [b"=A=1"], []))
"""


def test_a_prepared_tree_runs_elsewhere(tree: Path, tmp_path: Path) -> None:
    """As from a snapshot: what was imported before stays, and the rest comes from where the tree is now."""
    package = tree / "lib/site-packages/imds_shim"
    (package / "boot/imports.py").write_text("import imds_shim.early\nLATER = ('imds_shim.kept',)")
    (package / "kept.py").write_text("print('kept')")
    (package / "early.py").write_text("print('early')")
    (package / "late.py").write_text("print('late')")
    cli = "def run(*given):\n    from imds_shim import early, kept, late\n    print(*given[:2])\n    return 3"
    words = [*complete(tree, cli)[:-2], MOVED.encode(), os.fsencode(tree), os.fsencode(tmp_path / "moved")]
    done = subprocess.run([os.fsencode(sys.executable), *words], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("early\nkept\nlate\n[b'one'] [b'A=1']\n", 3), done.stderr


CLOSED = """
import os, sys
sys.path.insert(0, f"{sys.argv[1]}/lib")
import archive
archive.prepare(sys.argv[1])
os.close(1)
sys.exit(archive.run(sys.argv[1], [], [], []))
"""


def test_no_file_of_the_tree_takes_the_place_of_a_closed_stream(tree: Path) -> None:
    """A snapshot has all streams, whatever a start is given, and the file of the modules is opened early."""
    (tree / "lib/site-packages/imds_shim/boot/imports.py").write_text("LATER = ()")
    cli = "import os, sys\ndef run(*_): os.write(2, repr((sys.stdin is None, sys.stdout)).encode())"
    words = [*complete(tree, cli)[:-2], CLOSED.encode(), os.fsencode(tree)]
    done = subprocess.run([os.fsencode(sys.executable), *words], capture_output=True, check=False)
    assert done.stderr == b"(False, None)"
