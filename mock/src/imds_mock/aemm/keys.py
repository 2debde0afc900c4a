"""Every setting of AEMM: its key in a file, its flag, its reader, its default. Names of variables follow from keys."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imds_mock.aemm import data, values

if TYPE_CHECKING:
    from imds_mock.aemm.values import Reader, Value


NAME: Final = "aemm"
"""The value of the setting that turns AEMM's data and behaviour on."""


class Command(enum.Enum):
    """What is mocked: the value is how AEMM's first log line names it."""

    ALL = "all mocks"
    SPOT = "EC2 Spot interruption notice"
    EVENTS = "EC2 Events"
    ASG_LIFECYCLE = "EC2 ASG Lifecycle"


VARIABLE_PREFIX: Final = "AEMM_"
"""What the names of all of AEMM's variables begin with."""

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


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    Attributes:
        name: Dotted and lower-case, as in a file: `spot.action`.
        read: Turns what was given into the value, or raises ValueError.
        default: The value when nothing is given.
        flag: Long name of its flag, without dashes; empty when it has none.
        short: Letter of its flag; empty when it has none.
        command: The subcommand that has the flag; ALL for every one.
        meaning: What it does, for the help text.
        value_name: What the help text calls the flag's value; empty for a switch.
        spelled: The key as people write it, where that is not all lower-case.
    """

    name: str
    read: Reader
    default: Value
    flag: str = ""
    short: str = ""
    command: Command = Command.ALL
    meaning: str = ""
    value_name: str = ""
    spelled: str = ""

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
        meaning="address to listen on; the default listens on all addresses, IPv6 included"),
    Key("server.port", values.port, 1338, "port", "p", value_name="PORT", meaning="port to listen on"),
    Key("config-file", values.text, "", "config-file", "c", value_name="FILE",
        meaning="JSON, YAML or TOML file with settings (default: aemm-config.* in $HOME, if there is one)"),
    Key("save-config-to-file", values.switch, False, "save-config-to-file", "s",
        meaning="save the settings in force to .ec2-metadata-mock/.aemm-config-used.json in $HOME"),
    Key("watch-config-file", values.switch, False, "watch-config-file", "w",
        meaning="apply changes of the config file while running"),
    Key("imdsv2", values.switch, False, "imdsv2", "I", meaning="require a session token (IMDSv2) on every path"),
    Key("mock-delay-sec", values.integer, 0, "mock-delay-sec", "d", value_name=_SECONDS,
        meaning="seconds from the start until the spot notice and the scheduled event appear"),
    Key("mock-trigger-time", values.moment, "", "mock-trigger-time", value_name=_TIME,
        meaning="when the spot notice and the scheduled event appear; overrides --mock-delay-sec"),
    Key("mock-ip-count", values.integer, 2, "mock-ip-count", "x", value_name="N",
        meaning="number of client addresses that see each kind of event; negative: all"),
    Key("rebalance-delay-sec", values.integer, 0, "rebalance-delay-sec", value_name=_SECONDS,
        meaning="seconds from the start until the rebalance recommendation appears"),
    Key("rebalance-trigger-time", values.moment, "", "rebalance-trigger-time", value_name=_TIME,
        meaning="when the rebalance recommendation appears; overrides --rebalance-delay-sec"),
    Key("asg-termination-delay-sec", values.integer, 0, "asg-termination-delay-sec", value_name=_SECONDS,
        meaning="seconds from the start until the target lifecycle state becomes Terminated"),
    Key("asg-termination-trigger-time", values.moment, "", "asg-termination-trigger-time", value_name=_TIME,
        meaning="when the target lifecycle state becomes Terminated; overrides the delay"),
    Key("spot.action", _ACTION, "terminate", "action", "a", Command.SPOT, value_name="ACTION",
        meaning="action of the interruption notice: terminate, hibernate or stop"),
    Key("spot.time", values.moment, "", "time", "t", Command.SPOT, value_name=_TIME,
        meaning="time in the interruption notice (default: two minutes after each request)"),
    Key("spot.rebalance-rec-time", values.moment, "", "rebalance-rec-time", "r", Command.SPOT, value_name=_TIME,
        meaning="notice time of the rebalance recommendation (default: the time of each request)"),
    Key("events.code", _CODE, "system-reboot", "code", "o", Command.EVENTS, value_name="CODE",
        meaning="instance-reboot, system-reboot, system-maintenance, instance-retirement or instance-stop"),
    Key("events.state", _STATE, "active", "state", "t", Command.EVENTS, value_name="STATE",
        meaning="state of the event: active, completed or canceled"),
    Key("events.not-before", values.moment, "", "not-before", "b", Command.EVENTS, value_name=_TIME,
        meaning="earliest start of the event (default: the start of this program)"),
    Key("events.not-after", values.moment, "", "not-after", "a", Command.EVENTS, value_name=_TIME,
        meaning="latest end of the event (default: seven days after the start)"),
    Key("events.not-before-deadline", values.moment, "", "not-before-deadline", "l", Command.EVENTS,
        value_name=_TIME, meaning="deadline for the start of the event (default: nine days after the start)"),
)  # fmt: skip
"""The settings that have flags, in the order of the help text."""


AT_START: Final = {
    "imdsv2": "metadata_options.http_tokens",
    "server.hostname": "",
    "server.port": "",
    "config-file": "",
    "save-config-to-file": "",
    "watch-config-file": "",
}
"""What becomes another setting when settings are taken over, or is done then, and says nothing after that."""


def default_path(row: data.Row, substitutes: Mapping[str, str]) -> str:
    """The path of a leaf whose path nobody set.

    Args:
        row: The leaf.
        substitutes: The values in force of the keys that default paths mention.
    """
    path = row.path
    for key in SUBSTITUTED:
        path = path.replace(f"{{{key}}}", substitutes[key])
    return data.ROOTS[row.section] + path


SUBSTITUTED: Final = ("mac", "public-ipv4", "iam-security-credentials-role", "elastic-inference-associations")
"""Keys below `metadata.values` whose values are parts of default paths."""


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
        yield Key(name.lower(), reader, None, spelled=name)
    else:
        reader = values.base64_text if name.startswith("userdata.") else values.text
        yield Key(name.lower(), reader, default, spelled=name)


DATA_KEYS: Final = tuple(_data_keys())
"""The settings of paths and values, which have no flags."""

KEYS: Final = {key.name: key for key in (*FLAG_KEYS, *DATA_KEYS)}
"""Every setting by its name."""
