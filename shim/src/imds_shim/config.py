"""The command line and the environment as one immutable configuration; all invalid settings are reported at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_shim import settings
from imds_shim.endpoints import IPV6, addresses_of
from imds_shim.errors import ConfigError, UsageError
from imds_shim.frozen_record import FrozenRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Literal

    Backend = Literal["auto", "legacy", "nft"]
    RouteMode = Literal["auto", "nat", "route", "none"]
    LogLevel = Literal["debug", "info", "warning", "error"]
    Action = Literal["start", "init", "remove", "doctor", "version", "help"]

_ACTIONS: dict[bytes, Action] = {
    b"--init": "init",
    b"--remove": "remove",
    b"--doctor": "doctor",
    b"--version": "version",
    b"--help": "help",
    b"-h": "help",
}


class Setting(FrozenRecord):
    """One environment variable, the field of `ShimConfig` that it sets, and its parser.

    `default` is the text that an unset or empty variable stands for. If `default` is empty, `unset` is the value.
    """

    variable: str
    field: str
    default: str
    parse: Callable[[str], Any]
    help: str
    unset: object = None


_LOG_LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error")

SETTINGS = (
    Setting("MOCK_HOSTNAME", "hostname", "", settings.hostname, "name or IP address of the mock; required", ""),
    Setting("MOCK_PORT", "port", "80", settings.port, "port of the mock"),
    Setting(
        "MOCK_TIMEOUT_SECONDS",
        "timeout_seconds",
        "60",
        settings.timeout_seconds,
        "longest wait for the name and the mock, together",
    ),
    Setting(
        "MOCK_LOG_LEVEL", "log_level", "info", settings.choice(*_LOG_LEVELS), "log level: debug, info, warning or error"
    ),
    Setting(
        "MOCK_BACKEND",
        "backend",
        "auto",
        settings.choice("auto", "legacy", "nft"),
        "NAT table for the rule: auto, legacy or nft",
    ),
    Setting(
        "MOCK_ROUTE",
        "route",
        "auto",
        settings.choice("auto", "nat", "route", "none"),
        "way to the mock: auto, nat, route or none",
    ),
    Setting("MOCK_ENDPOINTS", "endpoints", "ec2", settings.services, "services to redirect: ec2, ecs, eks"),
    Setting("MOCK_IPV6", "ipv6", "0", settings.boolean, "1: also redirect their IPv6 addresses"),
    Setting("MOCK_FOLLOW", "follow", "0", settings.boolean, "1: update the rule when the mock's address changes"),
    Setting(
        "MOCK_INSTANCE",
        "instance",
        "",
        settings.instance,
        "announced to the mock: role=NAME,tags.Name=NAME or JSON",
    ),
    Setting("MOCK_INSTANCE_NAME", "instance_name", "", settings.instance_name, "announced name, a target of events"),
    Setting("MOCK_USER", "user", "", settings.user, "user[:group] that the command runs as; sets HOME"),
    Setting("MOCK_KEEP_CAPS", "keep_caps", "0", settings.boolean, "1: let the command keep NET_ADMIN"),
    Setting("MOCK_DROP_CAPS", "drop_caps", "", settings.capabilities, "more capabilities to drop", frozenset()),
    Setting("MOCK_NO_NEW_PRIVS", "no_new_privs", "0", settings.boolean, "1: set no_new_privs on the command"),
)

_LONGEST_NAME = 60
_HELP = """\
usage: imds-shim [--] COMMAND [ARG...]
       imds-shim --init | --remove | --doctor | --version | --help

Redirects 169.254.169.254:80 to a mock of the EC2 instance metadata service,
then becomes COMMAND.

  --init     set the rule in this network namespace and exit
  --remove   remove everything that the shim has set in this network namespace
  --doctor   report what works here, what does not and what to change;
             exit 0 if a start would work
  --version  print the version
  --help     print this help

Settings (environment variables, with their defaults):

