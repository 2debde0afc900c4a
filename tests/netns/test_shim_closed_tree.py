"""A shim in a directory that the application's user may not enter, for example below root's home directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.paths import ROOT
from support.shimlab import SHIM, ShimLab, close_to_others, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = (
    *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"),
    *("net_bind_service", "net_raw", "sys_chroot", "mknod", "audit_write", "setfcap", "net_admin"),
)
HELD = {
    "default": DEFAULT,
    "hardened": ("net_admin", "net_raw", "setpcap", "setuid", "setgid"),
    "without setpcap": ("net_admin", "net_raw", "setuid", "setgid"),
}
APP = "4321:4322"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShimLab]:
    assert os.geteuid() == 0, "another user's rights can be had by real root only"
    with ShimLab(tmp_path_factory.mktemp("lab")) as made:
        made.serve()
        close_to_others(made.app, ROOT)
        refused = made.app.run(["setpriv", "--reuid", "4321", "--clear-groups", "ls", ROOT], check=False)
        assert "Permission denied" in refused.stderr
        yield made


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("settings", [{}, {"MOCK_BACKEND": "nft"}, {"MOCK_NO_NEW_PRIVS": "1"}, {"MOCK_FOLLOW": "1"}])
@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("no-such-command", 127, "is not in PATH"),
        ("/etc/passwd", 126, "not executable for user 4321"),
        (str(ROOT / "scripts/check.sh"), 126, "not executable for user 4321"),
    ],
)
def test_a_command_that_cannot_run_leaves_nothing(
    lab: ShimLab, held: str, settings: dict[str, str], command: str, code: int, says: str
) -> None:
    listed = ",".join(f"+{name}" for name in HELD[held])
    words = ["setpriv", "--bounding-set", f"-all,{listed}", "--inh-caps", "-all", "--clear-groups", str(SHIM), command]
    done = lab.app.run(words, env=environment(MOCK_USER=APP, **settings), check=False)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert says in done.stderr.splitlines()[-1]
    for word in ("Traceback", "defect", "could not be taken back"):
        assert word not in done.stderr
    assert "imds-shim" not in lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")
    assert lab.app.run(["ip", "route", "show", "proto", "169"]).stdout == ""


def test_a_start_works_as_another_user(lab: ShimLab) -> None:
    done = lab.app.run([SHIM, "id"], env=environment(MOCK_USER=APP), check=False)
    assert done.stdout == "uid=4321 gid=4322 groups=4322\n", done.stderr


def test_the_application_cannot_read_the_shim(lab: ShimLab) -> None:
    """The permission to read it serves only the removal of the rule; the command is looked up without it."""
    done = lab.app.run([SHIM, "cat", Path(ROOT, "VERSION")], env=environment(MOCK_USER=APP), check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Permission denied" in done.stderr
