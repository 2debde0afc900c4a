"""The table "Which container gets what" of docs/netfilter.md; tests run its rows on a bare kernel and in containers."""

from __future__ import annotations

import re
from typing import NamedTuple

from imds_shim.capabilities import NAMES
from support.paths import ROOT

PAGE = ROOT / "docs/netfilter.md"
DEFAULT = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"),
)
"""Docker's default capabilities."""
KERNELS = {"legacy tables": ("legacy",), "nf_tables": ("nft",), "either": ("legacy", "nft")}


class Row(NamedTuple):
    """One row; its cells as written."""

    container: str
    settings: str
    rule_in: str
    application_has: str
    exit_code: str
    says: str

    def missing(self) -> tuple[str, ...]:
        """The back ends that the row's kernel does not have."""
        kernel = re.search(r"kernel without (.*)", self.container)
        return KERNELS[kernel[1]] if kernel else ()

    def added(self) -> tuple[str, ...]:
        """The capabilities in `cap_add`."""
        added = re.search(r"cap_add: \[(.*?)\]", self.container)
        return tuple(added[1].split(", ")) if added else ()

    def dropped(self) -> bool:
        """Whether all other capabilities are dropped."""
        return "cap_drop: [ALL]" in self.container

    def user(self) -> str | None:
        """The numeric `user`, if one is set."""
        user = re.search(r"user: (\d+)", self.container)
        return user[1] if user else None

    def read_only(self) -> bool:
        """Whether the root file system is read-only."""
        return "read_only: true" in self.container

    def variables(self) -> dict[str, str]:
        """The shim's environment variables."""
        return dict(word.split("=") for word in re.findall(r"`(MOCK_.*?)`", self.settings))

    def message(self) -> str:
        """A part of the shim's message."""
        return self.says.removeprefix("``").removesuffix(" ``")

    def capabilities(self) -> list[str]:
        """The application's capabilities, sorted."""
        listed = self.application_has.replace("default", ", ".join(DEFAULT)).replace("nothing", "")
        return sorted(filter(None, listed.split(", ")))

    def __str__(self) -> str:
        return f"{self.container} {self.settings}".replace("`", "")


def rows() -> list[Row]:
    """The rows of the table on the page."""
    text = PAGE.read_text(encoding="utf-8").split("## Which container gets what")[1]
    table = re.findall(r"^\| (.*) \|$", text.split("\n## ")[0], re.MULTILINE)[1:]
    return [Row(*(cell.strip() for cell in re.split(r" ?\| ?", line, maxsplit=5))) for line in table]


def capability_names(mask: str) -> list[str]:
    """The capability names in a hexadecimal mask of /proc/PID/status, sorted."""
    return sorted(name for number, name in enumerate(NAMES) if int(mask, 16) >> number & 1)
