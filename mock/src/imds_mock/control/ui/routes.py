"""The routes of the page: its files, and the redirect from `/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from imds_mock.control.problems import ProblemError
from imds_mock.control.ui.files import INDEX, read_files
from imds_mock.violations.words import shown

if TYPE_CHECKING:
    from starlette.requests import Request

PAGE: Final = "/ui/"

_ENTRANCES: Final = frozenset({"/", PAGE[:-1]})
_POLICY: Final = "; ".join([
    *("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self'"),
    *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
])  # fmt: skip
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The browser asks each time whether a file has changed, so a new version of the mock shows its own page.
    "Cache-Control": "no-cache",
}


def is_page(path: str) -> bool:
    """Whether a path belongs to the page, whose files are the same for every mock and contain no data of this one."""
    return path in _ENTRANCES or path.startswith(PAGE)


def page_routes() -> list[Route]:
    """Make the routes of the page."""
    files = read_files()

    async def file(request: Request) -> Response:
        name = request.path_params["name"] or INDEX
        found = files.get(name)
        if found is None:
            raise ProblemError(404, f"unknown file {shown(name)} of the page; open {PAGE}")
        headers = {**_HEADERS, "ETag": found.etag}
        if request.headers.get("if-none-match") == found.etag:
            return Response(status_code=304, headers=headers)
        return Response(found.body, headers={**headers, "Content-Type": found.content_type})

    return [
        Route("/", _enter, methods=["GET"]),
        Route(PAGE[:-1], _enter, methods=["GET"]),
        Route(f"{PAGE}{{name:path}}", file, methods=["GET"]),
    ]


async def _enter(request: Request) -> Response:
    """Redirect a browser to the page; tell other clients where the API is described."""
    if request.url.path != "/" or "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(PAGE, 303)
    raise ProblemError(404, f"unknown path '/'; GET /openapi.json lists all paths, and {PAGE} is a page for browsers")
