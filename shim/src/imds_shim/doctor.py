"""The doctor: reports what works in this container, what does not and what to change.

Every check makes a real attempt and undoes it. The last one is a complete start without the command; its outcome
decides the exit code, so 0 means that a start works here.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from imds_shim import capabilities, surroundings
from imds_shim.config import decode_environment, read_settings, unknown_setting_warnings
from imds_shim.deadline import Deadline
from imds_shim.endpoints import PORT, addresses_of, format_address
from imds_shim.errors import ConfigError, KernelRefusedError, PrivilegeError, ShimError
from imds_shim.exec.accounts import command_environment
from imds_shim.frozen_record import FrozenRecord
from imds_shim.log import Log
from imds_shim.network.probe_result import NoAnswerError
from imds_shim.sdk_overrides import find_overrides
from imds_shim.startup import Start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imds_shim.config import ShimConfig
    from imds_shim.endpoints import IPAddress
    from imds_shim.exec.privileges import Plan
    from imds_shim.network.search import Network
    from imds_shim.startup import Kernel

_TIMEOUT_SECONDS = 5.0
_ENDPOINT_TIMEOUT_SECONDS = 2.0  # without a rule, packets to an endpoint may get no response at all
_USES = {
    "NET_ADMIN": "needed to set the rule or the route",
    "NET_RAW": "needed for the legacy nat table, not for nf_tables",
    "SETPCAP": "needed to drop NET_ADMIN from a root command",
    "SETUID": "needed for MOCK_USER",
    "SETGID": "needed for MOCK_USER",
}


class Dependencies(FrozenRecord):
    """What the doctor examines; tests replace it."""

    network: Network
    kernel: Kernel
    check_backend: Callable[[str], None]
    describe_route: Callable[[IPAddress], str]
    plan: Callable[[ShimConfig], Plan]
    sets: capabilities.CapabilitySets
    emulated: str | None = None


def examine(environ: Sequence[bytes], dependencies: Dependencies, write: Callable[[str], None]) -> int:
    """Write the report line by line; returns the exit code of a start here, 0 if it would work."""
    return _Examination(environ, dependencies, write).run()


class _Examination:
    def __init__(self, environ: Sequence[bytes], dependencies: Dependencies, write: Callable[[str], None]) -> None:
        self._environ, self._dependencies, self._write = environ, dependencies, write
        self._cap_add: list[str] = []
        self._remove_user = False
        self._environment: dict[str, str] = {}
        self._uid: int | None = None

    def run(self) -> int:
        config, problems = read_settings("doctor", (), self._environ)
        self._settings(config, problems)
        self._capabilities()
        self._backends(config)
        for endpoint in addresses_of(config.endpoints, ipv6=config.ipv6):
            self._endpoint(endpoint)
        code = ConfigError.exit_code if problems else 0
        if config.hostname:
            self._mock(config)
        for outcome in (self._command(config), self._trial_start(config) if not problems else 0):
            code = code or outcome
        overrides = list(find_overrides(self._command_environment(config), config.endpoints, ipv6=config.ipv6))
        for override in overrides:
            self._report("warn", override.description)
            self._environment |= override.environment
        self._suggest_changes()
        works = "a start would work here"
        if overrides:
            works += ", but SDKs may bypass the mock: see the last warnings"
        self._write(works if code == 0 else f"a start would fail here with exit code {code}")
        return code

    def _report(self, mark: str, sentence: str) -> None:
        self._write(f"{mark:<5} {sentence}")

    def _settings(self, config: ShimConfig, problems: Sequence[str]) -> None:
        for problem in problems:
            self._report("fail", problem)
        if config.hostname:
            self._report("ok", f"the mock is configured as {config.hostname}, port {config.port}")
        else:
            self._environment["MOCK_HOSTNAME"] = surroundings.here().mock_example
        for sentence in unknown_setting_warnings(self._environ):
            self._report("warn", sentence)

    def _capabilities(self) -> None:
        sets = self._dependencies.sets
        for name, use in _USES.items():
            missing = bool(sets.missing(name))
            self._report("warn" if missing else "ok", f"{name} is {'missing' if missing else 'granted'} ({use})")
        if sets.missing("NET_ADMIN") and os.geteuid() != 0:
            self._report("warn", f"the container starts as user {os.geteuid()}, which has no capabilities")

    def _backends(self, config: ShimConfig) -> None:
        for name in ("legacy", "nft") if config.backend == "auto" else (config.backend,):
            try:
                self._dependencies.check_backend(name)
            except ShimError as error:
                if self._is_misleading(error):
                    self._report("warn", f"NAT back end {name} is out of reach: {self._dependencies.emulated}")
                    continue
                # The advice on capabilities is given once, at the end.
                problem = error.problem if isinstance(error, PrivilegeError) else error
                self._report("warn", f"NAT back end {name}: {problem}")
            else:
                self._report("ok", f"NAT back end {name} works")

    def _endpoint(self, endpoint: IPAddress) -> None:
        where = format_address(endpoint)
        try:
            self._report("ok", f"route to {endpoint}: {self._dependencies.describe_route(endpoint)}")
        except OSError:
            if self._dependencies.emulated is None:
                raise
            self._report("warn", f"route to {endpoint}: {self._dependencies.emulated}")
        try:
            result = self._dependencies.network.probe(endpoint, PORT, Deadline(_ENDPOINT_TIMEOUT_SECONDS))
        except NoAnswerError as error:
            self._report("ok", f"without a rule, {where} {error}")
        else:
            mark = "ok" if result.kind == "mock" else "warn"
            self._report(mark, f"without a rule, {where} is answered by {result.description}")

    def _mock(self, config: ShimConfig) -> None:
        network = self._dependencies.network
        try:
            addresses = network.resolve(config.hostname, Deadline(_TIMEOUT_SECONDS), ipv6=config.ipv6)
        except ShimError as error:
            self._report("fail", f"{config.hostname} has no address: {error}")
            return
        self._report("ok", f"{config.hostname} resolves to {', '.join(map(str, addresses))}")
        for address in addresses:
            where = format_address(address, config.port)
            try:
                result = network.probe(address, config.port, Deadline(_TIMEOUT_SECONDS))
            except NoAnswerError as error:
                self._report("fail", f"{where} {error}")
            else:
                self._report("ok" if result.is_imds else "fail", f"{where} is answered by {result.description}")

    def _command(self, config: ShimConfig) -> int:
        try:
            plan = self._dependencies.plan(config)
        except ShimError as error:
            return self._failed("the command", error, config)
        self._uid = plan.uid
        for sentence in plan.warnings:
            self._report("warn", sentence)
        self._report("ok", f"the command would run as {config.user or f'user {os.geteuid()}'}")
        return 0

    def _command_environment(self, config: ShimConfig) -> dict[str, str]:
        """Return the variables that the command would get."""
        try:
            return decode_environment(command_environment(config.user, self._environ))
        except ConfigError:  # reported with the command
            return decode_environment(self._environ)

    def _trial_start(self, config: ShimConfig) -> int:
        """Run a complete start and undo it."""
        dependencies = self._dependencies
        try:
            with contextlib.ExitStack() as undo:
                log = Log("info", self._report_log_line)
                deadline = Deadline(min(_TIMEOUT_SECONDS, config.timeout_seconds))
                Start(config, dependencies.network, dependencies.kernel, undo, log, self._uid).run(deadline)
        except ShimError as error:
            return self._failed("trial start", error, config)
        except OSError as error:
            if self._dependencies.emulated is None:
                raise
            return self._failed("trial start", KernelRefusedError(str(error)), config)
        self._report("ok", "trial start: succeeded and undone")
        return 0

    def _report_log_line(self, line: bytes) -> None:
        sentence = line.decode().removeprefix("imds-shim: ").rstrip("\n")
        warning = sentence.removeprefix("warning: ")
        if not sentence.startswith("waiting for "):  # the error reports how the wait ended
            self._report("ok" if warning == sentence else "warn", f"trial start: {warning}")

    def _failed(self, step: str, error: ShimError, config: ShimConfig) -> int:
        if isinstance(error, PrivilegeError):
            lacking = [name for name in self._dependencies.sets.missing(*_USES) if name in error.problem]
            if "NET_ADMIN" in lacking:
                lacking += self._dependencies.sets.missing(*_needed_to_drop_net_admin(config))
            # The compose file already grants what the bounding set holds.
            bounding = self._dependencies.sets.bounding
            new = [name for name in lacking if not bounding >> capabilities.NUMBERS[name] & 1]
            self._cap_add += [name for name in new if name not in self._cap_add]
            if new or (lacking and os.geteuid() != 0):
                self._remove_user = os.geteuid() != 0
                self._report("fail", f"{step}: {error.problem}")
                return error.exit_code
        self._report("fail", f"{step}: {self._dependencies.emulated if self._is_misleading(error) else error}")
        return error.exit_code

    def _is_misleading(self, error: ShimError) -> bool:
        """Whether an error is due to the emulation and not to what its message says."""
        return self._dependencies.emulated is not None and isinstance(error, KernelRefusedError)

    def _suggest_changes(self) -> None:
        here = surroundings.here()
        user = os.geteuid() if self._remove_user else None
        if user is not None and not here.is_init:
            self._environment["MOCK_USER"] = str(user)
        for line in here.lines_to_change(self._cap_add, self._environment, user):
            self._write(line)


def _needed_to_drop_net_admin(config: ShimConfig) -> tuple[str, ...]:
    """Return the capabilities with which a shim that starts as root can drop NET_ADMIN as configured."""
    if os.geteuid() != 0:
        return ("SETUID", "SETGID")  # MOCK_USER replaces `user:`
    # With MOCK_USER, the plan for the command reports them.
    return () if config.user or config.keep_caps or config.no_new_privs else ("SETPCAP",)
