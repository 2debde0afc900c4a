"""The application's capability sets, for each kind of container. Needs real root."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from imds_shim.capabilities import NAMES
from support.shimlab import SHIM, ShimLab, environment

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

DEFAULT = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"),
)
# In a working copy the interpreter may be below a home directory that only its owner may enter.
TO_READ_THE_PROGRAM = ",+dac_read_search"
HARDENED = ("NET_ADMIN", "NET_RAW", "SETPCAP", "SETUID", "SETGID")


class Status(NamedTuple):
    """The application's /proc/self/status, with capability sets as names."""

    inheritable: set[str]
    permitted: set[str]
    effective: set[str]
    bounding: set[str]
    ambient: set[str]
    ids: str
    no_new_privs: bool


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShimLab]:
    assert os.geteuid() == 0, "users and bounding sets of a container can be had by real root only"
    with ShimLab(tmp_path_factory.mktemp("lab")) as made:
        made.serve()
        yield made


def start(
    lab: ShimLab, held: tuple[str, ...], *command: str | Path, user: int = 0, inherited: bool = False, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Start the shim with these capabilities and this user, as an engine does."""
    listed = ",".join(f"+{name.lower()}" for name in held)
    words = [
        "setpriv",
        "--bounding-set",
        f"-all,{listed}".rstrip(",") + TO_READ_THE_PROGRAM * bool(user),
        "--inh-caps",
        (f"-all,{listed}" * inherited or "-all") + TO_READ_THE_PROGRAM * bool(user),
    ]
    if user:
        words += ["--ambient-caps", f"-all{TO_READ_THE_PROGRAM}"]
        words += ["--reuid", str(user), "--regid", str(user), "--clear-groups"]
    shim = [SHIM, *(command or ("cat", "/proc/self/status"))]
    return lab.app.run([*words, *shim], env=environment(**settings), check=False)


def status(done: subprocess.CompletedProcess[str]) -> Status:
    assert done.returncode == 0, done.stderr
    fields = dict(re.findall(r"^(\w+):\t(.*)$", done.stdout, re.MULTILINE))

    def names(kind: str) -> set[str]:
        return {name for number, name in enumerate(NAMES) if int(fields[f"Cap{kind}"], 16) >> number & 1}

    ids = f"{fields['Uid']};{fields['Gid']};{fields['Groups']}".replace("\t", " ")
    no_new_privs = fields["NoNewPrivs"] == "1"
    return Status(names("Inh"), names("Prm"), names("Eff"), names("Bnd"), names("Amb"), ids, no_new_privs)


def rules(lab: ShimLab) -> str:
    return "".join(re.findall(r".*imds-shim.*", lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")))


def test_default_set_and_net_admin_as_root(lab: ShimLab) -> None:
    app = status(start(lab, (*DEFAULT, "NET_ADMIN")))
    assert app.permitted == app.effective == app.bounding == set(DEFAULT)
    assert app.inheritable == app.ambient == set()
    assert app.ids.startswith("0 0 0 0;0 0 0 0;")


def test_default_set_and_net_admin_as_another_user(lab: ShimLab) -> None:
    app = status(start(lab, (*DEFAULT, "NET_ADMIN"), MOCK_USER="1000:1000"))
    assert app.inheritable == app.permitted == app.effective == app.ambient == set()
    assert app.bounding == set(DEFAULT)
    assert app.ids.startswith("1000 1000 1000 1000;1000 1000 1000 1000;")


def test_a_named_user_gets_the_groups_of_the_images_files(tmp_path: Path) -> None:
    users, groups = tmp_path / "passwd", tmp_path / "group"
    users.write_text("app:x:1234:2345::/home/app:/bin/sh\n", encoding="ascii")
    groups.write_text("app:x:2345:\ndocker:x:998:app\naudio:x:29:other,app\n", encoding="ascii")
    with ShimLab(tmp_path) as image:
        image.serve()
        image.app.bind(users, "/etc/passwd")
        image.app.bind(groups, "/etc/group")
        app = status(start(image, (*DEFAULT, "NET_ADMIN"), MOCK_USER="app"))
        assert app.ids == "1234 1234 1234 1234;2345 2345 2345 2345;29 998 "
        missing = start(image, (*DEFAULT, "NET_ADMIN"), MOCK_USER="root")
        assert missing.returncode == 78
        assert "names the user 'root', which is not in /etc/passwd" in missing.stderr
        assert rules(image).count("DNAT") == 1, "the one of the first start"


def test_drop_caps_drops_more(lab: ShimLab) -> None:
    app = status(start(lab, (*DEFAULT, "NET_ADMIN"), MOCK_DROP_CAPS="NET_RAW,CAP_MKNOD"))
    assert app.permitted == app.effective == app.bounding == set(DEFAULT) - {"NET_RAW", "MKNOD"}


def test_keep_caps_keeps_net_admin(lab: ShimLab) -> None:
    app = status(start(lab, (*DEFAULT, "NET_ADMIN"), MOCK_KEEP_CAPS="1"))
    assert app.permitted == app.effective == app.bounding == {*DEFAULT, "NET_ADMIN"}


def test_the_application_cannot_change_the_rule(lab: ShimLab) -> None:
    done = start(lab, (*DEFAULT, "NET_ADMIN"), "nft", "flush", "ruleset")
    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr


def test_the_hardened_example_as_root_and_as_another_user(lab: ShimLab) -> None:
    app = status(start(lab, HARDENED))
    assert app.permitted == app.effective == app.bounding == set(HARDENED) - {"NET_ADMIN"}
    app = status(start(lab, HARDENED, MOCK_USER="1000:1000", MOCK_DROP_CAPS="NET_RAW,SETPCAP,SETUID,SETGID"))
    assert app.inheritable == app.permitted == app.effective == app.ambient == app.bounding == set()


def test_root_without_setpcap_is_refused_before_any_change(lab: ShimLab) -> None:
    lab.shim("--remove")
    done = start(lab, ("NET_ADMIN", "NET_RAW"))
    assert done.returncode == 77
    assert "SETPCAP is missing; it is needed to drop NET_ADMIN from a command that runs as root" in done.stderr
    assert done.stdout == ""
    assert rules(lab) == ""


def test_root_regains_net_admin_from_the_bounding_set(lab: ShimLab) -> None:
    """The reason for the refusal above: dropping only the other sets does not last."""
    words = [
        "setpriv",
        "--bounding-set",
        "-all,+net_admin",
        "capsh",
        "--caps=",
        "--",
        "-c",
        "grep CapPrm /proc/self/status",
    ]
    assert lab.app.run(words).stdout == "CapPrm:\t0000000000001000\n"


def test_root_without_setpcap_under_no_new_privs(lab: ShimLab) -> None:
    app = status(start(lab, ("NET_ADMIN", "NET_RAW", "CHOWN"), MOCK_NO_NEW_PRIVS="1"))
    assert app.permitted == app.effective == {"NET_RAW", "CHOWN"}
    assert app.bounding == {"NET_ADMIN", "NET_RAW", "CHOWN"}
    assert app.no_new_privs


def test_another_user_with_no_new_privs_gains_nothing_from_the_commands_file(lab: ShimLab) -> None:
    """A program file with file capabilities must not get what the shim keeps until exec."""
    make = "mount -t tmpfs none /media; cp /bin/cat /media/; setcap cap_setuid,cap_setgid,cap_dac_override+p /media/cat"
    lab.app.run(["sh", "-ec", make])
    held, words = (*DEFAULT, "NET_ADMIN"), ("/media/cat", "/proc/self/status")
    gained = status(start(lab, held, *words, MOCK_USER="1000:1000"))
    assert gained.permitted == {"SETUID", "SETGID", "DAC_OVERRIDE"}, "the file does carry them"
    app = status(start(lab, held, *words, MOCK_USER="1000:1000", MOCK_NO_NEW_PRIVS="1"))
    assert app.permitted == app.effective == app.inheritable == app.ambient == set()


def test_a_user_switch_without_its_capabilities_is_refused(lab: ShimLab) -> None:
    done = start(lab, ("NET_ADMIN", "NET_RAW"), MOCK_USER="1000:1000")
    assert done.returncode == 77
    assert "SETUID and SETGID are missing; they are needed for MOCK_USER" in done.stderr


def test_a_user_switch_without_setpcap_leaves_the_bounding_set_with_a_warning(lab: ShimLab) -> None:
    done = start(lab, ("NET_ADMIN", "NET_RAW", "SETUID", "SETGID"), MOCK_USER="1000:1000")
    app = status(done)
    assert app.inheritable == app.permitted == app.effective == app.ambient == set()
    assert app.bounding == {"NET_ADMIN", "NET_RAW", "SETUID", "SETGID"}
    assert "NET_ADMIN stays in the bounding set of the application" in done.stderr


def test_an_engine_that_fills_the_inheritable_set(lab: ShimLab) -> None:
    app = status(start(lab, (*DEFAULT, "NET_ADMIN"), inherited=True))
    assert app.permitted == app.effective == app.bounding == app.inheritable == set(DEFAULT)
    app = status(start(lab, (*DEFAULT, "NET_ADMIN"), inherited=True, MOCK_USER="1000:1000"))
    assert app.inheritable == app.permitted == app.effective == app.ambient == set()


def test_a_user_without_capabilities_gets_advice(lab: ShimLab) -> None:
    lab.shim("--remove")
    done = start(lab, (*DEFAULT, "NET_ADMIN"), user=1000)
    assert done.returncode == 77
    assert "remove `user:`, set MOCK_USER=1000" in done.stderr
    assert "A network with link_local_ips needs none" in done.stderr


def test_a_container_without_net_admin_gets_the_line_to_add(lab: ShimLab) -> None:
    done = start(lab, DEFAULT)
    assert done.returncode == 77
    assert "Add `cap_add: [NET_ADMIN]`" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("settings", [{}, {"MOCK_ROUTE": "nat"}, {"MOCK_ROUTE": "route"}, {"MOCK_BACKEND": "nft"}])
def test_it_gets_the_line_before_a_mock_runs(lab: ShimLab, settings: dict[str, str]) -> None:
    """It is the only line; a shim that waited would have logged it."""
    done = start(lab, DEFAULT, user=0, inherited=False, MOCK_PORT="81", **settings)
    assert done.returncode == 77
    assert "Add `cap_add: [NET_ADMIN]`" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_mock_that_needs_no_change_is_awaited(lab: ShimLab) -> None:
    done = start(lab, DEFAULT, MOCK_PORT="81", MOCK_ROUTE="none", MOCK_TIMEOUT_SECONDS="4")
    assert done.returncode == 69


@pytest.mark.parametrize("settings", [{}, {"MOCK_USER": "1000:1000"}, {"MOCK_DROP_CAPS": "NET_RAW,DAC_OVERRIDE"}])
def test_a_failed_command_leaves_no_rule_although_privileges_were_dropped(
    lab: ShimLab, settings: dict[str, str]
) -> None:
    lab.shim("--remove")
    done = start(lab, (*DEFAULT, "NET_ADMIN"), "no-such-command", user=0, inherited=False, **settings)
    assert done.returncode == 127, done.stderr
    assert "cannot undo" not in done.stderr
    assert rules(lab) == ""


def test_the_command_is_looked_up_with_the_applications_rights(lab: ShimLab, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    program = hidden / "program"
    program.write_text("#!/bin/sh\necho ran\n", encoding="ascii")
    program.chmod(0o755)
    hidden.chmod(0o700)
    assert start(lab, (*DEFAULT, "NET_ADMIN"), program).stdout == "ran\n"
    done = start(lab, (*DEFAULT, "NET_ADMIN"), program, MOCK_USER="1000:1000")
    assert done.returncode == 126
    assert "not executable for user 1000" in done.stderr
