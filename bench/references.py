"""The servers that the mock is compared with: nginx with one worker, and amazon-ec2-metadata-mock.

Like the mock, they run on the servers' processor and write an access log.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cores
import mockprocess
from debian_packages import PackageError, apt, unpack_from_suite
from outcomes import NotMeasuredError
from wrk import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

CACHE: Final = Path(__file__).parents[1] / ".cache" / "bench"
_AEMM: Final = "github.com/aws/amazon-ec2-metadata-mock/cmd/ec2-metadata-mock@v1.13.0"
_START_SECONDS: Final = 10

_NGINX_CONFIGURATION: Final = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/nginx.log; default_type text/plain; keepalive_requests 1000000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
{locations}
  }}
}}
"""


def install_wrk() -> None:
    """Install Debian's wrk if it is missing.

    Raises:
        NotMeasuredError: It cannot be installed.
    """
    if shutil.which("wrk") is None:
        try:
            apt(["update"])
            apt(["install", "--yes", "--no-install-recommends", "wrk"])
        except PackageError as error:
            raise NotMeasuredError(f"wrk is missing, and {error}") from error


def nginx_program() -> Path:
    """The machine's nginx, or Debian's, unpacked into the cache: its package would start a server.

    Raises:
        NotMeasuredError: It is missing and cannot be unpacked.
    """
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is not None:
        return Path(found)
    unpacked = CACHE / "nginx"
    program = unpacked / "usr/sbin/nginx"
    if not program.exists():
        release = _release()
        CACHE.mkdir(parents=True, exist_ok=True)
        try:
            unpack_from_suite(release, ("nginx",), unpacked)
        except PackageError as error:
            raise NotMeasuredError(f"nginx is missing, and {error}") from error
    return program


def _release() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip('"')
    raise NotMeasuredError("nginx is missing, and /etc/os-release names no Debian release")


@contextlib.contextmanager
def nginx(folder: Path, bodies: Mapping[str, tuple[int, str]]) -> Iterator[Server]:
    """Run nginx until the block ends.

    Args:
        folder: For its files.
        bodies: Status and body of the response by path.

    Raises:
        NotMeasuredError: nginx is missing.
    """
    port = mockprocess.free_port()
    configuration = folder / "nginx.conf"
    locations = "\n".join(f"    location = {path} {{ {_returns(*given)} }}" for path, given in bodies.items())
    configuration.write_text(_NGINX_CONFIGURATION.format(folder=folder, port=port, locations=locations))
    with cores.on(cores.SERVER):
        process = subprocess.Popen([nginx_program(), "-e", folder / "error.log", "-c", configuration])
    with _ended(process):
        _await_answer(process, port, folder / "error.log")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Server(port, int(children[0]), folder / "nginx.log")


def _returns(status: int, body: str) -> str:
    escaped = body.replace("\\", "\\\\").replace("'", "\\'")
    return f"return {status} '{escaped}';"


@contextlib.contextmanager
def aemm(folder: Path) -> Iterator[Server]:
    """Run amazon-ec2-metadata-mock until the block ends.

    Raises:
        NotMeasuredError: It cannot be built.
    """
    program, port = aemm_program(), mockprocess.free_port()
    log = folder / "aemm.log"
    words = [str(program), "--hostname", "127.0.0.1", "--port", str(port)]
    with log.open("ab") as output, cores.on(cores.SERVER):
        process = subprocess.Popen(words, stdout=output, stderr=output)
    with _ended(process):
        _await_answer(process, port, log)
        yield Server(port, process.pid, log)


def aemm_program() -> Path:
    """The program, built in the cache.

    Raises:
        NotMeasuredError: Go is missing, or the build failed.
    """
    program = CACHE / _AEMM.rpartition("@")[2] / "ec2-metadata-mock"
    if not program.exists():
        if shutil.which("go") is None:
            raise NotMeasuredError("Go, which builds it, is missing")
        environment = os.environ | {"GOBIN": str(program.parent)}
        built = subprocess.run(
            ["go", "install", _AEMM], cwd="/", env=environment, capture_output=True, text=True, check=False
        )
        if built.returncode != 0:
            raise NotMeasuredError(f"go install failed: {built.stderr.strip().splitlines()[-1]}")
    return program


def enter(stack: contextlib.ExitStack, server: AbstractContextManager[Server]) -> Server | str:
    """Run a server until the stack closes; the reason instead if it cannot be measured here."""
    try:
        return stack.enter_context(server)
    except NotMeasuredError as error:
        return str(error)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _await_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            mockprocess.exchange(port, mockprocess.request(mockprocess.LEAF))
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not answer: {log.read_text() if log.exists() else ''}")
