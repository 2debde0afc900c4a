"""The status matrix of the service as curl shows it, each row at the true address."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from netlab import Lab
from support.imds_program import running_imds
from support.reference_instance import INSTANCE_ID, ROLE, ZONE, document
from support.status_matrix import EMPTY, LEAF, ROWS, TOKEN, TOKEN_PATH, TTL, WITHOUT_A_TOKEN, Row, header, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.imds_program import ImdsProgram
    from support.instances import Instances

ENDPOINTS = {4: "http://169.254.169.254", 6: "http://[fd00:ec2::254]"}


def ask(imds: ImdsProgram, row: Row, family: int = 4) -> tuple[int, dict[str, str], str]:
    """Status, headers (names in lower case) and body."""
    token = imds.token()
    options = [option.replace("{token}", token) for option in row.options]
    printed = imds.run(["curl", "--silent", "--show-error", "--include", *options, f"{ENDPOINTS[family]}{row.path}"])
    top, _, body = printed.stdout.partition("\n\n")
    status_line, *lines = top.split("\n")
    assert re.fullmatch(r"HTTP/1\.1 \d{3} [A-Z].*", status_line)
    return int(status_line.split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}, body


def check(imds: ImdsProgram, row: Row, family: int = 4) -> None:
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
    deadline = time.monotonic() + 60
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
def test_an_endpoint_that_is_disabled_refuses_everything(
    path: str, options: tuple[str, ...], disabled: ImdsProgram
) -> None:
    printed = disabled.curl(path, "--include", *options)
    assert printed.startswith("HTTP/1.1 403 Forbidden\n")
    assert "\nContent-Length: 0\n" in printed


@pytest.fixture(scope="module")
def disabled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImdsProgram]:
    folder = tmp_path_factory.mktemp("disabled")
    with Lab() as lab, running_imds(document(http_endpoint="disabled"), folder, namespace=lab.namespace("off")) as imds:
        yield imds


EC2_INSTANCE_CONNECT = """
set -e
imds=http://169.254.169.254/latest
token=$(curl -s -f -m 30 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $imds/api/token)
ask() { curl -s -f -m 30 -H "X-aws-ec2-metadata-token: $token" "$imds/meta-data/$1"; }
status() { curl -s -o /dev/null -I -w '%{http_code}' -m 30 -H "X-aws-ec2-metadata-token: $token" "$imds/meta-data/$1"; }
echo "$(status managed-ssh-keys/active-keys/ec2-user/) $(status managed-ssh-keys/active-keys/nobody/)"
echo "$(ask instance-id/) $(ask placement/availability-zone/) $(ask services/domain/)"
ask managed-ssh-keys/signer-cert/ | head -n 1
for name in $(ask managed-ssh-keys/signer-ocsp/); do echo "$name $(ask managed-ssh-keys/signer-ocsp/$name)"; done
ask managed-ssh-keys/active-keys/ec2-user/
"""


def test_ec2_instance_connect_finds_the_pushed_keys(instances: Instances) -> None:
    """The commands of aws-ec2-instance-connect-config, with more patience; every path ends in a slash."""
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
