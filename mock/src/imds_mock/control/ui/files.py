"""The page's files, read once when the control plane is loaded, so that no request reads files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INDEX: Final = "index.html"

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class PageFile(NamedTuple):
    """One file of the page.

    Attributes:
        body: Its content.
        content_type: Its media type.
        etag: Its entity tag, which changes with the content.
    """

    body: bytes
    content_type: str
    etag: str


def read_files() -> Mapping[str, PageFile]:
    """Read the page's files.

    Returns:
        The files by path below `/ui/`, such as `main.js` or `drive/dialog.js`.
    """
    return dict(_below(Path(__file__).parent / "assets", ""))


def _below(folder: Path, prefix: str) -> Iterator[tuple[str, PageFile]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _below(each, f"{prefix}{each.name}/")
            continue
        content_type = _TYPES.get(each.name[each.name.rfind(".") :])
        if content_type is not None:
            body = each.read_bytes()
            yield prefix + each.name, PageFile(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
