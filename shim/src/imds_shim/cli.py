"""The program: loads the configuration, connects the steps to the real network and kernel, reports failures."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from imds_shim.announcement import announcement_of
from imds_shim.config import (
    decode_environment,
    help_text,
    load,
    parse_command_line,
    read_settings,
    unknown_setting_warnings,
)
from imds_shim.deadline import Deadline
from imds_shim.errors import (
    ConfigError,
    Interrupted,
    KernelRefusedError,
    OutputClosedError,
    PrivilegeError,
    ShimError,
)
from imds_shim.exec.signals import Interrupts
from imds_shim.kernel import RealKernel, RealNetwork
from imds_shim.log import Log
from imds_shim.startup import Start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imds_shim.config import ShimConfig

_INTERNAL_ERROR = 1


def run(argv: Sequence[bytes], environ: Sequence[bytes], interrupts: Interrupts | None = None) -> int:
    """Run the program; returns the exit code unless the command was executed.

    Args:
        argv: the arguments after the program's name.
        environ: raw entries, usually `NAME=value`.
        interrupts: the handlers of SIGTERM and SIGINT, if they are installed already.
    """
    log = Log()
    try:
        if interrupts is None:
            interrupts = Interrupts()
            interrupts.install()
        if parse_command_line(argv)[0] == "doctor":
            return _doctor(environ)
        config = load(argv, environ)
        log = Log(config.log_level)
        return _dispatch(config, environ, interrupts, log)
    except ShimError as error:
        if isinstance(error, ConfigError):
            _warn_of_unknown_settings(environ, log)
        if not isinstance(error, OutputClosedError):
            log.error(_explain(error))
        return error.exit_code
    except Interrupted as interrupt:
        log.info(f"ended by signal {interrupt.exit_code - 128} before the command was started")
        return interrupt.exit_code
    except Exception as error:  # noqa: BLE001 - a user gets a sentence, never a traceback
        if isinstance(error, OSError) and (emulated := _emulated_image()):
            log.error(f"{emulated}.")
            return KernelRefusedError.exit_code
        log.error(f"this is a defect of the shim: {type(error).__name__}: {error}")
        _log_traceback(error, log)
        return _INTERNAL_ERROR


def _explain(error: ShimError) -> str:
    """Return the error's message, or why it is misleading: an emulated program sees less than the kernel has."""
    emulated = _emulated_image() if isinstance(error, KernelRefusedError) else None
    return f"{emulated}." if emulated else str(error)


def _emulated_image() -> str | None:
    from imds_shim.emulation import emulated_image

    return emulated_image()


def _dispatch(config: ShimConfig, environ: Sequence[bytes], interrupts: Interrupts, log: Log) -> int:
    if config.action == "help":
        from imds_shim.output import write_text

        write_text(help_text())
        return 0
    if config.action == "version":
        from imds_shim.output import write_line
        from imds_shim.system import own_version

        write_line(f"imds-shim {own_version()}")
        return 0
    if config.action == "remove":
        return _remove(log)
    return _start(config, environ, interrupts, log)


def _warn_of_unknown_settings(environ: Sequence[bytes], log: Log) -> None:
    for sentence in unknown_setting_warnings(environ):
        log.warning(sentence)


def _remove(log: Log) -> int:
    from imds_shim.nat import backend, route, rule

    rules, routes = rule.remove(backend.open_for_removal()), route.remove()
    log.info(f"removed {rules} rule{'s' * (rules != 1)} and {routes} route{'s' * (routes != 1)}")
    return 0


def _doctor(environ: Sequence[bytes]) -> int:
    from imds_shim import capabilities
    from imds_shim.doctor import Dependencies, examine
    from imds_shim.exec.handoff import plan
    from imds_shim.nat import backend, policy_routing
    from imds_shim.output import write_line

    dependencies = Dependencies(
        network=RealNetwork(announcement_of(read_settings("doctor", (), environ)[0])),
        kernel=RealKernel(),
        check_backend=lambda name: backend.make_backend(name).check_usable(),
        describe_route=policy_routing.describe_route,
        plan=plan,
        sets=capabilities.read_sets(),
        emulated=_emulated_image(),
    )
    return examine(environ, dependencies, write_line)


def _start(config: ShimConfig, environ: Sequence[bytes], interrupts: Interrupts, log: Log) -> int:
    from imds_shim.exec import handoff
    from imds_shim.exec.accounts import command_environment

    _warn_of_unknown_settings(environ, log)
    kernel = RealKernel()
    undo = contextlib.ExitStack()
    network = RealNetwork(announcement_of(config))
    start = Start(config, network, kernel, undo, log)
    try:
        if config.action == "init":
            if config.follow:
                log.warning("MOCK_FOLLOW=1 has no effect with --init, which leaves no process behind")
            start.run(Deadline(config.timeout_seconds))
            return 0
        plan = handoff.plan(config)
        command_environ = command_environment(config.user, environ)
        start = Start(config, network, kernel, undo, log, plan.uid)
        start.run(Deadline(config.timeout_seconds))
        # Logged only now, because they matter only if the start works.
        for sentence in (*plan.warnings, *_override_warnings(config, command_environ)):
            log.warning(sentence)
        if config.follow:
            _follow(config, network, kernel, undo, log)
        handoff.hand_off(config.command, command_environ, plan)
    except BaseException as error:
        try:
            with interrupts.deferred():
                _undo(undo, log)
        except Interrupted:
            # It arrived just before it could be deferred; no other is raised from now on.
            _undo(undo, log)
            raise
        if isinstance(error, PrivilegeError) and error.missing:
            from imds_shim.exec import requirements

            raise requirements.all_missing(error, config, start.check_permissions) from error
        raise


def _override_warnings(config: ShimConfig, environ: Sequence[bytes]) -> list[str]:
    from imds_shim.sdk_overrides import find_overrides

    variables = decode_environment(environ)
    return [override.description for override in find_overrides(variables, config.endpoints, ipv6=config.ipv6)]


def _follow(config: ShimConfig, network: RealNetwork, kernel: RealKernel, undo: contextlib.ExitStack, log: Log) -> None:
    import gc

    from imds_shim.follow import start_follower

    gc.enable()  # the follower lives as long as the application
    follower = start_follower(config, network, kernel.tables, log)
    if follower is None:
        log.warning("MOCK_FOLLOW=1 has no effect, because the mock is reached without a rule")
    else:
        undo.callback(follower.kill)


def _undo(undo: contextlib.ExitStack, log: Log) -> None:
    try:
        undo.close()
    except (ShimError, OSError) as error:
        log.warning(f"cannot undo the changes of this start: {error}")


def _log_traceback(error: Exception, log: Log) -> None:
    import traceback

    for line in traceback.format_exception(error):
        for part in line.splitlines():
            log.debug(part)


def main() -> int:
    """Entry point of the console script."""
    from imds_shim.system import raw_arguments, raw_environ

    return run(raw_arguments(), raw_environ())


if __name__ == "__main__":
    sys.exit(main())
