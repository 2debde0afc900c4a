"""The status matrix of the service as curl shows it, each row at the true address."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from imds import running_imds
from netlab import Lab
from subject import INSTANCE_ID, ROLE, ZONE, document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from imds import Imds
    from instances import Instances

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105 - a header's name
TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
LEAF = "/latest/meta-data/instance-id"
NOT_FOUND_BYTES = 339
BAD_REQUEST_BYTES = 343
ENDPOINTS = {4: "http://169.254.169.254", 6: "http://[fd00:ec2::254]"}


@dataclass(frozen=True)
class Row:
    """A request and its answer. `{token}` in an option is a good token; a body of None is not looked at."""

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


# What does not depend on whether tokens are required.
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


def ask(imds: Imds, row: Row, family: int = 4) -> tuple[int, dict[str, str], str]:
    """Status, headers (names in lower case) and body."""
    token = imds.token()
    options = [option.replace("{token}", token) for option in row.options]
    printed = imds.run(["curl", "--silent", "--show-error", "--include", *options, f"{ENDPOINTS[family]}{row.path}"])
    top, _, body = printed.stdout.partition("\n\n")
    status_line, *lines = top.split("\n")
    assert re.fullmatch(r"HTTP/1\.1 \d{3} [A-Z].*", status_line)
    return int(status_line.split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}, body


def check(imds: Imds, row: Row, family: int = 4) -> None:
    status, headers, body = ask(imds, row, family)
    assert status == row.status
    if isinstance(row.body, int):
        assert len(body) == row.body
    elif row.body is not None:
        assert body == row.body
    assert {name: headers.get(name.lower()) for name in row.headers} == dict(row.headers)


@pytest.mark.parametrize("tokens", ["optional", "required"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_of_the_status_matrix(row: Row, tokens: str, instances: Instances) -> None:
    check(instances[tokens], row)


@pytest.mark.parametrize("row", [ROWS[0], ROWS[3], *(row for row in ROWS if row.name in {"leaf", "nothing", "HEAD"})])
def test_row_over_ipv6(row: Row, instances: Instances) -> None:
    check(instances["required"], row, family=6)


@pytest.mark.parametrize("row", WITHOUT_A_TOKEN, ids=lambda row: row.name)
def test_without_a_token_where_tokens_are_optional(row: Row, instances: Instances) -> None:
    check(instances["optional"], row)


@pytest.mark.parametrize("row", WITHOUT_A_TOKEN, ids=lambda row: row.name)
def test_without_a_token_where_tokens_are_required(row: Row, instances: Instances) -> None:
    check(instances["required"], Row(row.name, row.path, (), 401, 0, EMPTY))


def test_an_answer_to_a_token_says_how_long_the_token_lasts_and_then_it_is_refused(instances: Instances) -> None:
    imds = instances["optional"]
    expiring = Row("expiring", LEAF, header(f"{TOKEN}: {imds.token(2)}"))
    left = []
    deadline = time.monotonic() + 20
    while (answer := ask(imds, expiring))[0] == 200:
        left.append(int(answer[1]["x-aws-ec2-metadata-token-ttl-seconds"]))
        assert time.monotonic() < deadline
    assert answer[0] == 401
    assert left == sorted(left, reverse=True)
    assert set(left) <= {0, 1, 2}


def test_s3fs_is_refused_a_token_and_reads_without_one(instances: Instances) -> None:
    """s3fs 1.90: the role without a token, then a PUT that expects to continue, then on without a token."""
    imds = instances["optional"]
    assert imds.curl("/latest/meta-data/iam/security-credentials/") == ROLE
    asking = (*put(f"{TTL}: 21600"), *header("Expect: 100-continue"), *header("Transfer-Encoding: chunked"), "-T", "-")
    assert ask(imds, Row("s3fs", TOKEN_PATH, asking))[0] == 417
    assert '"Code" : "Success"' in imds.curl(f"/latest/meta-data/iam/security-credentials/{ROLE}")


@pytest.mark.parametrize(
    ("path", "options"),
    [(TOKEN_PATH, put(f"{TTL}: 60")), (LEAF, ()), ("/latest/nothing", ()), ("/", ("--head",))],
)
def test_an_endpoint_that_is_disabled_refuses_everything(path: str, options: tuple[str, ...], disabled: Imds) -> None:
    printed = disabled.curl(path, "--include", *options)
    assert printed.startswith("HTTP/1.1 403 Forbidden\n")
    assert "\nContent-Length: 0\n" in printed


@pytest.fixture(scope="module")
def disabled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imds]:
    folder = tmp_path_factory.mktemp("disabled")
    with Lab() as lab, running_imds(document(http_endpoint="disabled"), folder, namespace=lab.namespace("off")) as imds:
        yield imds


EC2_INSTANCE_CONNECT = """
set -e
imds=http://169.254.169.254/latest
token=$(curl -s -f -m 1 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 5' $imds/api/token)
ask() { curl -s -f -m 1 -H "X-aws-ec2-metadata-token: $token" "$imds/meta-data/$1"; }
status() { curl -s -o /dev/null -I -w '%{http_code}' -m 1 -H "X-aws-ec2-metadata-token: $token" "$imds/meta-data/$1"; }
echo "$(status managed-ssh-keys/active-keys/ec2-user/) $(status managed-ssh-keys/active-keys/nobody/)"
echo "$(ask instance-id/) $(ask placement/availability-zone/) $(ask services/domain/)"
ask managed-ssh-keys/signer-cert/ | head -n 1
for name in $(ask managed-ssh-keys/signer-ocsp/); do echo "$name $(ask managed-ssh-keys/signer-ocsp/$name)"; done
ask managed-ssh-keys/active-keys/ec2-user/
"""


def test_ec2_instance_connect_finds_the_pushed_keys(instances: Instances) -> None:
    """The commands of aws-ec2-instance-connect-config, whose every path ends in a slash."""
    printed = instances["required"].run(["sh", "-c", EC2_INSTANCE_CONNECT]).stdout
    assert printed.splitlines() == [
        "200 404",
        f"{INSTANCE_ID} {ZONE} amazonaws.com",
        "-----BEGIN CERTIFICATE-----",
        "3ac6d2b9f5 MIIBugoBAKCCAbMwggGv",
        *document()["instance"]["managed_ssh_keys"]["active_keys"]["ec2-user"],
    ]


def test_the_server_header_tells_that_this_is_ec2(instances: Instances) -> None:
    for tokens in ("optional", "required"):
        assert "\nServer: EC2ws\n" in instances[tokens].curl("/", "--head")
