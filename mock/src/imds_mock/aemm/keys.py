"""Every setting of AEMM: its key in a file, its flag, its reader and its default. The key determines the variable.

Errors: `UsageError` and `ConfigFileError`, with the exit codes of AEMM.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from imds_mock.aemm import data, values
from imds_mock.errors import MockError
from imds_mock.records import Record

if TYPE_CHECKING:
    from imds_mock.aemm.values import Reader, Value


NAME: Final = "aemm"
"""The value of the setting `compatibility` that selects AEMM's data and behaviour."""


class UsageError(MockError):
    """A flag, variable or key is unknown or invalid."""

    exit_code = 2


class ConfigFileError(MockError):
    """The config file cannot be read."""

    exit_code = 1


class Command(enum.Enum):
    """The mocked events; the value is their name in AEMM's first log line."""

    ALL = "all mocks"
    SPOT = "EC2 Spot interruption notice"
    EVENTS = "EC2 Events"
    ASG_LIFECYCLE = "EC2 ASG Lifecycle"

    @property
    def words(self) -> tuple[str, ...]:
        """The subcommand and its aliases; empty for ALL."""
        return tuple(word for word, command in COMMANDS.items() if command is self)


VARIABLE_PREFIX: Final = "AEMM_"
"""The prefix of all AEMM variables."""

COMMANDS: Final = {
    "spot": Command.SPOT,
    "events": Command.EVENTS,
    "se": Command.EVENTS,
    "scheduledevents": Command.EVENTS,
    "asglifecycle": Command.ASG_LIFECYCLE,
    "asg": Command.ASG_LIFECYCLE,
    "autoscaling": Command.ASG_LIFECYCLE,
}
"""Subcommands and their aliases."""


class Key(Record, frozen=True):
    """One setting.

    Attributes:
        name: Its key in lower case, as in a file: `spot.action`.
        read: Converts a given value; raises ValueError.
        default: The value if none is given.
        flag: Long name of its flag without dashes; empty without a flag.
        short: Letter of its flag; empty without one.
        command: The subcommand that has the flag; ALL for all of them.
        help: The help text.
        value_name: The flag's value in the help text; empty for a switch.
        spelling: The documented key, if it is not all lower-case.
    """

    name: str
    read: Reader
    default: Value
    flag: str = ""
    short: str = ""
    command: Command = Command.ALL
    help: str = ""
    value_name: str = ""
    spelling: str = ""

    @property
    def flag_names(self) -> tuple[str, ...]:
        """Its flags with dashes."""
        return tuple(name for name in (f"--{self.flag}", f"-{self.short}") if name.strip("-"))

    @property
    def variable(self) -> str:
        """Name of its environment variable."""
        return variable_of(self.name)


def variable_of(name: str) -> str:
    """The environment variable of a key."""
    return VARIABLE_PREFIX + name.upper().replace("-", "_").replace(".", "_")


_ACTION: Final = values.choice("terminate", "hibernate", "stop")
_CODE: Final = values.choice(
    "instance-reboot", "system-reboot", "system-maintenance", "instance-retirement", "instance-stop"
)
_STATE: Final = values.choice("active", "completed", "canceled")
_TIME: Final = "TIME"
_SECONDS: Final = "SECONDS"

