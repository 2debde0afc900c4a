"""Each row of the table in docs/netfilter.md, made as the row says. Needs real root."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from imds_shim.capabilities import NAMES
from shimlab import ROOT, SHIM, ShimLab, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"),
)
KERNELS = {"legacy tables": "legacy", "nf_tables": "nft", "either": "legacy,nft"}


class Row(NamedTuple):
    """One row, its cells as they are written."""

    container: str
    settings: str
    rule_in: str
    application_has: str
    exit_code: str
    says: str


def rows() -> list[Row]:
    text = (ROOT / "docs/netfilter.md").read_text(encoding="utf-8").split("## Which container gets what")[1]
    table = re.findall(r"^\| (.*) \|$", text.split("\n## ")[0], re.MULTILINE)[1:]
    return [Row(*(cell.strip() for cell in re.split(r" ?\| ?", line, maxsplit=5))) for line in table]


def wrapper(container: str) -> list[str]:
    """The programs that put the shim into such a container."""
    added = re.search(r"cap_add: \[(.*?)\]", container)
    held = [*(() if "cap_drop: [ALL]" in container else DEFAULT), *(added[1].split(", ") if added else ())]
    words = [
        "setpriv",
        "--bounding-set",
        ",".join(["-all", *(f"+{name.lower()}" for name in held)]),
        "--inh-caps",
        "-all",
    ]
    user = re.search(r"user: (\d+)", container)
    if user:
        words += ["--reuid", user[1], "--regid", user[1], "--clear-groups"]
    kernel = re.search(r"kernel without (.*)", container)
    if kernel:
        words = [sys.executable, str(ROOT / "tests/kernel_without.py"), KERNELS[kernel[1]], *words]
    if "read_only: true" in container:
        # The working directory is a mount of its own there.
        remount = 'mount --rbind / /mnt && mount -o remount,bind,ro /mnt && exec chroot /mnt "$@"'
        words = ["unshare", "--mount", "sh", "-ec", remount, "sh", *words]
    return words


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShimLab]:
    assert os.geteuid() == 0, "containers like these can be had by real root only"
    with ShimLab(tmp_path_factory.mktemp("lab")) as made:
        made.serve()
        yield made


def test_the_table_is_there() -> None:
    assert len(rows()) == 20


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.container} {row.settings}".replace("`", ""))
def test_row(lab: ShimLab, row: Row) -> None:
    lab.shim("--remove")
    settings = dict(word.split("=") for word in re.findall(r"`(MOCK_.*?)`", row.settings))
    command = [*wrapper(row.container), str(SHIM), "grep", "CapEff", "/proc/self/status"]
    done = lab.app.run(command, env=environment(**settings), check=False)
    assert done.returncode == int(row.exit_code), done.stderr
    assert row.says.removeprefix("``").removesuffix(" ``") in done.stderr
    tables = {"legacy": lab.tool("iptables-legacy-save"), "nft": lab.tool("nft", "list", "ruleset")}
    assert [name for name, text in tables.items() if "imds-shim" in text] == ([row.rule_in] if row.rule_in else [])
    if done.returncode == 0:
        effective = int(done.stdout.split()[1], 16)
        names = [name for number, name in enumerate(NAMES) if effective >> number & 1]
        listed = row.application_has.replace("default", ", ".join(DEFAULT)).replace("nothing", "")
        assert sorted(names) == sorted(filter(None, listed.split(", ")))
    else:
        assert (done.stdout, row.application_has) == ("", "")
