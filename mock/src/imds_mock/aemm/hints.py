"""Suggestions for keys, variables, flags and commands that AEMM 1.13 does not have.

Earlier releases used other names (AEMM's repository, from its first commit on), and its documentation still contains
some of them. For such a name the current one is suggested, otherwise the most similar name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.aemm.keys import KEYS, variable_of
from imds_mock.config.marks import AEMM_SECRETS
from imds_mock.violations.hiding import is_word

if TYPE_CHECKING:
    from collections.abc import Iterable

_EVENT_MEMBERS: Final = ("code", "state", "not-before", "not-after", "not-before-deadline")

RENAMED_KEYS: Final = {
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
"""Keys of earlier releases, and for values of event leaves, with the current keys."""

RENAMED_FLAGS: Final = {"--instance-action": "--action", "--termination-time": "--time"}
"""Flags of earlier releases with their current names."""

RENAMED_COMMANDS: Final = {"spotitn": "spot", "spot-itn": "spot", "spotItn": "spot"}
"""Commands of earlier releases with their current names."""

_RENAMED_VARIABLES: Final = {variable_of(old): variable_of(new) for old, new in RENAMED_KEYS.items()}
_VARIABLES: Final = tuple(key.variable for key in KEYS.values())
_SECTIONS: Final = frozenset(
    ".".join(parts[:depth]) for parts in (name.split(".") for name in KEYS) for depth in range(1, len(parts))
)
_SECTIONS_OF_VARIABLES: Final = {variable_of(section): section for section in _SECTIONS}
_SECRET_DEPTH: Final = AEMM_SECRETS[0].count(".")
_SIMILAR: Final = 0.6
_VERY_SIMILAR: Final = 0.75
_ALMOST_EQUAL: Final = 0.9


def redacted_key(name: str) -> str:
    """A key in lower case for a message, without parts that may be a misplaced secret."""
    if name in RENAMED_KEYS:
        return name
    above = ""
    for part in name.split("."):
        siblings = {key.removeprefix(above).partition(".")[0] for key in KEYS if key.startswith(above)}
        is_among_secrets = above.count(".") == _SECRET_DEPTH and any(key.startswith(above) for key in AEMM_SECRETS)
        if not (_nearest(part, siblings, _SIMILAR) or (is_word(part) and not is_among_secrets)):
            return f"{above}... (not shown, it may be a secret)"
        above = f"{above}{part}."
    return name if name.isprintable() else ascii(name)[1:-1]


def key_hint(name: str) -> str:
    """The end of a message about an unknown key in lower case."""
    suggested = RENAMED_KEYS.get(name) or _nearest_key(name, _ALMOST_EQUAL) or _by_end(name)
    return _did_you_mean(suggested or _nearest_key(name, _VERY_SIMILAR))


def variable_hint(name: str) -> str:
    """The end of a message about an unknown variable."""
    if section := _SECTIONS_OF_VARIABLES.get(name):
        member = next(key.variable for known, key in KEYS.items() if known.startswith(f"{section}."))
        return f"set its members, such as {member}"
    return _did_you_mean(_RENAMED_VARIABLES.get(name) or _nearest(name, _VARIABLES, _VERY_SIMILAR))


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """The known flag or command to suggest for an unknown one; None without a similar one."""
    former = RENAMED_FLAGS.get(word) or RENAMED_COMMANDS.get(word)
    names = list(known)
    return former if former in names else _nearest(word, names, _SIMILAR)


def _by_end(name: str) -> str | None:
    """The only key with the same end, such as `events.code` for `scheduledevents.code`."""
    parts = name.split(".")
    wants_path = "paths" in parts
    for i in range(len(parts)):
        end = "." + ".".join(parts[i:])
        found = [key for key in KEYS if f".{key}".endswith(end) and (".paths." in key) == wants_path]
        found = [key for key in found if key.count(".") == name.count(".")] or found
        if len(found) == 1:
            return found[0]
    return None


def _nearest_key(name: str, similarity: float) -> str | None:
    """The most similar key; its last part must be similar, because many keys share a section."""
    suggested = _nearest(name, KEYS, similarity)
    if suggested is None or not _nearest(name.rpartition(".")[2], [suggested.rpartition(".")[2]], _SIMILAR):
        return None
    return suggested


def _nearest(name: str, known: Iterable[str], similarity: float) -> str | None:
    import difflib  # noqa: PLC0415 - needed only for errors

    return next(iter(difflib.get_close_matches(name, list(known), 1, similarity)), None)


def _did_you_mean(suggested: str | None) -> str:
    return f"did you mean {suggested}?" if suggested else "amazon-ec2-metadata-mock has no such setting"
