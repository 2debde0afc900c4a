"""The installed program while it waits, on the real kernel: late mocks and names, failures, one deadline, signals."""

from __future__ import annotations

import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.idle_interpreter import LONGEST_RATIO, idle_interpreter_seconds
from support.paths import IMDS_MOCK
from support.processes import seconds_to_its_end
from support.shimlab import APP, IMDS, MOCK, SHIM, ShimLab, end, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = "10.77.0.99"  # on the link, and no host has it
FETCH = ("curl", "-sS", "--max-time", "30", f"http://{IMDS}/")

NAME_SERVER = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from support.name_server import ScriptedNameServer
pairs = [pair.split("=") for pair in sys.argv[3:]]
records = {name + ".": {"A": addresses.split(",")} for name, addresses in pairs} | {"alias.test.": {"CNAME": ["far."]}}
with ScriptedNameServer(records, sys.argv[2], 53):
    print("ready", flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ShimLab]:
    with ShimLab(tmp_path) as made:
        yield made


@pytest.fixture
def dns(lab: ShimLab, tmp_path: Path) -> Iterator[None]:
    """A name server beside the mock, at port 53; the first server in resolv.conf does not exist."""
    lab.name("other", MOCK)
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text(f"nameserver {NOBODY}\nnameserver {MOCK}\nsearch test\noptions timeout:1\n")
    lab.app.bind(resolv_conf, "/etc/resolv.conf")
    records = (f"mock_metadata.test={MOCK}", f"several={NOBODY},{MOCK}", f"far={MOCK}")
    tests = str(Path(__file__).parents[1])
    server = lab.mock.popen([sys.executable, "-c", NAME_SERVER, tests, MOCK, *records], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield
    finally:
        end(server)


def waiting(lab: ShimLab, *command: str, **settings: str) -> subprocess.Popen[str]:
    """Return a shim that has logged that it waits."""
    shim = lab.start_shim(*command, **settings)
    assert shim.stderr is not None
    assert shim.stderr.readline().startswith("imds-shim: waiting for ")
    return shim


def untouched(lab: ShimLab) -> bool:
    rules = lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")
    return "imds" not in rules and IMDS not in lab.app.ip("route", "show")


def test_a_mock_that_starts_later(lab: ShimLab) -> None:
    shim = waiting(lab, *FETCH)
    lab.serve()
    out, err = shim.communicate(timeout=60)
    assert (shim.returncode, out) == (0, "first")
    assert err.splitlines()[-1] == f"imds-shim: {IMDS}:80 -> {MOCK}:80 (mock)"


def test_a_name_that_appears_later(lab: ShimLab, tmp_path: Path) -> None:
    empty = tmp_path / "resolv.conf"
    empty.write_text(f"nameserver {APP}\n")  # where nothing listens
    lab.app.bind(empty, "/etc/resolv.conf")
    lab.name("other", MOCK)
    lab.serve()
    shim = waiting(lab, *FETCH)
    lab.name("mock", MOCK)
    out, _ = shim.communicate(timeout=60)
    assert (shim.returncode, out) == (0, "first")


@pytest.mark.usefixtures("dns")
@pytest.mark.parametrize("name", ["mock_metadata", "alias"])
def test_a_name_from_the_second_name_server(lab: ShimLab, name: str) -> None:
    lab.serve()
    done = lab.shim(*FETCH, MOCK_HOSTNAME=name)
    assert (done.returncode, done.stdout) == (0, "first")
    assert done.stderr.splitlines()[-1] == f"imds-shim: {IMDS}:80 -> {MOCK}:80 ({name})"


def test_a_mock_that_answers_503_at_first(lab: ShimLab) -> None:
    lab.serve(mock_id="busy")
    done = lab.shim(*FETCH)
    assert (done.returncode, done.stdout) == (0, "busy")
    assert f"{MOCK}:80 is not an IMDS: it answers 503 Service Unavailable" in done.stderr


@pytest.mark.usefixtures("dns")
def test_the_answering_address_is_used(lab: ShimLab) -> None:
    lab.serve()
    done = lab.shim(*FETCH, MOCK_HOSTNAME="several")
    assert (done.returncode, done.stdout) == (0, "first")


@pytest.mark.usefixtures("dns")
def test_a_name_that_never_resolves_is_68_and_names_servers_and_queries(lab: ShimLab) -> None:
    done = lab.shim("true", MOCK_HOSTNAME="nobody", MOCK_TIMEOUT_SECONDS="6")
    assert (done.returncode, done.stdout) == (68, "")
    last = done.stderr.splitlines()[-1]
    for words in ("nobody had no usable address within 6 s", f"name server {MOCK} replies NXDOMAIN for nobody.test"):
        assert words in last
    assert untouched(lab)


def elapsed(lab: ShimLab, *command: str, **settings: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Return how much longer the shim took than a start that fails at once."""
    began = time.monotonic()
    lab.shim("true", MOCK_HOSTNAME="wrong:1")
    floor = time.monotonic() - began
    began = time.monotonic()
    done = lab.shim(*command, **settings)
    return time.monotonic() - began - floor, done


@pytest.mark.measures_time
@pytest.mark.parametrize(
    ("host", "code", "words"),
    [
        (NOBODY, 69, f"no IMDS answered at {NOBODY}:80 within 2 s"),
        (MOCK, 69, f"{MOCK}:80 refuses the connection"),
        ("nobody", 68, "name server 10.77.0.99 "),
    ],
)
def test_the_deadline_is_kept(lab: ShimLab, tmp_path: Path, host: str, code: int, words: str) -> None:
    dead = tmp_path / "resolv.conf"
    dead.write_text(f"nameserver {NOBODY}\n")
    lab.app.bind(dead, "/etc/resolv.conf")
    seconds, done = elapsed(lab, "true", MOCK_HOSTNAME=host, MOCK_TIMEOUT_SECONDS="2")
    assert done.returncode == code
    assert words in done.stderr.splitlines()[-1]
    assert 1.5 <= seconds <= 2.5
    assert untouched(lab)


@pytest.mark.measures_time
def test_the_deadline_is_kept_with_a_mock_that_hangs_after_accept(lab: ShimLab) -> None:
    lab.serve(mock_id="hanging")
    seconds, done = elapsed(lab, "true", MOCK_TIMEOUT_SECONDS="2")
    assert done.returncode == 69
    assert f"{MOCK}:80 accepts the connection" in done.stderr.splitlines()[-1]
    assert 1.5 <= seconds <= 2.5
    assert untouched(lab)


def test_another_server_is_named(lab: ShimLab) -> None:
    program = [sys.executable, "-u", "-m", "http.server", "80", "--bind", MOCK, "--directory", "/var/empty"]
    other = lab.mock.popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert other.stdout is not None
        assert other.stdout.readline().startswith("Serving HTTP on ")
        done = lab.shim("true", MOCK_TIMEOUT_SECONDS="4")
    finally:
        end(other)
    assert done.returncode == 69
    assert f"{MOCK}:80 is not an IMDS: it answers 404 File not found (Server: SimpleHTTP/" in done.stderr


SINGLE_PAGE_APPLICATION = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = b"<!doctype html><div id=root></div>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_PUT = answer
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer((sys.argv[1], 80), Handler)
print("ready", flush=True)
server.serve_forever()
"""


def test_a_web_server_that_answers_every_path_is_not_an_imds(lab: ShimLab) -> None:
    other = lab.mock.popen([sys.executable, "-c", SINGLE_PAGE_APPLICATION, MOCK], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        done = lab.shim("true", MOCK_TIMEOUT_SECONDS="4")
    finally:
        end(other)
    assert done.returncode == 69
    assert f"{MOCK}:80 is not an IMDS: it answers 200 OK (Server: BaseHTTP/" in done.stderr
    assert "to GET /latest/meta-data/ (text/html), which lists neither instance-id nor ami-id" in done.stderr
    assert untouched(lab)


def test_the_control_port_of_a_mock_fails_at_once(lab: ShimLab, tmp_path: Path) -> None:
    program = ["env", f"XDG_RUNTIME_DIR={tmp_path}", str(IMDS_MOCK), "serve"]
    mock = lab.mock.popen([*program, "--port", "80", "--access-log", "off"], stderr=subprocess.PIPE)
    try:
        assert mock.stderr is not None
        assert any("control plane on" in line for line in mock.stderr)
        done = lab.shim("true", MOCK_PORT="1339")
    finally:
        end(mock)
    assert done.returncode == 78, done.stderr
    *waits, line = done.stderr.splitlines()
    assert all(each.startswith("imds-shim: waiting for ") for each in waits), "a busy mock may answer late"
    assert "MOCK_PORT=1339 is the mock's control port" in line
    assert untouched(lab)


def test_an_ipv6_only_mock_serves_the_ipv6_endpoint(lab: ShimLab) -> None:
    lab.app.ip("address", "add", "fd00:77::2/64", "dev", lab.links[0], "nodad")
    lab.mock.ip("address", "add", "fd00:77::1/64", "dev", lab.links[1], "nodad")
    lab.name("mock", "fd00:77::1")
    lab.serve("fd00:77::1")
    without = lab.shim("true")
    assert without.returncode == 68
    assert "set MOCK_IPV6=1 to redirect [fd00:ec2::254]:80 instead" in without.stderr
    done = lab.shim("curl", "-sSg", "--max-time", "30", "http://[fd00:ec2::254]/", MOCK_IPV6="1")
    assert (done.returncode, done.stdout) == (0, "first")
    assert "warning: 169.254.169.254 is not redirected, because mock has no IPv4 address" in done.stderr


@pytest.mark.measures_time
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_as_pid_1_a_signal_ends_the_wait_at_once(lab: ShimLab, number: signal.Signals, code: int) -> None:
    command: list[str | Path] = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", SHIM, "true"]
    seconds, reference = [], []
    for _ in range(5):
        reference.append(idle_interpreter_seconds(number, "httpx"))
        container = lab.start_in_app(command, env=environment())
        assert container.stderr is not None
        assert container.stderr.readline().startswith("imds-shim: waiting for ")
        unshare = _program_below(container.pid)
        (pid_1,) = _children(unshare)
        seconds.append(seconds_to_its_end(pid_1, number))
        assert container.wait(60) == code
        assert container.stderr.read().endswith(f"ended by signal {int(number)} before the command was started\n")
    assert statistics.median(seconds) < LONGEST_RATIO * statistics.median(reference)
    assert untouched(lab)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _program_below(pid: int) -> int:
    """Return the process that runs `unshare`: nsenter executes it, or has forked for it."""
    while Path(f"/proc/{pid}/comm").read_text().strip() != "unshare":
        (pid,) = _children(pid)
    return pid


def test_init_prepares_the_namespace_and_remove_undoes_it(lab: ShimLab) -> None:
    lab.serve()
    assert lab.shim("--init").returncode == 0
    assert lab.ask() == "first"
    assert lab.shim("--remove", MOCK_HOSTNAME="").returncode == 0
    assert untouched(lab)


def test_the_doctor_leaves_a_working_container_unchanged(lab: ShimLab) -> None:
    lab.serve()
    done = lab.shim("--doctor")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == "a start would work here"
    assert "ok    NAT back end legacy works" in lines
    assert "ok    NAT back end nft works" in lines
    assert f"ok    {MOCK}:80 is answered by imds-mock first" in lines
    assert not [line for line in lines if line.startswith("fail")]
    assert untouched(lab)


def test_the_doctor_reports_a_missing_net_admin(lab: ShimLab) -> None:
    lab.serve()
    without: list[str | Path] = [
        "setpriv",
        "--bounding-set",
        "-net_admin",
        "--inh-caps",
        "-net_admin",
        SHIM,
        "--doctor",
    ]
    done = lab.app.run(without, env=environment(), check=False)
    assert done.returncode == 77
    assert "    cap_add: [NET_ADMIN]" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == "a start would fail here with exit code 77"
    assert done.stderr == ""
    assert untouched(lab)


def test_in_a_pod_the_messages_are_in_the_words_of_its_manifest(lab: ShimLab) -> None:
    """With the variable that every kubelet sets."""
    lab.serve()
    without: list[str | Path] = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", SHIM]
    pod = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}
    start = lab.app.run([*without, "--init"], env=environment(**pod), check=False)
    assert start.returncode == 77
    assert "Add `securityContext.capabilities.add: [NET_ADMIN]` to this init container" in start.stderr
    doctor = lab.app.run([*without, "--doctor"], env=environment(**pod), check=False)
    assert doctor.returncode == 77
    assert "set this for the container in the Pod's manifest:\n    securityContext:\n" in doctor.stdout
    nameless = environment(**pod, MOCK_HOSTNAME="no-mock", MOCK_TIMEOUT_SECONDS="1")
    unknown = lab.app.run([SHIM, "--init"], env=nameless, check=False)
    assert unknown.returncode == 68
    assert "the name of the mock's Service" in unknown.stderr
    unset = lab.app.run([SHIM, "--init"], env=environment(**pod, MOCK_HOSTNAME=""), check=False)
    assert unset.returncode == 78
    assert "for example imds-mock or imds-mock.NAMESPACE.svc" in unset.stderr
    for done in (start, doctor, unknown, unset):
        assert not re.search("docker run|compose|cap_add", done.stdout + done.stderr)


def test_the_doctor_agrees_with_a_start(lab: ShimLab) -> None:
    """Without a mock both fail for the same reason."""
    doctor = lab.shim("--doctor", MOCK_TIMEOUT_SECONDS="4")
    start = lab.shim("true", MOCK_TIMEOUT_SECONDS="4")
    assert doctor.returncode == start.returncode == 69
    assert f"fail  {MOCK}:80 refuses the connection" in doctor.stdout.splitlines()
