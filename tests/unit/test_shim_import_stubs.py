"""The snapshot of the tree contains what every start uses and little else; stubs replace what the libraries import.

Run in an interpreter of its own, as the relocatable tree runs it: isolated, without site packages, entered by `boot`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import httpx
import pytest

import imds_shim
from support.http_server import ScriptedHttpServer, as_mock
from support.name_server import ScriptedNameServer

# Starts as boot does, with a fake kernel, and a mock and a name server on loopback; prints the modules imported since.
START = """
import sys
sys.path[:0] = sys.argv[1].split(':')
if sys.argv[2] == "real":
    import dns.message, httpx
if sys.argv[2] == "snapshot":
    from imds_shim.boot import imports, main
from imds_shim import cli, kernel
from imds_shim.exec import handoff
from imds_shim.network import resolve
host, folder, dns_port, mock_port = sys.argv[3:7]
before = set(sys.modules) if sys.argv[2] == "snapshot" else set()

class Table:
    name = "pretended"
    rules = ()
    def own_rules(self):
        return self.rules
    def replace(self, remove, add):
        self.rules = add

class Kernel(kernel.RealKernel):
    def open_tables(self, backend, without=()):
        self.tables = self.tables or [Table()]
        return self.tables
    def is_on_link(self, destination, *, ignore_own_route=False):
        return False
    def ensure_route(self, destination, mock, undo, *, on_link):
        return None

class Network(kernel.RealNetwork):
    def probe(self, address, port, deadline):
        if str(address) == "169.254.169.254":
            address, port = type(address)("127.0.0.1"), int(mock_port)
        return super().probe(address, port, deadline)

def hand_off(command, environ, planned):
    print(" ".join(set(sys.modules) - before))
    raise SystemExit

cli.RealKernel = Kernel
resolver = resolve.Resolver(folder + "/hosts", folder + "/resolv.conf", int(dns_port))
cli.RealNetwork = lambda announcement: Network(announcement, resolver)
handoff.hand_off = hand_off
cli.run([b"true"], [b"MOCK_HOSTNAME=" + host.encode(), b"MOCK_PORT=" + mock_port.encode()])
"""
PATHS = [str(Path(imds_shim.__file__).parents[1]), str(Path(httpx.__file__).parents[1])]


def loaded_by_a_start(host: str, folder: Path, how: str = "stubs") -> set[str]:
    (folder / "hosts").write_text("127.0.0.1 mock_in_hosts\n")
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    with ScriptedHttpServer(as_mock) as mock, ScriptedNameServer({"mock_in_dns.": {"A": ["127.0.0.1"]}}) as names:
        arguments = [":".join(PATHS), how, host, str(folder), str(names.port), str(mock.port)]
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", START, *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert "-> 127.0.0.1:" in done.stderr
    return set(done.stdout.split())


# Modules in C outside the interpreter, large ones that only unused features need, and some that are made later.
NOT_IN_SNAPSHOT = {
    *("_ctypes", "_ssl", "zlib", "inspect", "dataclasses", "logging", "random", "threading", "traceback", "subprocess"),
    *(
        "http.client",
        "httpx._client",
        "dns.resolver",
        "iptc",
        "tenacity",
        "imds_shim.nat.legacy",
        "imds_shim.network.body",
    ),
}


def test_the_snapshot_contains_only_what_a_start_uses() -> None:
    code = "import sys; sys.path[:0] = sys.argv[1:]; from imds_shim.boot import imports, main; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", code, *PATHS]
    made = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert made & NOT_IN_SNAPSHOT == set()


@pytest.mark.parametrize("host", ["127.0.0.1", "mock_in_hosts", "mock_in_dns"])
def test_a_start_that_succeeds_at_once_finds_everything_in_the_snapshot(host: str, tmp_path: Path) -> None:
    """Except the rule, which the fake kernel does not set."""
    assert loaded_by_a_start(host, tmp_path, "snapshot") == set()


@pytest.mark.parametrize(("host", "uses_dns"), [("127.0.0.1", False), ("mock_in_hosts", False), ("mock_in_dns", True)])
def test_dns_is_imported_only_for_a_query(host: str, uses_dns: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a table
    loaded = loaded_by_a_start(host, tmp_path)
    assert "httpx" in loaded
    assert ("dns.message" in loaded) is uses_dns


def test_a_start_works_with_the_real_modules_already_imported(tmp_path: Path) -> None:
    """In a virtual environment, the interpreter's start may have imported the real modules."""
    assert "inspect" in loaded_by_a_start("mock_in_dns", tmp_path, "real")


