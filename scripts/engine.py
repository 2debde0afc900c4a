"""A Docker engine for the end-to-end tests and measurements: the machine's, or a temporary one.

The machine's engine is used if it answers, has Compose v2, and has or can pull the base image. Otherwise a temporary
engine runs as long as it is needed. Its socket, data, processes and bridges are its own, and it runs in its own network
namespace, so it changes neither the machine's firewall nor another engine. It needs no image registry: the base image
is bootstrapped from the machine's Debian mirror.

    scripts/engine.py run COMMAND [ARG...]     run COMMAND with DOCKER_HOST set; exit with its exit code
    scripts/engine.py --help                   print this
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import engine_cache
import engine_install
import engine_network
import termination
from debian_packages import PackageError
from standard_output import ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from netlab import Namespace

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "engine"
BASE_IMAGE = "debian:trixie-slim"
START_SECONDS = 60
_BROUGHT = ("docker",)  # a program that the temporary engine installs
_USAGE_ERROR = 64
_OURS = "IMDS_ENGINE_NETWORK"


class EngineError(Exception):
    """No engine is available; the text gives the reason."""


@contextlib.contextmanager
def engine() -> Iterator[Mapping[str, str]]:
    """Provide an engine with the base image; yields the environment in which `docker` finds it.

    Raises:
        EngineError: No engine runs, and a temporary one cannot be started.
        Terminated: The process received SIGTERM; then, too, the engine ends.
    """
    why_not = obstacle()
    if why_not is None:
        with termination.as_interrupt(), engine_network.fence() as fenced:
            if not fenced:
                say(
                    "not root, so there is no fence: on a cloud host, a container could reach the real metadata service"
                )
            yield dict(os.environ)
        return
    say(f"{why_not} Starting a temporary engine.")
    with own_engine() as environment:
        yield environment


def has_own_network(environment: Mapping[str, str]) -> bool:
    """Whether the environment's engine is a temporary one, with its own routes and rules."""
    return environment.get(_OURS) == "own"


def obstacle() -> str | None:
    """Why the machine's engine cannot be used, or None if it can."""
    if not _succeeds(["docker", "info"]):
        return "No Docker engine answers."
    if not _succeeds(["docker", "compose", "version"]):
        return "Compose v2 is missing."
    if _succeeds(["docker", "image", "inspect", BASE_IMAGE]) or _succeeds(["docker", "pull", "--quiet", BASE_IMAGE]):
        return None
    return f"The image {BASE_IMAGE} is missing and cannot be pulled."


@contextlib.contextmanager
def own_engine() -> Iterator[Mapping[str, str]]:
    """Run dockerd with the base image in its own network namespace, until the block ends."""
    if os.geteuid() != 0:
        raise EngineError("Starting a Docker engine needs root; run this as root, or start Docker yourself.")
    with contextlib.ExitStack() as stack:
        stack.enter_context(termination.as_interrupt())
        stack.enter_context(_only_run_in_this_checkout())
        try:
            plugins = engine_install.install(CACHE)
        except PackageError as error:
            raise EngineError(f"{error} Or start Docker yourself.") from error
        # A socket's path has at most 107 bytes, so it cannot be below the checkout.
        run = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imds-engine-")))
        space = stack.enter_context(engine_network.namespace())
        environment = _client_environment(run, plugins, engine_network.address(space))
        stack.enter_context(_daemon(run, space))
        _await_engine(run, environment)
        # The engine's data stays for the next run.
        engine_cache.tidy(environment)
        stack.callback(engine_cache.tidy, environment)
        provide_debian("trixie", environment)
        yield environment


@contextlib.contextmanager
def _only_run_in_this_checkout() -> Iterator[None]:
    # Runs share the engine's data, but only one engine can use it at a time.
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run in this checkout uses the engine; waiting for it to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _client_environment(run: Path, plugins: Path, address: str) -> dict[str, str]:
    config = run / "config"
    config.mkdir()
    (config / "cli-plugins").symlink_to(plugins)
    others = ("DOCKER_", "COMPOSE_", "TESTCONTAINERS_")
    outer = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return outer | {
        "DOCKER_HOST": f"unix://{run}/docker.sock",
        "DOCKER_CONFIG": str(config),
        "DOCKER_BUILDKIT": "1",
        _OURS: "own",
        # testcontainers: published ports are in the engine's namespace, and no registry has the image of its reaper.
        "TESTCONTAINERS_HOST_OVERRIDE": address,
        "TESTCONTAINERS_RYUK_DISABLED": "true",
    }


