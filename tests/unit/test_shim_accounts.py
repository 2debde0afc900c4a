from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from imds_shim.errors import ConfigError
from imds_shim.exec.accounts import Account, command_environment, look_up

if TYPE_CHECKING:
    from pathlib import Path

USERS = """root:x:0:0:root:/root:/bin/sh
# a comment
app:x:1000:1001:An App:/home/app:/bin/sh
twin:x:1000:1002::/:
homeless:x:1007:1007:::
2000:x:3000:3001::/:
broken:x:notanumber:1::/:
short:x
+nis
"""
GROUPS = """root:x:0:
app:x:1001:
docker:x:998:app,other
audio:x:29:app
again:x:29:app
app2:x:1003:application
3005:x:3006:
broken:x:nope:app
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    passwd, group = tmp_path / "passwd", tmp_path / "group"
    passwd.write_text(USERS, encoding="ascii")
    group.write_text(GROUPS, encoding="ascii")
    return passwd, group


@pytest.mark.parametrize(
    ("specification", "account"),
    [
        ("root", Account(0, 0, ())),
        ("app", Account(1000, 1001, (998, 29))),
        # A uid stands for the first entry with that uid, including its group and name.
        ("1000", Account(1000, 1001, (998, 29))),
        ("twin", Account(1000, 1002, ())),
        # A number is never a name, even if an entry has that name.
        ("2000", Account(2000, os.getgid(), ())),
        ("3000", Account(3000, 3001, ())),
        ("4000", Account(4000, os.getgid(), ())),
        ("app:audio", Account(1000, 29, ())),
        ("app:7", Account(1000, 7, ())),
        ("4000:5000", Account(4000, 5000, ())),
        ("0:0", Account(0, 0, ())),
        ("app:3005", Account(1000, 3005, ())),
        ("2147483647", Account(2147483647, os.getgid(), ())),
    ],
)
def test_users_are_found_as_gosu_finds_them(files: tuple[Path, Path], specification: str, account: Account) -> None:
    assert look_up(specification, *files) == account


@pytest.mark.parametrize(
    ("specification", "says"),
    [
        ("nobody", "the user 'nobody', which is not in"),
        ("app:staff", "the group 'staff', which is not in"),
        ("broken", "the user 'broken', which is not in"),
        ("2147483648", "the largest id is 2147483647"),
        ("9" * 5000, "the largest id is 2147483647"),
        ("app:4294967295", "the largest id is 2147483647"),
    ],
)
def test_an_unknown_user_is_named(files: tuple[Path, Path], specification: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        look_up(specification, *files)


def test_an_image_without_the_files_accepts_only_numbers(tmp_path: Path) -> None:
    nothing = (tmp_path / "passwd", tmp_path / "group")
    assert look_up("1000:1000", *nothing) == Account(1000, 1000, ())
    with pytest.raises(ConfigError, match="the user 'app', which is not in"):
        look_up("app", *nothing)


def test_names_that_are_not_utf8_are_ignored(tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_bytes(b"m\xfcller:x:5:5::/:\napp:x:6:6::/:\n")
    assert look_up("app", passwd, tmp_path / "group") == Account(6, 6, ())


@pytest.mark.parametrize(
    ("specification", "home"),
    [
        ("app", b"/home/app"),
        ("app:audio", b"/home/app"),
        ("1000:5", b"/home/app"),
        ("root", b"/root"),
        ("0", b"/root"),
        ("homeless", b"/"),
        ("4000:4000", b"/"),
    ],
)
def test_only_home_changes(files: tuple[Path, Path], specification: str, home: bytes) -> None:
    others = [b"A=1", b"A=2", b"no sign", b"=", b"HOMES=x", b"HOME", b"\xff=\xfe"]
    passwd = files[0]
    assert command_environment(specification, [b"HOME=/root", *others], passwd) == [b"HOME=" + home, *others]
    assert command_environment(specification, [*others, b"HOME="], passwd) == [*others, b"HOME=" + home]
    assert command_environment(specification, others, passwd) == [*others, b"HOME=" + home]
    # Programs differ in which of two entries they read.
    assert command_environment(specification, [b"HOME=/a", b"HOME=/b"], passwd) == [b"HOME=" + home] * 2


def test_without_mock_user_home_is_unchanged(files: tuple[Path, Path]) -> None:
    assert command_environment(None, [b"HOME=/data", b"HOME=/b"], files[0]) == [b"HOME=/data", b"HOME=/b"]


def test_the_home_of_an_unknown_user_is_an_error(files: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match="the user 'nobody', which is not in"):
        command_environment("nobody", [], files[0])


def test_a_home_that_is_not_utf8_is_unchanged(tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_bytes(b"app:x:6:6::/home/m\xfcller:\n")
    assert command_environment("app", [], passwd) == [b"HOME=/home/m\xfcller"]