LOAD = """
import sys
sys.path[:0] = sys.argv[1].split(':')
from imds_shim import import_stubs
{before}
import_stubs.load("{library}")
import {library}
print({what})
"""


def load(library: str, what: str, before: str = "") -> str:
    program = LOAD.format(library=library, what=what, before=before)
    command = [sys.executable, "-I", "-S", "-c", program, ":".join(PATHS)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("library", ["httpx", "dns.message", "iptc"])
def test_no_stub_stays_in_sys_modules(library: str) -> None:
    """A later import of one of these modules returns the real one, which has a `__spec__`."""
    what = (
        f"[name for name in import_stubs._STUBS[{library!r}]"
        " if name in sys.modules and getattr(sys.modules[name], '__spec__', None) is None]"
    )
    assert load(library, what) == "[]"


@pytest.mark.parametrize(
    ("library", "missed", "use", "result"),
    [
        ("httpx", "http.cookiejar", "httpx.Request('GET', 'http://a/').method", "GET"),
        ("dns.message", "enum", "dns.message.make_query('a.', 'A').question[0].name", "a."),
    ],
)
def test_a_version_that_needs_more_is_imported_without_stubs(library: str, missed: str, use: str, result: str) -> None:
    apply = f"import_stubs._STUBS[{library!r}] = {{{missed!r}: {{}}}}"
    assert load(library, f"{use}, {missed!r} in sys.modules", apply) == f"{result} True"


def test_modules_imported_with_stubs_do_not_outlive_a_failure() -> None:
    """`httpx._content` is complete when `httpx._config` fails, and is imported again with the real `inspect`."""
    apply = "import_stubs._STUBS['httpx'] = {'inspect': {}, 'httpx._config': {}}"
    assert load("httpx", "httpx._content.inspect is __import__('inspect')", apply) == "True"


ANSWER = """
import dns.message
query = dns.message.make_query("absent.", "A", use_edns=False, id=7)
answer = dns.message.from_wire(bytes.fromhex(sys.argv[2]))
chain = answer.resolve_chaining()
print(query.is_response(answer), answer.rcode().name, chain.answer, chain.canonical_name.to_text())
"""


def test_responses_with_record_types_of_stubs_are_read() -> None:
    """A response with NXDOMAIN, an SOA record and an EDNS record, as upstream servers send it."""
    query = dns.message.make_query("absent.", "A", id=7)
    answer = dns.message.make_response(query)
    answer.set_rcode(dns.rcode.NXDOMAIN)
    answer.authority.append(dns.rrset.from_text(".", 60, "IN", "SOA", "a. b. 1 2 3 4 5"))
    answer.use_edns()
    program = LOAD.format(library="dns.message", before="", what="''") + ANSWER
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, ":".join(PATHS), answer.to_wire().hex()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True NXDOMAIN None absent."


def test_a_call_of_a_stub_raises_an_error() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        load("httpx", "httpx.Client()")
    assert failure.value.stderr.endswith("NotImplementedError: import_stubs.py replaced what was called here\n")


@pytest.mark.parametrize("library", ["httpx", "dns.message", "iptc"])
def test_no_library_needs_to_be_imported_without_stubs(library: str) -> None:
    """Otherwise every start would import it twice; each replaced module would then be loaded."""
    code = f"""
import sys
from imds_shim import import_stubs
from imds_shim.nat import xtables_library
xtables_library.load() if {library!r} == "iptc" else import_stubs.load({library!r})
private = {library.split(".", maxsplit=1)[0]!r} + "."
print([name for name in import_stubs._STUBS[{library!r}] if name.startswith(private) and name in sys.modules])
"""
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"