FLAG_KEYS: Final = (
    Key("server.hostname", values.text, "0.0.0.0", "hostname", "n", value_name="ADDRESS",  # noqa: S104 - AEMM's default
        help="address to listen on; the default listens on all addresses, IPv6 included"),
    Key("server.port", values.port, 1338, "port", "p", value_name="PORT", help="port to listen on"),
    Key("config-file", values.text, "", "config-file", "c", value_name="FILE",
        help="JSON, YAML or TOML file with settings (default: aemm-config.* in $HOME, if there is one)"),
    Key("save-config-to-file", values.switch, False, "save-config-to-file", "s",
        help="save the current settings to .ec2-metadata-mock/.aemm-config-used.json in $HOME"),
    Key("watch-config-file", values.switch, False, "watch-config-file", "w",
        help="apply changes of the config file while running"),
    Key("imdsv2", values.switch, False, "imdsv2", "I", help="require a session token (IMDSv2) on every path"),
    Key("mock-delay-sec", values.integer, 0, "mock-delay-sec", "d", value_name=_SECONDS,
        help="seconds from the start until the spot notice and the scheduled event appear"),
    Key("mock-trigger-time", values.rfc3339_time, "", "mock-trigger-time", value_name=_TIME,
        help="when the spot notice and the scheduled event appear; overrides --mock-delay-sec"),
    Key("mock-ip-count", values.integer, 2, "mock-ip-count", "x", value_name="N",
        help="number of client addresses that see each kind of event; negative: all"),
    Key("rebalance-delay-sec", values.integer, 0, "rebalance-delay-sec", value_name=_SECONDS,
        help="seconds from the start until the rebalance recommendation appears"),
    Key("rebalance-trigger-time", values.rfc3339_time, "", "rebalance-trigger-time", value_name=_TIME,
        help="when the rebalance recommendation appears; overrides --rebalance-delay-sec"),
    Key("asg-termination-delay-sec", values.integer, 0, "asg-termination-delay-sec", value_name=_SECONDS,
        help="seconds from the start until the target lifecycle state becomes Terminated"),
    Key("asg-termination-trigger-time", values.rfc3339_time, "", "asg-termination-trigger-time", value_name=_TIME,
        help="when the target lifecycle state becomes Terminated; overrides the delay"),
    Key("spot.action", _ACTION, "terminate", "action", "a", Command.SPOT, value_name="ACTION",
        help="action of the interruption notice: terminate, hibernate or stop"),
    Key("spot.time", values.rfc3339_time, "", "time", "t", Command.SPOT, value_name=_TIME,
        help="time in the interruption notice (default: two minutes after each request)"),
    Key("spot.rebalance-rec-time", values.rfc3339_time, "", "rebalance-rec-time", "r", Command.SPOT, value_name=_TIME,
        help="notice time of the rebalance recommendation (default: the time of each request)"),
    Key("events.code", _CODE, "system-reboot", "code", "o", Command.EVENTS, value_name="CODE",
        help="instance-reboot, system-reboot, system-maintenance, instance-retirement or instance-stop"),
    Key("events.state", _STATE, "active", "state", "t", Command.EVENTS, value_name="STATE",
        help="state of the event: active, completed or canceled"),
    Key("events.not-before", values.rfc3339_time, "", "not-before", "b", Command.EVENTS, value_name=_TIME,
        help="earliest start of the event (default: the start of this program)"),
    Key("events.not-after", values.rfc3339_time, "", "not-after", "a", Command.EVENTS, value_name=_TIME,
        help="latest end of the event (default: seven days after the start)"),
    Key("events.not-before-deadline", values.rfc3339_time, "", "not-before-deadline", "l", Command.EVENTS,
        value_name=_TIME, help="deadline for the start of the event (default: nine days after the start)"),
)  # fmt: skip
"""The settings with flags, in the order of the help text."""


STARTUP_KEYS: Final = {
    "imdsv2": "metadata_options.http_tokens",
    "server.hostname": "",
    "server.port": "",
    "config-file": "",
    "save-config-to-file": "",
    "watch-config-file": "",
}
"""Keys that take effect only at the start, with the native setting that replaces them later (empty: none)."""


def default_path(row: data.Row, substitutes: Mapping[str, str]) -> str:
    """The path of a leaf if no setting changes it; `substitutes` are the current values of `PATH_PARTS`."""
    path = row.path
    for key in PATH_PARTS:
        path = path.replace(f"{{{key}}}", substitutes[key])
    return data.ROOTS[row.section] + path


PATH_PARTS: Final = ("mac", "public-ipv4", "iam-security-credentials-role", "elastic-inference-associations")
"""Keys below `metadata.values` whose values occur in default paths."""


def _data_keys() -> Iterator[Key]:
    defaults = {row.key: row.value for row in data.ROWS if isinstance(row.value, str)}
    yield Key(data.EVENT_ID_KEY, values.text, data.EVENT_ID)
    yield Key(data.TAGS_KEY, values.text_by_name, {})
    for row in data.ROWS:
        yield Key(f"{row.section}.paths.{row.key}", values.text, default_path(row, defaults))
        if row.value is not None:
            yield from _value_keys(f"{row.section}.values.{row.key}", row.value)


def _value_keys(name: str, default: str | data.Nested | None) -> Iterator[Key]:
    if isinstance(default, Mapping):
        for part, value in default.items():
            yield from _value_keys(f"{name}.{part}", value)
    elif default is None:
        reader: Reader = values.text_list if name.lower() in data.LIST_KEYS else values.optional_text
        yield Key(name.lower(), reader, None, spelling=name)
    else:
        reader = values.base64_text if name.startswith("userdata.") else values.text
        yield Key(name.lower(), reader, default, spelling=name)


DATA_KEYS: Final = tuple(_data_keys())
"""The settings of paths and values, without flags."""

KEYS: Final = {key.name: key for key in (*FLAG_KEYS, *DATA_KEYS)}
"""All settings by name."""
