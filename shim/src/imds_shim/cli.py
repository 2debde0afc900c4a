"""Composition root: load the configuration, build the real effects, run, print one line on failure."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from imds_shim import config as configuration
from imds_shim.deadline import Deadline
from imds_shim.errors import ConfigError, Interrupted, PrivilegeError, ShimError
from imds_shim.exec.signals import Interrupts
from imds_shim.kernel import RealKernel, RealNetwork
from imds_shim.log import Log
from imds_shim.startup import Start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imds_shim.config import ShimConfig
    from imds_shim.endpoints import IPAddress
    from imds_shim.exec.privileges import Plan

_INTERNAL_ERROR = 1


def run(argv: Sequence[bytes], environ: Sequence[bytes], interrupts: Interrupts | None = None) -> int:
    """Do what the arguments after the program's name ask; returns the exit code unless a command was exec'd.

    Args:
        argv: the arguments after the program's name.
        environ: raw entries, usually `NAME=value`.
        interrupts: SIGTERM and SIGINT, if they are caught already.
    """
    say = Log()
    try:
        if interrupts is None:
            interrupts = Interrupts()
            interrupts.install()
        if configuration.command_line(argv)[0] == "doctor":
            return _examine(environ)
        config = configuration.load(argv, environ)
        say = Log(config.log_level)
        return _act(config, environ, interrupts, say)
    except ShimError as error:
        if isinstance(error, ConfigError):
            _warn_of_unknown_settings(environ, say)
        say.error(str(error))
        return error.exit_code
    except Interrupted as interrupt:
        say.info(f"ended by signal {interrupt.exit_code - 128} before the command was started")
        return interrupt.exit_code
    except Exception as error:  # noqa: BLE001 - a user gets a sentence, never a traceback
        say.error(f"this is a defect of the shim: {type(error).__name__}: {error}")
        _say_where(error, say)
        return _INTERNAL_ERROR


def _act(config: ShimConfig, environ: Sequence[bytes], interrupts: Interrupts, say: Log) -> int:
    if config.action == "help":
        print(configuration.manual(), end="")
        return 0
    if config.action == "version":
        from importlib.metadata import version  # noqa: PLC0415 - slow, only then

        print(f"imds-shim {version('imds-shim')}")
        return 0
    if config.action == "remove":
        return _remove(say)
    return _start(config, environ, interrupts, say)


def _warn_of_unknown_settings(environ: Sequence[bytes], say: Log) -> None:
    for sentence in configuration.warnings(environ):
        say.warning(sentence)


def _remove(say: Log) -> int:
    from imds_shim.nat import backend as netfilter  # noqa: PLC0415 - only then
    from imds_shim.nat import route, rule  # noqa: PLC0415 - only then

    rules = rule.remove(netfilter.tables_to_clean())
    say.info(f"{rules} rules and {route.remove()} routes removed")
    return 0


def _examine(environ: Sequence[bytes]) -> int:
    from imds_shim import capabilities  # noqa: PLC0415 - only then
    from imds_shim.doctor import Body, examine  # noqa: PLC0415 - only then
    from imds_shim.nat import backend as netfilter  # noqa: PLC0415 - only then

    def plan(config: ShimConfig) -> Sequence[str]:
        return _planned(config).warnings

    body = Body(
        network=RealNetwork(),
        kernel=RealKernel(),
        try_backend=lambda name: netfilter.table_named(name).try_out(),
        describe_route=_route_described,
        plan=plan,
        sets=capabilities.read_sets(),
    )
    return examine(environ, body, print)


def _route_described(address: IPAddress) -> str:
    from imds_shim.nat import obstacle, rtnetlink  # noqa: PLC0415 - only then

    by = obstacle.decided_by(address)
    return rtnetlink.how_routed(address).way + (f" ({by} decides)" if by else "")


def _planned(config: ShimConfig) -> Plan:
    from imds_shim.exec.handoff import plan  # noqa: PLC0415 - not for the other actions

    return plan(
        user=config.user,
        keep_caps=config.keep_caps,
        drop_caps=config.drop_caps,
        no_new_privs=config.no_new_privs,
    )


def _start(config: ShimConfig, environ: Sequence[bytes], interrupts: Interrupts, say: Log) -> int:
    from imds_shim.exec.accounts import environment_of  # noqa: PLC0415 - not for the other actions
    from imds_shim.exec.handoff import hand_off  # noqa: PLC0415 - not for the other actions

    _warn_of_unknown_settings(environ, say)
    kernel = RealKernel()
    undo = contextlib.ExitStack()
    try:
        if config.action == "init":
            if config.follow:
                say.warning("MOCK_FOLLOW=1 has no effect with --init, which leaves no process behind")
            Start(config, RealNetwork(), kernel, undo, say).run(Deadline(config.timeout_seconds))
            return 0
        planned = _planned(config)
        handed_on = environment_of(config.user, environ)
        Start(config, RealNetwork(), kernel, undo, say).run(Deadline(config.timeout_seconds))
        # Of use only if the start works.
        for sentence in (*planned.warnings, *_what_hides_the_mock(config, handed_on)):
            say.warning(sentence)
        if config.follow:
            _follow(config, kernel, undo, say)
        hand_off(config.command, handed_on, planned)
    except BaseException as error:
        try:
            with interrupts.deferred():
                _take_back(undo, say)
        except Interrupted:
            # It came just before it could be deferred; from now on no other is raised.
            _take_back(undo, say)
            raise
        if isinstance(error, PrivilegeError) and error.missing:
            from imds_shim.exec import requirements  # noqa: PLC0415 - only then

            check = Start(config, RealNetwork(), kernel, undo, say).check
            raise requirements.complete(error, config, check) from error
        raise


def _what_hides_the_mock(config: ShimConfig, environ: Sequence[bytes]) -> list[str]:
    from imds_shim.sdk_overrides import find_overrides  # noqa: PLC0415 - not for the other actions

    variables = configuration.variables(environ)
    return [hiding.what for hiding in find_overrides(variables, config.endpoints, ipv6=config.ipv6)]


def _follow(config: ShimConfig, kernel: RealKernel, undo: contextlib.ExitStack, say: Log) -> None:
    import gc  # noqa: PLC0415 - only then

    from imds_shim.follow import begin  # noqa: PLC0415 - only then

    gc.enable()  # the follower lives as long as the application
    follower = begin(config, RealNetwork(), kernel.tables, say) if kernel.tables else None
    if follower is None:
        say.warning("MOCK_FOLLOW=1 has nothing to do: no rule was needed to reach the mock")
    else:
        undo.callback(follower.end)


def _take_back(undo: contextlib.ExitStack, say: Log) -> None:
    try:
        undo.close()
    except (ShimError, OSError) as error:
        say.warning(f"what was already set could not be taken back: {error}")


def _say_where(error: Exception, say: Log) -> None:
    import traceback  # noqa: PLC0415 - only then

    for line in traceback.format_exception(error):
        for part in line.splitlines():
            say.debug(part)


def main() -> int:
    """Entry point of the console script."""
    from imds_shim.exec.process import raw_arguments, raw_environ  # noqa: PLC0415 - the tree's entry point has its own

    return run(raw_arguments(), raw_environ())


if __name__ == "__main__":
    sys.exit(main())
