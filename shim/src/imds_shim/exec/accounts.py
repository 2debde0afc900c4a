"""Who `MOCK_USER` is, read from the image's own passwd and group files, by the rules of gosu and `docker run --user`.

Not by the C library's name service: in the relocatable tree that is another one than the image's, and a static image
has none. Source of the rules: `GetExecUser` in github.com/moby/sys/user.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imds_shim.errors import ConfigError
from imds_shim.record import Record
from imds_shim.textfile import read_if_there

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    StrPath = str | os.PathLike[str]

PASSWD = "/etc/passwd"  # noqa: S105 - the name of a file
GROUP = "/etc/group"
HOME = b"HOME="
LARGEST_ID = 2**31 - 1


class Account(Record):
    """The user and groups that the application runs as."""

    uid: int
    gid: int
    supplementary: tuple[int, ...]


def look_up(specification: str, passwd: StrPath = PASSWD, group: StrPath = GROUP) -> Account:
    """Turn `name|uid[:group|gid]` into numbers.

    A number needs no entry; then the group, if none is named, stays the shim's own. Supplementary groups are those that
    list the user's name, and none when a group is named.

    Raises:
        ConfigError: a name that has no entry, or a number that is no id.
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
        raise ConfigError(f"MOCK_USER names the group {wanted_group!r}, which is not in {group}; use its number")
    return Account(uid, number, ())


def environment_of(specification: str | None, environ: Sequence[bytes], passwd: StrPath = PASSWD) -> Sequence[bytes]:
    """Return the entries that the command gets: HOME is the user's home folder, as gosu sets it; the rest is as given.

    Args:
        specification: as for `look_up`; None changes nothing. A user without an entry has the home folder `/`.
        environ: raw entries, usually `NAME=value`.
        passwd: the file that names the home folder.

    Raises:
        ConfigError: a name that has no entry, or a number that is no id.
    """
    if specification is None:
        return environ
    home = _user(specification.partition(":")[0], passwd)[3] or "/"
    entry = HOME + home.encode("utf-8", "surrogateescape")
    changed = [entry if given.startswith(HOME) else given for given in environ]
    return changed if entry in changed else [*changed, entry]


def _user(user: str, passwd: StrPath) -> tuple[int, str | None, int, str]:
    """Who that is: uid, name, gid, home folder."""
    number = _id(user, "user")
    for fields in _entries(passwd, fields=7):
        if (fields[0] == user) if number is None else (int(fields[2]) == number):
            return int(fields[2]), fields[0], int(fields[3]), fields[5]
    if number is None:
        raise ConfigError(f"MOCK_USER names the user {user!r}, who is not in {passwd}; use the number of the user")
    return number, None, os.getgid(), ""


def _id(text: str, kind: str) -> int | None:
    """The number that `text` is, or None for a name."""
    if not (text.isascii() and text.isdigit()):
        return None
    if int(text) > LARGEST_ID:
        raise ConfigError(f"MOCK_USER names the {kind} {text}, which is larger than {LARGEST_ID}")
    return int(text)


def _entries(path: StrPath, fields: int) -> Iterator[list[str]]:
    """Lines with at least that many fields and whole numbers where ids belong; others are passed over."""
    for line in read_if_there(path).splitlines():
        entry = line.strip().split(":")
        ids = entry[2:4] if fields > 4 else entry[2:3]  # noqa: PLR2004 - passwd has seven fields, group four
        if len(entry) >= fields and all(value.isascii() and value.isdigit() for value in ids):
            yield entry