"""


class ShimConfig(FrozenRecord):
    """The configuration of one run; `hostname` has no brackets, names in `drop_caps` have no `CAP_`."""

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
    instance: str | None
    instance_name: str | None
    user: str | None
    keep_caps: bool
    drop_caps: frozenset[str]
    no_new_privs: bool

    @property
    def announces(self) -> bool:
        """Whether the container has something to announce."""
        return self.instance is not None or self.instance_name is not None


def parse_command_line(argv: Sequence[bytes]) -> tuple[Action, tuple[bytes, ...]]:
    """Split the arguments after the program's name into an action and the command, which stays as it is.

    Raises:
        UsageError: there is no command, or an option is unknown.
    """
    action: Action = "start"
    for index, argument in enumerate(argv):
        if argument == b"--" or not argument.startswith(b"-"):
            command = tuple(argv[index + (argument == b"--") :])
            break
        if argument not in _ACTIONS:
            raise UsageError(f"unknown option {_brief(argument)}; see imds-shim --help")
        action = _ACTIONS[argument]
        if action in ("help", "version"):
            return action, ()
    else:
        command = ()
    if action == "start" and not command:
        from imds_shim.surroundings import here

        raise UsageError(f"no command to run. {here().repeat_command}")
    if action != "start" and command:
        raise UsageError(f"--{action} takes no command; see imds-shim --help")
    return action, command


def load(argv: Sequence[bytes], environ: Sequence[bytes]) -> ShimConfig:
    """Return the configuration from the arguments after the program's name and raw `NAME=value` entries.

    Raises:
        UsageError: there is no command, or an option is unknown.
        ConfigError: one or more settings are invalid; the message lists all of them.
    """
    action, command = parse_command_line(argv)
    config, problems = read_settings(action, command, environ)
    if problems:
        raise ConfigError(". ".join(problems))
    return config


def read_settings(action: Action, command: tuple[bytes, ...], environ: Sequence[bytes]) -> tuple[ShimConfig, list[str]]:
    """Return the configuration and a sentence for each invalid setting, which then has its default value.

    An empty variable counts as unset, because that is what Compose makes of `${VARIABLE:-}`.
    """
    texts = decode_environment(environ)
    links = settings.service_links(texts)
    values: dict[str, Any] = {}
    problems = []
    for setting in SETTINGS:
        text = "" if setting.variable in links else texts.get(setting.variable, "").strip()
        values[setting.field] = setting.parse(setting.default) if setting.default else setting.unset
        try:
            if text:
                values[setting.field] = setting.parse(text)
            elif setting.field == "hostname" and action in ("start", "init", "doctor"):
                setting.parse(text)
        except ValueError as error:
            problems.append(f"{setting.variable} {error}")
    if values["ipv6"] and not any(one.version == IPV6 for one in addresses_of(values["endpoints"], ipv6=True)):
        named = ", ".join(sorted(values["endpoints"]))
        problems.append(f"MOCK_IPV6=1 needs a service with an IPv6 address in MOCK_ENDPOINTS (ec2 or eks), not {named}")
    return ShimConfig(action=action, command=command, **values), problems


def decode_environment(environ: Iterable[bytes]) -> dict[str, str]:
    """Return the variables as text; bytes that are not UTF-8 become surrogates.

    Of two entries with one name the first counts, as for getenv(3).
    """
    found: dict[str, str] = {}
    for entry in environ:
        name, equals, value = entry.partition(b"=")
        if equals:
            found.setdefault(name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
    return found


def unknown_setting_warnings(environ: Iterable[bytes]) -> list[str]:
    """Return a warning for each unknown `MOCK_` variable.

    It is not an error, because the application may have `MOCK_` variables of its own.
    """
    known = [setting.variable for setting in SETTINGS]
    texts = decode_environment(environ)
    unknown = sorted(name for name in texts.keys() - known - settings.service_links(texts) if name.startswith("MOCK_"))
    if not unknown:
        return []
    from difflib import get_close_matches

    sentences = []
    for name in unknown:
        nearest = get_close_matches(name, known, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        sentences.append(f"unknown setting {_brief(name.encode('utf-8', 'surrogateescape'))}{hint}")
    return sentences


def help_text() -> str:
    """Return the output of `--help`."""
    width = max(len(setting.variable) for setting in SETTINGS)
    lines = []
    for setting in SETTINGS:
        default = f" ({setting.default})" if setting.default else ""
        lines.append(f"  {setting.variable:<{width}}  {setting.help}{default}\n")
    return _HELP + "".join(lines)


def _brief(raw: bytes) -> str:
    """Return a name as text; of a long one, only the beginning."""
    text = raw.decode("utf-8", "backslashreplace")
    return text if len(text) <= _LONGEST_NAME else settings.shown(text)
