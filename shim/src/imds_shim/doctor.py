"""Says in words what this container can and cannot do, and what to change.

Everything is tried for real and nothing stays: the last step is a whole start, short of the command, that is taken
back. Its outcome decides the exit code, so 0 means that a start here works.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from imds_shim import capabilities, endpoints
from imds_shim import config as configuration
from imds_shim.deadline import Deadline
from imds_shim.endpoints import PORT, shown
from imds_shim.errors import ConfigError, PrivilegeError, ShimError
from imds_shim.exec.accounts import environment_of
from imds_shim.log import Log
from imds_shim.network.answer import NoAnswerError
from imds_shim.record import Record
from imds_shim.sdk_overrides import find_overrides
from imds_shim.startup import Start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imds_shim.config import ShimConfig
    from imds_shim.endpoints import IPAddress
    from imds_shim.network.search import Network
    from imds_shim.startup import Kernel

_PATIENCE_SECONDS = 5.0
_PATIENCE_WITH_THE_ENDPOINT_SECONDS = 2.0  # before there is a rule, packets to it may just vanish
_USES = {
    "NET_ADMIN": "to set the rule or the route",
    "NET_RAW": "to use the legacy nat table; nf_tables does without",
    "SETPCAP": "to take NET_ADMIN from a command that stays root",
    "SETUID": "for MOCK_USER",
    "SETGID": "for MOCK_USER",
}


class Body(Record):
    """What is examined: parts of the world that tests replace."""

    network: Network
    kernel: Kernel
    try_backend: Callable[[str], None]
    describe_route: Callable[[IPAddress], str]
    plan: Callable[[ShimConfig], Sequence[str]]
    sets: capabilities.CapabilitySets


def examine(environ: Sequence[bytes], body: Body, tell: Callable[[str], None]) -> int:
    """Tell what was found, line by line; returns the exit code that a start would end with, 0 if it would work."""
    return _Examination(environ, body, tell).run()


class _Examination:
    def __init__(self, environ: Sequence[bytes], body: Body, tell: Callable[[str], None]) -> None:
        self._environ, self._body, self._tell = environ, body, tell
        self._cap_add: list[str] = []
        self._take_user_out = False
        self._environment: dict[str, str] = {}

    def run(self) -> int:
        config, problems = configuration.read("doctor", (), self._environ)
        self._settings(config, problems)
        self._capabilities()
        self._backends(config)
        for endpoint in endpoints.of(config.endpoints, ipv6=config.ipv6):
            self._endpoint(endpoint)
        code = ConfigError.exit_code if problems else 0
        if config.hostname:
            self._mock(config)
        for outcome in (self._command(config), self._rehearsal(config) if not problems else 0):
            code = code or outcome
        hidden = list(find_overrides(self._handed_on(config), config.endpoints, ipv6=config.ipv6))
        for hiding in hidden:
            self._say("warn", hiding.what)
            self._environment |= hiding.environment
        self._compose()
        works = "a start would work here" + (", but SDKs may bypass the mock: see the last warnings" if hidden else "")
        self._tell(works if code == 0 else f"a start would fail here with exit code {code}")
        return code

    def _say(self, mark: str, sentence: str) -> None:
        self._tell(f"{mark:<5} {sentence}")

    def _settings(self, config: ShimConfig, problems: Sequence[str]) -> None:
        for problem in problems:
            self._say("fail", problem)
        if config.hostname:
            self._say("ok", f"the mock is expected at {config.hostname}, port {config.port}")
        else:
            self._environment["MOCK_HOSTNAME"] = "mock_metadata"
        for sentence in configuration.warnings(self._environ):
            self._say("warn", sentence)

    def _capabilities(self) -> None:
        sets = self._body.sets
        for name, use in _USES.items():
            missing = bool(sets.missing(name))
            self._say("warn" if missing else "ok", f"{name} is {'missing' if missing else 'there'} ({use})")
        if sets.missing("NET_ADMIN") and os.geteuid() != 0:
            self._say("warn", f"the container starts as user {os.geteuid()}, who has no capabilities")

    def _backends(self, config: ShimConfig) -> None:
        for name in ("legacy", "nft") if config.backend == "auto" else (config.backend,):
            try:
                self._body.try_backend(name)
            except ShimError as error:
                # What to do about a capability is said once, at the end.
                what = error.what if isinstance(error, PrivilegeError) else error
                self._say("warn", f"NAT back end {name}: {what}")
            else:
                self._say("ok", f"NAT back end {name} works")

    def _endpoint(self, endpoint: IPAddress) -> None:
        where = shown(endpoint)
        self._say("ok", f"packets to {endpoint}: {self._body.describe_route(endpoint)}")
        try:
            answer = self._body.network.who_answers(endpoint, PORT, Deadline(_PATIENCE_WITH_THE_ENDPOINT_SECONDS))
        except NoAnswerError as error:
            self._say("ok", f"at present {where} {error}")
        else:
            self._say("ok" if answer.kind == "mock" else "warn", f"at present {where} is answered by {answer.said}")

    def _mock(self, config: ShimConfig) -> None:
        network = self._body.network
        try:
            addresses = network.resolve(config.hostname, Deadline(_PATIENCE_SECONDS), ipv6=config.ipv6)
        except ShimError as error:
            self._say("fail", f"{config.hostname} has no address: {error}")
            return
        self._say("ok", f"{config.hostname} is {', '.join(map(str, addresses))}")
        for address in addresses:
            where = shown(address, config.port)
            try:
                answer = network.who_answers(address, config.port, Deadline(_PATIENCE_SECONDS))
            except NoAnswerError as error:
                self._say("fail", f"{where} {error}")
            else:
                self._say("ok" if answer.is_imds else "fail", f"{where} is answered by {answer.said}")

    def _command(self, config: ShimConfig) -> int:
        try:
            warnings = self._body.plan(config)
        except ShimError as error:
            return self._failed("the command", error, config)
        for sentence in warnings:
            self._say("warn", sentence)
        self._say("ok", f"the command would run as {config.user or f'user {os.geteuid()}'}")
        return 0

    def _handed_on(self, config: ShimConfig) -> dict[str, str]:
        """Return the variables that the command would get."""
        try:
            return configuration.variables(environment_of(config.user, self._environ))
        except ConfigError:  # said of the command already
            return configuration.variables(self._environ)

    def _rehearsal(self, config: ShimConfig) -> int:
        """Go through a whole start, and take it back."""
        try:
            with contextlib.ExitStack() as undo:
                deadline = Deadline(min(_PATIENCE_SECONDS, config.timeout_seconds))
                Start(config, self._body.network, self._body.kernel, undo, Log("info", self._log)).run(deadline)
        except ShimError as error:
            return self._failed("rehearsal of a start", error, config)
        self._say("ok", "rehearsal of a start succeeded, and was taken back")
        return 0

    def _log(self, line: bytes) -> None:
        sentence = line.decode().removeprefix("imds-shim: ").rstrip("\n")
        warning = sentence.removeprefix("warning: ")
        if not sentence.startswith("waiting for "):  # how it ended is in the error
            self._say("ok" if warning == sentence else "warn", warning)

    def _failed(self, what: str, error: ShimError, config: ShimConfig) -> int:
        if isinstance(error, PrivilegeError):
            lacking = [name for name in self._body.sets.missing(*_USES) if name in error.what]
            if "NET_ADMIN" in lacking:
                lacking += self._body.sets.missing(*_needed_to_give_up(config))
            # What the bounding set has, the compose file has given already.
            new = [name for name in lacking if not self._body.sets.bounding >> capabilities.NUMBERS[name] & 1]
            self._cap_add += [name for name in new if name not in self._cap_add]
            if new or (lacking and os.geteuid() != 0):
                self._take_user_out = os.geteuid() != 0
                self._say("fail", f"{what}: {error.what}")
                return error.exit_code
        self._say("fail", f"{what}: {error}")
        return error.exit_code

    def _compose(self) -> None:
        if self._take_user_out:
            user = os.geteuid()
            self._environment["MOCK_USER"] = str(user)
            self._tell(f"take this out of the service in the compose file:\n    user: {user}")
        if not (self._cap_add or self._environment):
            return
        self._tell("add this to the service in the compose file:")
        if self._cap_add:
            self._tell(f"    cap_add: [{', '.join(self._cap_add)}]")
        if self._environment:
            self._tell("    environment:")
            for name, value in self._environment.items():
                self._tell(f'      {name}: "{value}"')
        options = [f"--env {name}={value}" for name, value in self._environment.items()]
        options += [capabilities.options_of_docker_run(self._cap_add)] if self._cap_add else []
        self._tell(f"with docker run: {' '.join(options)}")


def _needed_to_give_up(config: ShimConfig) -> tuple[str, ...]:
    """The capabilities with which the shim, started as root, gives up NET_ADMIN as it is told to."""
    if os.geteuid() != 0:
        return ("SETUID", "SETGID")  # MOCK_USER takes the place of `user:`
    # With MOCK_USER, the plan for the command names those itself.
    return () if config.user or config.keep_caps or config.no_new_privs else ("SETPCAP",)
