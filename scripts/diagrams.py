"""The diagrams of the ways in (docs/ways-in.md), as SVG pictures for light and dark pages, from one table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FONTS: Final = "system-ui, -apple-system, Segoe UI, Liberation Sans, sans-serif"
_WIDTH: Final = 860
_BOX_WIDTH: Final = 316
_MOCK_WIDTH: Final = 210
_MARGIN: Final = 16
_LINE: Final = 19
_TITLE: Final = 26
_BETWEEN: Final = 12
_MOCK_LEFT: Final = _WIDTH - _MARGIN - _MOCK_WIDTH


class Palette(NamedTuple):
    """The colors of a diagram."""

    text: str
    dim: str
    line: str
    box: str
    frame: str
    accent: str


PALETTES: Final[Mapping[str, Palette]] = {
    "light": Palette("#1b1c1e", "#5c6066", "#c9cbcf", "#ffffff", "#f5f5f3", "#0a5fb4"),
    "dark": Palette("#ececec", "#a2a6ad", "#4a4d53", "#1e1f22", "#16171a", "#6db3f8"),
}


class Box(NamedTuple):
    """A container or program: its title, and what is in it."""

    title: str
    lines: tuple[str, ...]


class Way(NamedTuple):
    """One way in.

    Attributes:
        frame: What surrounds the boxes on the left; empty for nothing.
        boxes: The containers that use the metadata service, from top to bottom.
        arrow: What leads their requests to the mock, in two lines.
        mock: What is in the box of the mock.
    """

    frame: str
    boxes: tuple[Box, ...]
    arrow: tuple[str, str]
    mock: tuple[str, ...]


_ASKS: Final = "asks 169.254.169.254"

WAYS: Final[Mapping[str, Way]] = {
    "entrypoint-shim": Way(
        "",
        (Box("your container", ("imds-shim starts first, sets the rule,", "then becomes your command", _ASKS)),),
        ("NAT rule in the container", "NET_ADMIN until your command starts"),
        ("any address", "port 80"),
    ),
    "link-local-ip": Way(
        "",
        (Box("your container", ("unchanged", _ASKS, "has another link-local address")),),
        ("both on one link", "no rule, no capability"),
        ("its ordinary address,", "and 169.254.169.254"),
    ),
    "link-local-route": Way(
        "",
        (
            Box(
                "your containers, any number",
                ("imds-shim starts first, sets the route,", "then becomes your command", _ASKS),
            ),
        ),
        ("route on the container's link", "NET_ADMIN until your command starts"),
        ("its ordinary address,", "and 169.254.169.254"),
    ),
    "link-local-network": Way(
        "",
        (Box("your containers, any number", ("unchanged", _ASKS)),),
        ("network 169.254.169.0/24", "one per engine"),
        ("169.254.169.254", "on that network"),
    ),
    "shared-namespace": Way(
        "one network namespace",
        (
            Box("your container", ("unchanged", _ASKS)),
            Box("app_metadata", ("imds-shim sets the rule and ends",)),
        ),
        ("NAT rule in the namespace", "NET_ADMIN for app_metadata alone"),
        ("any address", "port 80"),
    ),
    "kubernetes": Way(
        "Pod",
        (
            Box("init container imds", ("imds-shim sets the rule and ends",)),
            Box("your container", ("unchanged", _ASKS)),
        ),
        ("NAT rule in the Pod", "NET_ADMIN for the init container"),
        ("behind a Service",),
    ),
    "environment": Way(
        "",
        (Box("your container", ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "the SDK asks the mock by its name")),),
        ("ordinary HTTP", "no rule, no capability"),
        ("any address", "any port"),
    ),
    "host": Way(
        "your machine, no containers",
        (Box("your program", ("in an IDE, a debugger or a test run", _ASKS)),),
        ("imds-mock host up", "redirects on this machine"),
        ("imds-mock serve", "on loopback"),
    ),
}


def diagram(way: Way, palette: Palette) -> str:
    """A way in as an SVG picture, which refers to no other file."""
    framed = 30 if way.frame else 0
    inner = sum(map(_height, way.boxes)) + _BETWEEN * (len(way.boxes) - 1)
    height = inner + 2 * _MARGIN + framed + (10 if framed else 0)
    parts = list(_frame(way.frame, height, palette)) if way.frame else []
    top = float(_MARGIN + framed)
    middle = top + inner / 2
    for box in way.boxes:
        parts += _box(box, _MARGIN + (12 if framed else 0), top, palette)
        top += _height(box) + _BETWEEN
    mock = Box("imds-mock", way.mock)
    parts += _box(mock, _MOCK_LEFT, middle - _height(mock) / 2, palette)
    left = _MARGIN + _BOX_WIDTH + (24 if framed else 0)
    parts += _arrow(way.arrow, left, middle, palette)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}" '
        f'font-family="{_FONTS}" font-size="14">\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _frame(title: str, height: float, palette: Palette) -> Iterator[str]:
    yield (
        f'<rect x="{_MARGIN}" y="8" width="{_BOX_WIDTH + 24}" height="{height - 16:g}" rx="10" '
        f'fill="{palette.frame}" stroke="{palette.line}" stroke-dasharray="4 4"/>'
    )
    yield _text(_MARGIN + 14, 30, title, f'fill="{palette.dim}"')


def _box(box: Box, left: float, top: float, palette: Palette) -> Iterator[str]:
    width = _MOCK_WIDTH if left == _MOCK_LEFT else _BOX_WIDTH
    yield (
        f'<rect x="{left:g}" y="{top:g}" width="{width}" height="{_height(box)}" rx="8" '
        f'fill="{palette.box}" stroke="{palette.line}"/>'
    )
    yield _text(left + 14, top + 22, box.title, f'fill="{palette.text}" font-weight="600"')
    for number, line in enumerate(box.lines):
        yield _text(left + 14, top + 22 + _LINE * (number + 1), line, f'fill="{palette.dim}"')


def _height(box: Box) -> int:
    return _TITLE + _LINE * len(box.lines) + 10


def _arrow(labels: tuple[str, str], left: float, middle: float, palette: Palette) -> Iterator[str]:
    right = _MOCK_LEFT - 4
    yield (
        f'<path d="M{left + 4:g} {middle:g}H{right - 7:g}" stroke="{palette.accent}" stroke-width="2" fill="none"/>'
        f'<path d="M{right:g} {middle:g}l-9 -5v10z" fill="{palette.accent}"/>'
    )
    center, small = (left + _MOCK_LEFT) / 2, 'text-anchor="middle" font-size="12.5"'
    yield _text(center, middle - 9, labels[0], f'fill="{palette.accent}" font-weight="600" {small}')
    yield _text(center, middle + 20, labels[1], f'fill="{palette.dim}" {small}')


def _text(left: float, base: float, text: str, attributes: str) -> str:
    return f'<text x="{left:g}" y="{base:g}" {attributes}>{escape(text)}</text>'
