"""Stand-ins take the places of modules that are not loaded yet, and give them back."""

from __future__ import annotations

import subprocess
import sys

import pytest

from imds_mock.unused_modules import Unused, import_with, leave_out, restore

NAME = "configparser"


def run(code: str) -> str:
    """What an interpreter of its own prints; the real modules are loaded in this one."""
    header = "import sys\nfrom imds_mock.unused_modules import import_with, leave_out, restore\nleave_out()\n"
    done = subprocess.run([sys.executable, "-c", header + code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_what_a_stand_in_stands_in_for_cannot_be_used() -> None:
    with pytest.raises(NotImplementedError):
        Unused("a", b=1)
    assert run("import ssl, http.client\nprint(ssl.SSLContext.__name__, ssl.CERT_NONE)") == "Unused 0"


def test_modules_that_are_loaded_already_stay() -> None:
    assert run("import pathlib\nprint(pathlib.Path.__module__)").startswith("pathlib")
    before = sys.modules["subprocess"]
    leave_out()
    try:
        assert sys.modules["subprocess"] is before
        assert sys.modules["ssl"].__spec__ is not None
    finally:
        restore()


def test_the_phrases_of_status_codes_are_there_for_starlette() -> None:
    assert run("import http.client\nprint(http.client.responses[404])") == "Not Found"


def test_hashes_need_no_openssl() -> None:
    code = (
        "import hashlib, hmac, secrets\nprint(hashlib.blake2b(b'', digest_size=4).hexdigest(), sys.modules['_hashlib'])"
    )
    assert run(code) == "1271cf25 None"


def test_the_real_modules_come_back() -> None:
    code = "print(restore(), restore())\nimport ssl, http.client\nprint(ssl.__spec__.name, http.client.HTTPConnection)"
    assert run(code) == "True False\nssl <class 'http.client.HTTPConnection'>"


def test_an_import_that_needs_more_gets_the_real_modules() -> None:
    code = (
        "def load():\n  from configparser import ConfigParser\n  return ConfigParser\n"
        "print(import_with(load).__name__, sys.modules['configparser'].__spec__.name)"
    )
    assert run(code) == "ConfigParser configparser"


def test_a_deferred_module_has_all_names_once_another_one_is_used() -> None:
    code = """
import inspect as first
async def one(): pass
class A:
    two = one
print([first.iscoroutinefunction(each) for each in (one, A().two, A, print)], first.isgenerator(i for i in ""))
print("ast" in sys.modules, hasattr(first, "__path__"), first.signature(one))
import functools
import inspect as second
print(second.__spec__.name, first.signature is second.signature)
print(first.iscoroutinefunction(functools.partial(one)), hasattr(first, "nothing"))
"""
    assert run(code).splitlines() == [
        "[True, True, False, False] True",
        "False False ()",
        "inspect True",
        "True False",
    ]


def test_an_import_that_fails_without_stand_ins_fails() -> None:
    def load() -> None:
        raise ImportError("broken")

    with pytest.raises(ImportError, match="broken"):
        import_with(load)
