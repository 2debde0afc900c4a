"""What was probably meant by a key, variable, flag or command that AEMM 1.13 does not have.

Earlier releases had other names for some (AEMM's repository, from its first commit on), and its documentation still
shows some of them. Such a name gets its present one, whatever else looks like it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.aemm.keys import KEYS, variable_of
from imds_mock.config.secrets import AEMM_SECRETS
from imds_mock.violations.hiding import is_word

if TYPE_CHECKING:
    from collections.abc import Iterable

_EVENT_MEMBERS: Final = ("code", "state", "not-before", "not-after", "not-before-deadline")

MEANT_KEYS: Final = {
    "spot-itn.instance-action": "spot.action",
    "spot-itn.action": "spot.action",
    "spot-itn.termination-time": "spot.time",
    "spot-itn.time": "spot.time",
    "spot.instance-action": "spot.action",
    "spot.termination-time": "spot.time",
    **{f"scheduled-events.{member}": f"events.{member}" for member in _EVENT_MEMBERS},
    "metadata.paths.spot-itn": "metadata.paths.spot",
    "metadata.paths.spot-itn-termination-time": "metadata.paths.spot-termination-time",
    "metadata.paths.scheduled-events": "metadata.paths.events",
    "metadata.paths.ipv4-associations": "metadata.paths.mac-ipv4-associations",
    "metadata.paths.userdata": "userdata.paths.userdata",
    "metadata.values.userdata": "userdata.values.userdata",
    "autoscaling.target-lifecycle-state": "asg-termination-delay-sec",
    "metadata.values.target-lifecycle-state": "asg-termination-delay-sec",
    "metadata.values.spot": "spot.action",
    "metadata.values.spot-termination-time": "spot.time",
    "metadata.values.rebalance-rec-time": "spot.rebalance-rec-time",
    "metadata.values.events": "events.code",
    "hostname": "server.hostname",
    "port": "server.port",
}
"""Key of an earlier release, or for the value of an event's leaf, to the key that has this effect now."""

FORMER_FLAGS: Final = {"--instance-action": "--action", "--termination-time": "--time"}
"""Flag of an earlier release to its present name."""

FORMER_COMMANDS: Final = {"spotitn": "spot", "spot-itn": "spot", "spotItn": "spot"}
"""Command of an earlier release to its present name."""

_MEANT_VARIABLES: Final = {variable_of(former): variable_of(now) for former, now in MEANT_KEYS.items()}
_VARIABLES: Final = tuple(key.variable for key in KEYS.values())
_SECTIONS: Final = frozenset(
    ".".join(parts[:depth]) for parts in (name.split(".") for name in KEYS) for depth in range(1, len(parts))
)
_SECTIONS_OF_VARIABLES: Final = {variable_of(section): section for section in _SECTIONS}
_OF_A_SECRET: Final = AEMM_SECRETS[0].count(".")
_SOMEWHAT_ALIKE: Final = 0.6
_ALIKE: Final = 0.75
_NEARLY_THE_SAME: Final = 0.9


def named(name: str) -> str:
    """A key in a message: what may be a secret in a key's place is left out.

    Args:
        name: The key, in lower case.
    """
    if name in MEANT_KEYS:
        return name
    above = ""
    for part in name.split("."):
        siblings = {key.removeprefix(above).partition(".")[0] for key in KEYS if key.startswith(above)}
        is_beside_secrets = any(secret.startswith(above) for secret in AEMM_SECRETS if above.count(".") == _OF_A_SECRET)
        if not (_nearest(part, siblings, _SOMEWHAT_ALIKE) or (is_word(part) and not is_beside_secrets)):
            return f"{above}... (not shown, it may be a secret)"
        above = f"{above}{part}."
    return name if name.isprintable() else ascii(name)[1:-1]


def for_key(name: str) -> str:
    """The end of a sentence about an unknown key.

    Args:
        name: The key, in lower case.
    """
    meant = (
        MEANT_KEYS.get(name) or _nearest_key(name, _NEARLY_THE_SAME) or _by_its_end(name) or _nearest_key(name, _ALIKE)
    )
    return _question(meant)


def for_variable(name: str) -> str:
    """The end of a sentence about an unknown variable.

    Args:
        name: The variable.
    """
    if section := _SECTIONS_OF_VARIABLES.get(name):
        member = next(key.variable for known, key in KEYS.items() if known.startswith(f"{section}."))
        return f"set its members, such as {member}"
    return _question(_MEANT_VARIABLES.get(name) or _nearest(name, _VARIABLES, _ALIKE))


def for_word(word: str, known: Iterable[str]) -> str | None:
    """The flag or command that an unknown one stands for, if there is one.

    Args:
        word: The flag with its dashes, or the command.
        known: What there is.
    """
    former = FORMER_FLAGS.get(word) or FORMER_COMMANDS.get(word)
    names = list(known)
    return former if former in names else _nearest(word, names, _SOMEWHAT_ALIKE)


def _by_its_end(name: str) -> str | None:
    """The only key that ends like this one, such as `events.code` for `scheduledevents.code`."""
    parts = name.split(".")
    wants_path = "paths" in parts
    for i in range(len(parts)):
        end = "." + ".".join(parts[i:])
        found = [key for key in KEYS if f".{key}".endswith(end) and (".paths." in key) == wants_path]
        found = [key for key in found if key.count(".") == name.count(".")] or found
        if len(found) == 1:
            return found[0]
    return None


def _nearest_key(name: str, alike: float) -> str | None:
    """The key that a wrong one looks like; sections alone, which many keys share, make no key like another."""
    meant = _nearest(name, KEYS, alike)
    if meant is None or not _nearest(name.rpartition(".")[2], [meant.rpartition(".")[2]], _SOMEWHAT_ALIKE):
        return None
    return meant


def _nearest(name: str, known: Iterable[str], alike: float) -> str | None:
    import difflib  # noqa: PLC0415 - only an error needs it, and every start would pay

    return next(iter(difflib.get_close_matches(name, list(known), 1, alike)), None)


def _question(meant: str | None) -> str:
    return f"did you mean {meant}?" if meant else "amazon-ec2-metadata-mock has no such setting"
