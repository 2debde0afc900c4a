"""The rows of the status matrix: curl's options for a request, and the expected response."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.reference_instance import INSTANCE_ID, ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105 - a header's name
TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
LEAF = "/latest/meta-data/instance-id"
NOT_FOUND_BYTES = 339
BAD_REQUEST_BYTES = 343


@dataclass(frozen=True)
class Row:
    """A request and its response. `{token}` in an option stands for a valid token; a body of None is not checked."""

    name: str
    path: str
    options: tuple[str, ...] = ()
    status: int = 200
    body: str | int | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)


def header(text: str) -> tuple[str, str]:
    return ("-H", text)


GOOD = header(f"{TOKEN}: {{token}}")
EMPTY = {"Content-Length": "0", "Content-Type": "text/plain", "Server": "EC2ws", "Connection": "close"}
PAGE = {"Content-Length": str(NOT_FOUND_BYTES), "Server": "EC2ws", "Connection": "close"}
FOUND = {"Content-Type": "text/plain", "Accept-Ranges": "none", "Server": "EC2ws", "Connection": "close"}
METHODS = {"Allow": "OPTIONS, GET, HEAD", **EMPTY}
PUT_TOKEN = {"Allow": "OPTIONS, PUT", **EMPTY}


def put(*headers: str) -> tuple[str, ...]:
    return ("-X", "PUT", *(word for text in headers for word in header(text)))


def granted(seconds: str) -> dict[str, str]:
    return {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": seconds, "Content-Type": "text/plain", "Connection": "close"}


# The same with tokens optional and required.
ROWS = (
    Row("shortest token life", TOKEN_PATH, put(f"{TTL}: 1"), 200, 56, granted("1")),
    Row("longest token life", TOKEN_PATH, put(f"{TTL}: 21600"), 200, 56, granted("21600")),
    Row("header name in lower case", TOKEN_PATH, put(f"{TTL.lower()}: 60"), 200, 56, granted("60")),
    Row("no token life", TOKEN_PATH, put(), 400, BAD_REQUEST_BYTES),
    *(
        Row(f"token life of {life}", TOKEN_PATH, put(f"{TTL}: {life}"), 400)
        for life in ("0", "-1", "21601", "60s", "6.5", "0x10", "99999999999999999999")
    ),
    Row("token through a proxy", TOKEN_PATH, put(f"{TTL}: 60", "X-Forwarded-For: 10.0.0.1"), 403, 0, EMPTY),
    Row("token with a slash", f"{TOKEN_PATH}/", put(f"{TTL}: 60"), 403, 0, EMPTY),
    Row("token of a dated version", "/2021-03-23/api/token", put(f"{TTL}: 60"), 403, 0, EMPTY),
    Row("PUT elsewhere", LEAF, put(f"{TTL}: 60"), 403, 0, EMPTY),
    Row("PUT with a chunked body", TOKEN_PATH, (*put(f"{TTL}: 60", "Expect:"), "-T", "-"), 200, 56),
    *(
        Row(f"{method} of the token", TOKEN_PATH, ("-X", method), 405, 0, PUT_TOKEN)
        for method in ("GET", "POST", "DELETE")
    ),
    *(
        Row(f"{method} of a leaf", LEAF, ("-X", method, *GOOD), 405, 0, METHODS)
        for method in ("POST", "DELETE", "PATCH")
    ),
    Row("Expect", LEAF, (*GOOD, *header("Expect: 100-continue")), 417),
    Row("Expect with the token", TOKEN_PATH, (*put(f"{TTL}: 60"), *header("Expect: 100-continue")), 417),
    Row("leaf", LEAF, GOOD, 200, INSTANCE_ID, FOUND),
    Row("leaf with a slash", f"{LEAF}/", GOOD, 200, INSTANCE_ID),
    Row("leaf behind doubled slashes", "//latest//meta-data///instance-id", GOOD, 200, INSTANCE_ID),
    Row("document as boto 2 asks", "/latest/dynamic/instance-identity//document/", GOOD, 200),
    Row("leaf of a dated version", "/2009-04-04/meta-data/instance-id", GOOD, 200, INSTANCE_ID),
    Row("leaf through a proxy", LEAF, (*GOOD, *header("X-Forwarded-For: 10.0.0.1")), 200, INSTANCE_ID),
    Row("leaf by another name of the host", LEAF, (*GOOD, *header("Host: metadata.internal")), 200, INSTANCE_ID),
    Row("part of a leaf", LEAF, (*GOOD, "--range", "0-1"), 200, INSTANCE_ID),
    Row("HTTP 1.0", LEAF, (*GOOD, "--http1.0"), 200, INSTANCE_ID, FOUND),
    Row("kept alive", LEAF, (*GOOD, *header("Connection: keep-alive")), 200, INSTANCE_ID, {"Connection": None}),
    Row("HEAD", LEAF, (*GOOD, "--head"), 200, "", {"Content-Length": str(len(INSTANCE_ID)), **FOUND}),
    Row("HEAD of nothing", "/latest/nothing", (*GOOD, "--head"), 404, "", PAGE),
    Row("listing", "/latest/", GOOD, 200, "dynamic\nmeta-data\nuser-data", FOUND),
    Row("listing without a slash", "/latest/meta-data/iam/security-credentials", GOOD, 200, ROLE),
    Row("JSON leaf", "/latest/dynamic/instance-identity/document", GOOD, 200, None, FOUND),
    Row("user data", "/latest/user-data", GOOD, 200, None, {"Content-Type": "application/octet-stream"}),
    Row("nothing", "/latest/meta-data/nothing", GOOD, 404, NOT_FOUND_BYTES, PAGE),
    Row("absent category", "/latest/meta-data/elastic-gpus/", GOOD, 404, NOT_FOUND_BYTES, PAGE),
    Row("below a leaf", f"{LEAF}/more", GOOD, 404, NOT_FOUND_BYTES, PAGE),
    Row("version that never was", "/2010-01-01/meta-data/", GOOD, 404, NOT_FOUND_BYTES, PAGE),
    Row("extended credentials", "/latest/meta-data/iam/security-credentials-extended/", GOOD, 404),
    Row("bad token", LEAF, header(f"{TOKEN}: {'A' * 54}=="), 401, 0, EMPTY),
    Row("empty token", LEAF, header(f"{TOKEN};"), 401, 0, EMPTY),
    Row("bad token, nothing there", "/latest/nothing", header(f"{TOKEN}: bad"), 401, 0, EMPTY),
)
WITHOUT_A_TOKEN = (
    Row("leaf", LEAF, (), 200, INSTANCE_ID, {**FOUND, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds": None}),
    Row("listing", "/", (), 200, None, FOUND),
    Row("nothing", "/latest/nothing", (), 404, NOT_FOUND_BYTES, PAGE),
)
