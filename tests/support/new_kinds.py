"""A copy of the mock with two made-up kinds, to see what appears by itself."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import imds_mock

if TYPE_CHECKING:
    from pathlib import Path

NEW_EVENT: Final = '''
class Eclipse(Event, frozen=True, kw_only=True, tag="eclipse"):
    """Announce an eclipse.

    `eclipse` shows the phase.
    """

    notice_name: ClassVar[str] = "eclipse"
    notice_paths: ClassVar[tuple[str, ...]] = ("meta-data/eclipse",)

    phase: Annotated[Literal["partial", "total"], Meta(description="How much of the sun is hidden.")] = "total"
    warning: Annotated[Duration | None, Meta(description="Time to the maximum (default: unknown).")] = None

    def layers(self, period: Period) -> Iterator[tuple[str, Layer]]:
        """`eclipse`."""
        yield "meta-data/eclipse", Notice(period.window, "latest", self.phase.encode())


AnyEvent = (
    Eclipse |'''
NEW_FAULT: Final = '''
class EchoFault(Fault, frozen=True, kw_only=True, tag="echo"):
    """Repeat the body of the response.

    The body comes several times.
    """

    times: Annotated[Count, Meta(description="How often.", extra={METAVAR: "N", POSITIONAL: True})]

    def apply(self, response: Response, _context: FaultContext, /) -> Response:
        """The repeated body."""
        return replace(response, delay_seconds=0.0, cut_after=self.times)


AnyFault = EchoFault | '''


def copy_with_new_kinds(folder: Path) -> Path:
    """Copy the mock's sources, with the kinds `eclipse` (event) and `echo` (fault).

    Args:
        folder: Where the package is put; for `PYTHONPATH`.
    """
    package = folder / "imds_mock"
    shutil.copytree(imds_mock.__path__[0], package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, start, text in (("events", "\nAnyEvent = (\n", NEW_EVENT), ("faults", "\nAnyFault = ", NEW_FAULT)):
        module = package / name / "kinds.py"
        before = module.read_text()
        assert before.count(start) == 1
        module.write_text(before.replace(start, text))
    return folder
