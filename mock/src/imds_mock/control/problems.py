"""Errors of the control plane as problem details (RFC 9457): what is wrong, where, and what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from imds_mock.config.errors import ConfigError, SettingError, dotted
from imds_mock.events.armed import NotStartedError, TooManyEventsError, UnknownEventError
from imds_mock.faults.armed import TooManyFaultsError, UnknownFaultError
from imds_mock.scheduling.fields import FieldError
from imds_mock.state.snapshots import ConflictingPathsError
from imds_mock.violations.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE: Final = "application/problem+json"

_STATUSES: Final[Mapping[type[Exception], int]] = {
    UnknownEventError: 404,
    UnknownFaultError: 404,
    NotStartedError: 409,
    TooManyEventsError: 409,
    TooManyFaultsError: 409,
    ConflictingPathsError: 409,
}


class FieldProblem(msgspec.Struct, frozen=True):
    """One invalid field.

    Attributes:
        field: Its path, such as `steps[0].event`.
        detail: What is wrong and how to write it.
    """

    field: str
    detail: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem (RFC 9457, 3).

    Attributes:
        title: The reason phrase of the status.
        status: HTTP status code.
        detail: What is wrong; with several invalid fields, one line for each.
        errors: The invalid fields.
    """

    title: str
    status: int
    detail: str
    errors: tuple[FieldProblem, ...] = ()


class ProblemError(Exception):
    """Ends a call with a problem.

    Args:
        status: HTTP status code.
        detail: What is wrong and what to do, in one sentence.
        headers: Additional headers of the response.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status_code = status
        self.detail = detail
        self.headers = headers


EXPECTED: Final = (
    *(ProblemError, HTTPException, FieldError, ConfigError, SettingError, UnicodeDecodeError),
    *_STATUSES,
)
"""The exceptions that `problem_of` describes."""


def problem_of(error: Exception) -> Problem | None:
    """Describe an exception; None for an unexpected one."""
    if isinstance(error, FieldError):
        return _problem(422, str(error), *(FieldProblem(each.field, each.sentence) for each in error.problems))
    if isinstance(error, SettingError):
        return _problem(422, str(error), FieldProblem(dotted(error.path), str(error)))
    if isinstance(error, ConfigError):
        sentences = [each.sentence.removeprefix("configuration: ") for each in error.problems]
        fields = [
            FieldProblem(dotted(each.path), sentence)
            for each, sentence in zip(error.problems, sentences, strict=True)
            if each.path is not None
        ]
        return _problem(422, listed(sentences), *fields)
    if isinstance(error, UnicodeDecodeError):
        return _problem(400, "body: is not valid JSON: it is not UTF-8 text")
    if isinstance(error, ProblemError | HTTPException):
        return _problem(error.status_code, error.detail)
    status = _STATUSES.get(type(error))
    return None if status is None else _problem(status, str(error.args[0]))


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Make the response for a problem."""
    return Response(msgspec.json.encode(problem), problem.status, headers, CONTENT_TYPE)


def _problem(status: int, detail: str, *errors: FieldProblem) -> Problem:
    return Problem(HTTPStatus(status).phrase, status, detail, errors)
