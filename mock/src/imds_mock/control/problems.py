"""Errors of the control plane as problem details (RFC 9457): what is wrong, where, and what to do."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from imds_mock.config.errors import ConfigError, SettingError, dotted
from imds_mock.driving.views import ConflictingPathsError
from imds_mock.events.armed import NotBegunError, TooManyEventsError, UnknownEventError
from imds_mock.faults.armed import TooManyFaultsError, UnknownFaultError
from imds_mock.scheduling.fields import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE: Final = "application/problem+json"

_STATUSES: Final[Mapping[type[Exception], int]] = {
    UnknownEventError: 404,
    UnknownFaultError: 404,
    NotBegunError: 409,
    TooManyEventsError: 409,
    TooManyFaultsError: 409,
    ConflictingPathsError: 409,
}
_PLACE: Final = re.compile(r"(?P<sentence>.*) - at `(?:key in )?\$?(?P<place>[^`]*)`", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_NAMED: Final = re.compile(r"Object (?:contains unknown|missing required) field `(?P<name>[^`]*)`")


class FieldProblem(msgspec.Struct, frozen=True):
    """One field that cannot be accepted.

    Attributes:
        field: Its name, parts separated by slashes.
        detail: What is wrong and how to write it.
    """

    field: str
    detail: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem (RFC 9457, 3).

    Attributes:
        title: What kind of problem it is, the same for all of its kind.
        status: HTTP status code.
        detail: One sentence about this one.
        errors: The fields concerned.
    """

    title: str
    status: int
    detail: str
    errors: tuple[FieldProblem, ...] = ()


class ProblemError(Exception):
    """Ends a call with a problem.

    Args:
        status: HTTP status code.
        detail: One sentence: what is wrong and what to do.
        headers: Further header lines of the answer.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status_code = status
        self.detail = detail
        self.headers = headers


FORESEEN: Final = (
    *(ProblemError, HTTPException, FieldError, ConfigError, SettingError, msgspec.DecodeError, UnicodeDecodeError),
    *_STATUSES,
)
"""The exceptions that have a problem of their own."""


def problem_of(error: Exception) -> Problem | None:
    """Turn an exception into what is said about it; None for one that nobody foresaw."""
    if isinstance(error, FieldError):
        return _problem(422, str(error), FieldProblem(error.field, error.sentence))
    if isinstance(error, ConfigError | SettingError):
        sentence = str(error).removeprefix("configuration: ")
        fields = () if error.path is None else (FieldProblem(dotted(error.path), sentence),)
        return _problem(422, sentence, *fields)
    if isinstance(error, msgspec.ValidationError):
        return _invalid(str(error))
    if isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
        return _problem(400, f"The body is not JSON: {error}")
    if isinstance(error, ProblemError | HTTPException):
        return _problem(error.status_code, error.detail)
    status = _STATUSES.get(type(error))
    return None if status is None else _problem(status, str(error.args[0]))


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Write a problem as an answer."""
    return Response(msgspec.json.encode(problem), problem.status, headers, CONTENT_TYPE)


def _problem(status: int, detail: str, *errors: FieldProblem) -> Problem:
    return Problem(HTTPStatus(status).phrase, status, detail, errors)


def _invalid(message: str) -> Problem:
    found = _PLACE.fullmatch(message)
    sentence, place = (found["sentence"], found["place"]) if found else (message, "")
    steps = [name or index for name, index in _STEP.findall(place)]
    named = _NAMED.match(sentence)
    if named:
        steps.append(named["name"])
    field = "/".join(steps)
    return _problem(422, f"{field}: {sentence}" if field else sentence, FieldProblem(field, sentence))
