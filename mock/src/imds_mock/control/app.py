"""The control plane as an ASGI application: operations and their errors."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from imds_mock.control.following import EVENT_STREAM
from imds_mock.control.problems import FORESEEN, Problem, ProblemError, problem_of, respond
from imds_mock.control.routes.callers import CallerRoutes
from imds_mock.control.routes.configuration import ConfigurationRoutes
from imds_mock.control.routes.events import EventRoutes
from imds_mock.control.routes.faults import FaultRoutes
from imds_mock.control.routes.journal import JournalRoutes
from imds_mock.control.routes.metadata import MetadataRoutes
from imds_mock.control.routes.service import ServiceRoutes
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
    """Every operation there is.

    Args:
        context: What they drive.
    """
    service = ServiceRoutes(context)
    others = (CallerRoutes, ConfigurationRoutes, MetadataRoutes, EventRoutes, FaultRoutes, JournalRoutes)
    rooms = (service, *(room(context) for room in others))
    listed = [replace(operation, group=room.group) for room in rooms for operation in room.operations()]
    service.describe(listed)
    return listed


def build(context: ControlContext) -> ASGIApp:
    """Build the application, without a guard.

    Args:
        context: What it drives.
    """
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations(context):
        by_path.setdefault(operation.path, {})[operation.method] = operation
    app = Starlette(
        routes=[
            Route(path, _endpoint(by_method, context.pacer), methods=by_method) for path, by_method in by_path.items()
        ],
        exception_handlers={
            **dict.fromkeys(FORESEEN, _explain),
            **{status: _explainer_of_the_way(tuple(by_path)) for status in (404, 405)},
            Exception: _apologise,
        },
    )
    # A slash too many is an error here, not another address.
    app.router.redirect_slashes = False
    return app


def _endpoint(by_method: Mapping[str, Operation], pacer: Pacer) -> Callable[[Request], Awaitable[Response]]:
    async def run(request: Request) -> Response:
        operation = by_method["GET" if request.method == "HEAD" else request.method]
        if request.method == "HEAD" and operation.answer_media == EVENT_STREAM:
            raise ProblemError(405, "A stream has no head without a body; use GET.", {"Allow": "GET"})
        return await operation(request, pacer)

    return run


def _explainer_of_the_way(paths: tuple[str, ...]) -> Callable[[Request, Exception], Awaitable[Response]]:
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
    assert problem is not None  # noqa: S101 - everything foreseen has one
    return respond(problem, getattr(error, "headers", None))


async def _apologise(_request: Request, _error: Exception) -> Response:
    return respond(Problem("Internal Server Error", 500, "This is a defect of imds-mock; its log says more."))
