"""Command line and environment become one frozen, trusted value, or every bad setting is named at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from imds_shim import endpoints, settings
from imds_shim.endpoints import IPV6
from imds_shim.errors import ConfigError, UsageError
from imds_shim.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Backend = Literal["auto", "legacy", "nft"]
RouteMode = Literal["auto", "nat", "route", "none"]
LogLevel = Literal["debug", "info", "warning", "error"]
Action = Literal["start", "init", "remove", "doctor", "version", "help"]

USAGE = "usage: imds-shim [--init | --remove | --doctor | --version | --help] [--] COMMAND [ARG...]"
_ACTIONS: dict[bytes, Action] = {
    b"--init": "init",
    b"--remove": "remove",
    b"--doctor": "doctor",
    b"--version": "version",
    b"--help": "help",
    b"-h": "help",
}


class Setting(Record):
    """One variable: where it goes in `ShimConfig`, the text it has when unset or empty, how its text is read.

    Where an empty `default` is no text that could be read, `unset` is the value itself.
    """

    variable: str
    field: str
    default: str
    read: Callable[[str], Any]
    meaning: str
    unset: object = None


SETTINGS = (
    Setting("MOCK_HOSTNAME", "hostname", "", settings.hostname, "name or IP address of the mock; required", ""),
    Setting("MOCK_PORT", "port", "80", settings.port, "port of the mock"),
    Setting(
        "MOCK_TIMEOUT_SECONDS",
        "timeout_seconds",
        "60",
        settings.timeout_seconds,
        "how long to wait for the name and the mock, together",
    ),
    Setting(
        "MOCK_LOG_LEVEL",
        "log_level",
        "info",
        settings.one_of("debug", "info", "warning", "error"),
        "what is written to standard error: debug, info, warning or error",
    ),
    Setting(
        "MOCK_BACKEND",
        "backend",
        "auto",
        settings.one_of("auto", "legacy", "nft"),
        "the kernel's NAT table that holds the rule: auto, legacy or nft",
    ),
    Setting(
        "MOCK_ROUTE",
        "route",
        "auto",
        settings.one_of("auto", "nat", "route", "none"),
        "how 169.254.169.254 is made to lead to the mock: auto, nat, route or none",
    ),
    Setting(
        "MOCK_ENDPOINTS",
        "endpoints",
        "ec2",
        settings.services,
        "addresses that lead to the mock: ec2 (169.254.169.254), ecs (169.254.170.2), eks (169.254.170.23)",
    ),
    Setting("MOCK_IPV6", "ipv6", "0", settings.switch, "1: redirect their IPv6 addresses on port 80 as well"),
    Setting("MOCK_FOLLOW", "follow", "0", settings.switch, "1: update the rule when the mock's address changes"),
    Setting("MOCK_USER", "user", "", settings.user, "user[:group] that the command runs as; sets HOME"),
    Setting("MOCK_KEEP_CAPS", "keep_caps", "0", settings.switch, "1: let the command keep NET_ADMIN"),
    Setting(
        "MOCK_DROP_CAPS",
        "drop_caps",
        "",
        settings.capabilities,
        "more capabilities to take from the command",
        frozenset(),
    ),
    Setting("MOCK_NO_NEW_PRIVS", "no_new_privs", "0", settings.switch, "1: set no_new_privs on the command"),
)


class ShimConfig(Record):
    """What one run of the shim is asked to do; `hostname` is without brackets, names in `drop_caps` without `CAP_`."""

    action: Action
    command: tuple[bytes, ...]
    hostname: str
    port: int
    timeout_seconds: float
    log_level: LogLevel
    backend: Backend
    route: RouteMode
    endpoints: frozenset[str]
    ipv6: bool
    follow: bool
    user: str | None
    keep_caps: bool
    drop_caps: frozenset[str]
    no_new_privs: bool


def command_line(argv: Sequence[bytes]) -> tuple[Action, tuple[bytes, ...]]:
    """Split the arguments after the program's name into what to do and the command, which is kept byte for byte.

    Raises:
        UsageError: no command, or an unknown option.
    """
    action: Action = "start"
    for index, argument in enumerate(argv):
        if argument == b"--" or not argument.startswith(b"-"):
            command = tuple(argv[index + (argument == b"--") :])
            break
        if argument not in _ACTIONS:
            raise UsageError(f"unknown option {_shown(argument)}; {USAGE}")
        action = _ACTIONS[argument]
        if action in ("help", "version"):
            return action, ()
    else:
        command = ()
    if action == "start" and not command:
        raise UsageError(
            "no command to run, because Docker forgets the image's CMD when ENTRYPOINT changes: repeat it as CMD in "
            f"the Dockerfile or `command:` in the compose file; {USAGE}"
        )
    if action != "start" and command:
        raise UsageError(f"--{action} takes no command; {USAGE}")
    return action, command


def load(argv: Sequence[bytes], environ: Sequence[bytes]) -> ShimConfig:
    """Read the arguments after the program's name and raw `NAME=value` environment entries.

    A setting that is empty counts as unset, because that is what Compose makes of `${VARIABLE:-}`; of two entries with
    one name the first counts, as for getenv(3).

    Raises:
        UsageError: no command, or an unknown option.
        ConfigError: one or more settings are wrong; the message names each.
    """
    action, command = command_line(argv)
    config, problems = read(action, command, environ)
    if problems:
        raise ConfigError("; ".join(problems))
    return config


def read(action: Action, command: tuple[bytes, ...], environ: Sequence[bytes]) -> tuple[ShimConfig, list[str]]:
    """Return the settings and one sentence for each bad one, which then has the value of an unset one."""
    texts = variables(environ)
    values: dict[str, Any] = {}
    problems = []
    for setting in SETTINGS:
        text = texts.get(setting.variable, "").strip()
        values[setting.field] = setting.read(setting.default) if setting.default else setting.unset
        try:
            if text:
                values[setting.field] = setting.read(text)
            elif setting.field == "hostname" and action in ("start", "init", "doctor"):
                setting.read(text)
        except ValueError as error:
            problems.append(f"{setting.variable} {error}")
    if values["ipv6"] and not any(one.version == IPV6 for one in endpoints.of(values["endpoints"], ipv6=True)):
        named = ", ".join(sorted(values["endpoints"]))
        problems.append(f"MOCK_IPV6 is on, and none of MOCK_ENDPOINTS ({named}) has an IPv6 address")
    return ShimConfig(action=action, command=command, **values), problems


def variables(environ: Iterable[bytes]) -> dict[str, str]:
    """Return the environment's variables as text; bytes that are no UTF-8 come out as surrogates."""
    found: dict[str, str] = {}
    for entry in environ:
        name, equals, value = entry.partition(b"=")
        if equals:
            found.setdefault(name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
    return found


def warnings(environ: Iterable[bytes]) -> list[str]:
    """Return one sentence for each `MOCK_` variable that the shim does not know.

    It is no error, because an application may have variables of that kind of its own.
    """
    known = [setting.variable for setting in SETTINGS]
    unknown = sorted(name for name in variables(environ) if name.startswith("MOCK_") and name not in known)
    if not unknown:
        return []
    from difflib import get_close_matches  # noqa: PLC0415 - costs more than a whole ordinary start may spend on it

    sentences = []
    for name in unknown:
        nearest = get_close_matches(name, known, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        sentences.append(f"{_shown(name.encode('utf-8', 'surrogateescape'))} is not a setting of the shim{hint}")
    return sentences


def manual() -> str:
    """Return what `--help` prints."""
    width = max(len(setting.variable) for setting in SETTINGS)
    lines = [
        USAGE,
        "",
        "Redirects 169.254.169.254:80 to a mock of the EC2 instance metadata service, then becomes COMMAND.",
        "",
        "  --init     only set the rule in this network namespace, and exit",
        "  --remove   remove what the shim has set in this network namespace, and exit",
        "  --doctor   report what works here, what does not and what to change; exit 0 if a start would work",
        "  --version  print the version",
        "  --help     print this",
        "",
        "Settings (environment variables):",
        "",
    ]
    for setting in SETTINGS:
        default = f" ({setting.default})" if setting.default else ""
        lines.append(f"  {setting.variable:<{width}}  {setting.meaning}{default}")
    return "\n".join([*lines, ""])


def _shown(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
