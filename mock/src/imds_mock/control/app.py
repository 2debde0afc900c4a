"""The control plane as an ASGI application: routes to operations, and responses for errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from imds_mock.control.problems import EXPECTED, Problem, ProblemError, problem_of, respond
from imds_mock.control.request_stream import EVENT_STREAM
from imds_mock.control.routes.callers import CallerRoutes
from imds_mock.control.routes.clock import ClockRoutes
from imds_mock.control.routes.configuration import ConfigurationRoutes
from imds_mock.control.routes.events import EventRoutes
from imds_mock.control.routes.faults import FaultRoutes
from imds_mock.control.routes.journal import JournalRoutes
from imds_mock.control.routes.leaves import LeafRoutes
from imds_mock.control.routes.metadata import MetadataRoutes
from imds_mock.control.routes.scenarios import ScenarioRoutes
from imds_mock.control.routes.service import ServiceRoutes
from imds_mock.control.routes.settings import SettingRoutes
from imds_mock.control.routes.statistics import StatisticsRoutes
from imds_mock.control.ui.routes import page_routes
from imds_mock.violations.words import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Operation
    from imds_mock.control.pacer import Pacer


def operations(context: ControlContext) -> list[Operation]:
    """List every operation."""
    service = ServiceRoutes(context)
    others = (
        *(ClockRoutes, CallerRoutes, ConfigurationRoutes, SettingRoutes, MetadataRoutes, LeafRoutes),
        *(EventRoutes, ScenarioRoutes, FaultRoutes, JournalRoutes, StatisticsRoutes),
    )
    groups = (service, *(routes(context) for routes in others))
    listed = [replace(operation, group=routes.group) for routes in groups for operation in routes.operations()]
    service.describe(listed)
    return listed


def build(context: ControlContext) -> ASGIApp:
    """Build the application, without the access check."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations(context):
        by_path.setdefault(operation.path, {})[operation.method] = operation
    app = Starlette(
        routes=[
            *(
                Route(path, _endpoint(by_method, context.pacer), methods=by_method)
                for path, by_method in by_path.items()
            ),
            *page_routes(),
        ],
        exception_handlers={
            **dict.fromkeys(EXPECTED, _explain),
            **{status: _path_errors(tuple(by_path)) for status in (404, 405)},
            Exception: _internal_error,
        },
    )
    # A path with a trailing slash is unknown instead of redirected.
    app.router.redirect_slashes = False
    return app


def _endpoint(by_method: Mapping[str, Operation], pacer: Pacer) -> Callable[[Request], Awaitable[Response]]:
    async def run(request: Request) -> Response:
        operation = by_method["GET" if request.method == "HEAD" else request.method]
        if request.method == "HEAD" and operation.answer_media == EVENT_STREAM:
            raise ProblemError(405, "HEAD is not supported for a stream; use GET", {"Allow": "GET"})
        return await operation(request, pacer)

    return run


def _path_errors(paths: tuple[str, ...]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def explain(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            headers = dict(error.headers or {})
            path = request.url.path
            if error.status_code == HTTPStatus.NOT_FOUND:
                like = nearest(path, paths)
                advice = f"did you mean {like}?" if like else "GET /openapi.json lists all paths"
                sentence = f"unknown path {shown(path)}; {advice}"
            else:
                sentence = f"{request.method} is not allowed at {shown(path)}; use {headers.get('Allow')}"
            error = ProblemError(error.status_code, sentence, headers)
        return await _explain(request, error)

    return explain


async def _explain(_request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    assert problem is not None  # noqa: S101 - the exceptions in `EXPECTED` have one
    return respond(problem, getattr(error, "headers", None))


async def _internal_error(_request: Request, _error: Exception) -> Response:
    return respond(Problem("Internal Server Error", 500, "internal error; the log of imds-mock has the details"))