@contextlib.contextmanager
def _daemon(run: Path, space: Namespace) -> Iterator[None]:
    log = (CACHE / "dockerd.log").open("w")
    daemon = space.popen(
        [
            *("setpriv", "--pdeathsig", "TERM", "dockerd"),
            *("--host", f"unix://{run}/docker.sock"),
            *("--data-root", str(CACHE / "data")),
            *("--exec-root", str(run / "exec")),
            *("--pidfile", str(run / "docker.pid")),
            *("--default-address-pool", "base=10.213.0.0/17,size=24"),
            *("--bip", "10.213.128.1/24"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        # containerd may write there, when it is ended while it starts.
        env={**os.environ, "TMPDIR": str(run)},
        # Ctrl-C interrupts the test run; the engine ends after it.
        start_new_session=True,
    )
    try:
        yield
    finally:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        log.close()


def _await_engine(run: Path, environment: Mapping[str, str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ((run / "docker.sock").exists() and _succeeds(["docker", "info"], environment)):
        if time.monotonic() > deadline:
            tail = (CACHE / "dockerd.log").read_text().splitlines()[-5:]
            raise EngineError("\n".join([f"dockerd did not answer within {START_SECONDS} s; its last lines:", *tail]))
        time.sleep(0.1)


def provide_debian(suite: str, environment: Mapping[str, str]) -> str:
    """Provide the slim image of a Debian release, and return its name.

    If it is missing and cannot be pulled, a replacement is bootstrapped from the machine's Debian mirror.

    Raises:
        EngineError: The mirror does not have that release, or mmdebstrap is missing.
    """
    image = f"debian:{suite}-slim"
    if _succeeds(["docker", "image", "inspect", image], environment):
        return image
    if _succeeds(["docker", "pull", "--quiet", image], environment):
        return image
    say(f"cannot pull {image}; bootstrapping a replacement from the Debian mirror")
    changes = ['CMD ["bash"]', *(f"ENV {name}={value}" for name, value in engine_install.CA_VARIABLES.items())]
    # The engine keeps the image, so the archive is not kept, and a killed run does not leave it in the cache.
    with tempfile.TemporaryDirectory(prefix="imds-engine-base-") as scratch:
        archive = Path(scratch) / f"{suite}.tar"
        try:
            engine_install.bootstrap(suite, archive)
        except PackageError as error:
            raise EngineError(str(error)) from error
        subprocess.run(
            ["docker", "import", *(f"--change={change}" for change in changes), str(archive), image],
            env=dict(environment),
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return image


def _succeeds(command: Sequence[str], environment: Mapping[str, str] | None = None) -> bool:
    if shutil.which(command[0]) is None:
        return False
    env = None if environment is None else dict(environment)
    return subprocess.run(command, env=env, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0


def say(sentence: str) -> None:
    """Print a message to standard error."""
    print(f"engine: {sentence}", file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> int:
    """Run a command with an engine; returns its exit code."""
    match argv:
        case [("-h" | "--help"), *_] | ["run", ("-h" | "--help"), *_]:
            print(__doc__)
            return 0
        case ["run", "--", *command] | ["run", *command] if command:
            return run(command)
        case ["run", *_]:
            say("no command to run; add it, for example: scripts/engine.py run docker ps")
        case [action, *_]:
            say(f"unknown action {action!r}; the only one is: scripts/engine.py run COMMAND [ARG...]")
        case _:
            say("no action; write: scripts/engine.py run COMMAND [ARG...]")
    return _USAGE_ERROR


def run(command: Sequence[str]) -> int:
    """Run a command with an engine; returns its exit code, or a shell's code if it cannot run."""
    if shutil.which(command[0]) is None and command[0] not in _BROUGHT:
        say(f"the command {command[0]!r} does not exist or is not executable; check its name or path")
        return 127
    try:
        with engine() as environment:
            code = termination.run(command, environment)
            return code if code >= 0 else 128 - code  # as a shell reports a signal
    except EngineError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"the command {command[0]!r} cannot be executed: {error.strerror}; check its first line")
        return 126
    except termination.Terminated:
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(ended("engine", lambda: main(sys.argv[1:])))
