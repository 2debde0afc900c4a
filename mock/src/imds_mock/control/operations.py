"""Operations of the API as values, from which the router and the OpenAPI document are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from starlette.responses import Response

from imds_mock.config.errors import ConfigError
from imds_mock.config.plain_documents import NotJsonError, read_json
from imds_mock.control.problems import ProblemError
from imds_mock.records import Record
from imds_mock.scheduling.checking import completed, read
from imds_mock.scheduling.fields import FieldError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request

    from imds_mock.control.pacer import Pacer

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
NOTE_HEADER: Final = "Imds-Mock-Note"

MAX_BODY_BYTES: Final = 256 * 1024
"""Limit of a request body; lower than that of a file, because bodies are parsed on the event loop."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No query parameters."""


class Call(Record, frozen=True):
    """One valid call of an operation.

    Attributes:
        path: Parts of the path by name.
        query: An instance of the operation's query type.
        body: An instance of its body type; None if it has none.
        request: The request.
    """

    path: Mapping[str, str]
    query: Any
    body: Any
    request: Request


class Noted(NamedTuple):
    """The result of an operation with notes about it.

    Attributes:
        answer: The result.
        notes: Sentences, each of them sent as a header `Imds-Mock-Note`.
    """

    answer: Any
    notes: Sequence[str]


class Operation(Record, frozen=True):
    """One operation.

    Attributes:
        method: HTTP method.
        path: Path with parts in braces; `{name:path}` spans slashes.
        summary: A few words, in the imperative.
        handle: Runs it; returns a value of the type `answer`, or a response.
        answer: Type of the result; None for no content.
        query: Struct of its query parameters; all fields have defaults.
        body: Type of its body; None if it has none.
        body_media: Content type of the body.
        answer_media: Content type of the result.
        status: Status code of success.
        problems: Status codes of errors, besides those that every operation has.
        optional_body: A missing body counts as an empty object.
        body_schema: Documented type of the body, if it is more precise than `body`.
        schema: Documented type of the result, if it is more precise than `answer`.
        group: Heading in the document.
        notes: Whether the result may have notes.
    """

    method: str
    path: str
    summary: str
    handle: Callable[[Call], Awaitable[Any]]
    answer: Any
    query: type[msgspec.Struct] = Nothing
    body: Any = None
    body_media: str = JSON
    answer_media: str = JSON
    status: int = 200
    problems: tuple[int, ...] = ()
    optional_body: bool = False
    body_schema: Any = None
    schema: Any = None
    group: str = ""
    notes: bool = False

    async def __call__(self, request: Request, pacer: Pacer) -> Response:
        """Check a request, run the operation and write its result, each in an iteration of the event loop."""
        await pacer.wait()
        query: dict[str, str] = dict(request.query_params)
        if len(query) < len(request.query_params.multi_items()):
            raise ProblemError(422, "A query parameter is given twice; give each once.")
        sent = await self._read_body(request)
        call = Call(
            request.path_params,
            read(self.query, query, is_strict=False),
            None if self.body is None else read(self.body, sent),
            request,
        )
        await pacer.wait()
        try:
            answer = await self.handle(call)
        except FieldError as error:
            if self.body is not None:
                raise completed(error, self.body, sent) from error
            raise completed(error, self.query, query, is_strict=False) from error
        await pacer.wait()
        notes: Sequence[str] = ()
        if isinstance(answer, Noted):
            answer, notes = answer
        if isinstance(answer, Response):
            return answer
        if self.answer is None:
            response = Response(status_code=204)
        else:
            response = Response(msgspec.json.encode(answer), self.status, media_type=JSON)
        for note in notes:
            response.headers.append(NOTE_HEADER, ascii(note)[1:-1].replace("\\'", "'"))
        return response

    async def _read_body(self, request: Request) -> Any:
        """Read the body as plain values; None if the operation has none."""
        if self.body is None:
            return None
        received = bytearray()
        async for part in request.stream():
            received += part
            if len(received) > MAX_BODY_BYTES:
                raise ProblemError(413, f"The body is larger than {MAX_BODY_BYTES} bytes.", {"Connection": "close"})
        if not received and self.optional_body:
            received += b"{}"
        else:
            media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media not in {JSON, self.body_media}:
                raise ProblemError(415, f"Send the body with the header `Content-Type: {self.body_media}`.")
        try:
            return read_json(received.decode(), "body")
        except ConfigError as error:
            raise ProblemError(400 if isinstance(error, NotJsonError) else 422, str(error)) from error
