"""Looks up `MOCK_USER` in the image's passwd and group files, by the rules of gosu and `docker run --user`.

The C library's name service is not used: the tree's is not the image's, and a static image has none. Source of the
rules: `GetExecUser` in github.com/moby/sys/user.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imds_shim.errors import ConfigError
from imds_shim.frozen_record import FrozenRecord
from imds_shim.settings import shown
from imds_shim.system import read_text_or_empty

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imds_shim.system import StrPath

PASSWD = "/etc/passwd"  # noqa: S105 - the name of a file
GROUP = "/etc/group"
HOME = b"HOME="
LARGEST_ID = 2**31 - 1
_MOST_DIGITS = 20  # int() refuses thousands of them


class Account(FrozenRecord):
    """The user and groups that the application runs as."""

    uid: int
    gid: int
    supplementary: tuple[int, ...]


def look_up(specification: str, passwd: StrPath = PASSWD, group: StrPath = GROUP) -> Account:
    """Return the ids of `name|uid[:group|gid]`.

    A uid needs no entry; without an entry and without a group, the group is the shim's own. Supplementary groups are
    those that list the user's name; with an explicit group there are none.

    Raises:
        ConfigError: a name has no entry, or a number is too large.
    """
    user, colon, wanted_group = specification.partition(":")
    uid, name, gid, _ = _user(user, passwd)
    groups = list(_entries(group, fields=4))
    if not colon:
        named = [int(fields[2]) for fields in groups if name is not None and name in fields[3].split(",")]
        return Account(uid, gid, tuple(dict.fromkeys(named)))
    number = _id(wanted_group, "group")
    for fields in groups:
        if (fields[0] == wanted_group) if number is None else (int(fields[2]) == number):
            return Account(uid, int(fields[2]), ())
    if number is None:
        raise ConfigError(f"MOCK_USER names the group {shown(wanted_group)}, which is not in {group}; use its gid")
    return Account(uid, number, ())


def command_environment(
    specification: str | None, environ: Sequence[bytes], passwd: StrPath = PASSWD
) -> Sequence[bytes]:
    """Return the command's environment: HOME is the user's home directory, as gosu sets it; the rest is unchanged.

    Args:
        specification: as for `look_up`; None changes nothing. The home directory of a user without an entry is `/`.
        environ: raw entries, usually `NAME=value`.
        passwd: the file with the home directory.

    Raises:
        ConfigError: a name has no entry, or a number is too large.
    """
    if specification is None:
        return environ
    home = _user(specification.partition(":")[0], passwd)[3] or "/"
    entry = HOME + home.encode("utf-8", "surrogateescape")
    changed = [entry if given.startswith(HOME) else given for given in environ]
    return changed if entry in changed else [*changed, entry]


def _user(user: str, passwd: StrPath) -> tuple[int, str | None, int, str]:
    """Return uid, name, gid and home directory."""
    number = _id(user, "user")
    for fields in _entries(passwd, fields=7):
        if (fields[0] == user) if number is None else (int(fields[2]) == number):
            return int(fields[2]), fields[0], int(fields[3]), fields[5]
    if number is None:
        raise ConfigError(f"MOCK_USER names the user {shown(user)}, which is not in {passwd}; use its uid")
    return number, None, os.getgid(), ""


def _id(text: str, kind: str) -> int | None:
    """Return the id, or None for a name."""
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > _MOST_DIGITS or int(text) > LARGEST_ID:
        raise ConfigError(f"MOCK_USER names the {kind} {shown(text)}; the largest id is {LARGEST_ID}")
    return int(text)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _entries(path: StrPath, fields: int) -> Iterator[list[str]]:
    """Return the entries with enough fields and numeric ids; other lines are ignored."""
    for line in read_text_or_empty(path).splitlines():
        entry = line.strip().split(":")
        ids = entry[2:4] if fields > 4 else entry[2:3]  # noqa: PLR2004 - passwd has seven fields, group four
        if len(entry) >= fields and all(_is_id(value) for value in ids):
            yield entry
