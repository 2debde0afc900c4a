"""HTTP as it goes over the wire: header order, connections, pipelining, bodies that never come, odd requests."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from imds_mock.metadata.tree import Leaf
from imds_mock.wire.connection import Connection
from support.mockserver import INSTANCE_ID, LEAVES, PROBE_ID, Answer, head, read_all, read_answer, running_mock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.service.messages import Response
    from support.mockserver import RunningMock

LEAF = "/latest/meta-data/instance-id"
TTL = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
KEEP = "Connection: keep-alive\r\n"


@pytest.fixture(scope="module")
def mock() -> Iterator[RunningMock]:
    with running_mock() as running:
        yield running


def names(answer: Answer) -> list[str]:
    return [name for name, _ in answer.lines]


def issue(mock: RunningMock) -> str:
    return mock.ask(head("PUT", "/latest/api/token", **{TTL: "21600"})).body.decode()


def test_a_v1_answer_is_what_current_instances_send(mock: RunningMock) -> None:
    with mock.connect() as client:
        client.sendall(head("GET", LEAF).encode())
        raw = read_all(client)
    assert raw == (
        b"HTTP/1.1 200 OK\r\n"
        b"Content-Type: text/plain\r\n"
        b"Accept-Ranges: none\r\n"
        b"Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
        b"Content-Length: 19\r\n"
        b"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
        b"Server: EC2ws\r\n"
        b"Connection: close\r\n"
        b"\r\n" + INSTANCE_ID.encode()
    )


def test_header_order_of_the_other_answers(mock: RunningMock) -> None:
    token = mock.ask(head("PUT", "/latest/api/token", **{TTL: "60"}))
    assert names(token) == [TTL, "Content-Length", "Date", "Server", "Connection", "Content-Type"]
    assert token[TTL] == "60"
    found = mock.get(LEAF, X_aws_ec2_metadata_token=token.body.decode())
    assert names(found)[:3] == [TTL, "Content-Type", "Accept-Ranges"]
    refused = mock.ask(head("POST", "/latest/api/token"))
    assert (refused.status, refused.reason) == (405, "Not Allowed")
    assert names(refused) == ["Allow", "Content-Length", "Date", "Server", "Connection", "Content-Type"]
    missing = mock.get("/latest/nothing", X_aws_ec2_metadata_token=token.body.decode())
    assert names(missing) == [TTL, "Content-Length", "Date", "Server", "Connection", "Content-Type"]
    assert len(missing.body) == int(missing["Content-Length"]) == 339


def test_what_the_real_service_does_not_send_is_not_sent(mock: RunningMock) -> None:
    for answer in (mock.get("/"), mock.get(LEAF), mock.get("/x"), mock.ask(head("PUT", "/"))):
        assert not {"etag", "cache-control", "transfer-encoding", "x-imds-mock-id"} & {n.lower() for n in names(answer)}
        assert answer["Server"] == "EC2ws"


@pytest.mark.parametrize("path", [LEAF, "/latest/meta-data/", "/latest/nothing", "/latest/api/token"])
def test_head_is_get_without_the_body(mock: RunningMock, path: str) -> None:
    asked, told = mock.get(path), mock.ask(head("HEAD", path))
    assert (told.status, told.lines, told.body) == (asked.status, asked.lines, b"")


@pytest.mark.parametrize(
    "connection", ["", "Connection: close\r\n", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"]
)
def test_the_connection_closes_unless_asked_to_stay(mock: RunningMock, connection: str) -> None:
    answer = mock.ask(f"GET {LEAF} HTTP/1.1\r\nHost: x\r\n{connection}\r\n")
    assert (answer.status, answer["Connection"]) == (200, "close")


@pytest.mark.parametrize("value", ["keep-alive", "Keep-Alive", "TE, keep-alive"])
def test_keep_alive_leaves_the_connection_header_out(mock: RunningMock, value: str) -> None:
    with mock.connect() as client:
        for path, status in ((LEAF, 200), ("/latest/nothing", 404), ("/latest/api/token", 405)):
            client.sendall(head("GET", path, Connection=value).encode())
            answer = read_answer(client)
            assert answer.status == status
            assert "Connection" not in answer
        client.sendall(head("GET", LEAF).encode())
        assert Answer.parse(read_all(client))["Connection"] == "close"


@pytest.mark.parametrize("extra", ["", "Connection: keep-alive\r\n"])
def test_http_1_0_is_answered_with_1_1_and_the_end(mock: RunningMock, extra: str) -> None:
    answer = mock.ask(f"GET {LEAF} HTTP/1.0\r\n{extra}\r\n")
    assert (answer.status, answer["Connection"], answer.body) == (200, "close", INSTANCE_ID.encode())


def test_pipelined_requests_are_answered_in_order(mock: RunningMock) -> None:
    paths = [LEAF, "/latest/meta-data/ami-id", "/latest/user-data", "/latest/nothing"]
    with mock.connect() as client:
        client.sendall("".join(head("GET", path, Connection="keep-alive") for path in paths).encode())
        assert [read_answer(client).body for _ in paths[:3]] == [
            INSTANCE_ID.encode(),
            b"ami-0abcdef1234567890",
            b"\x00\xff#!\n",
        ]
        assert read_answer(client).status == 404


def test_what_follows_a_request_that_ends_the_connection_is_not_answered(mock: RunningMock) -> None:
    with mock.connect() as client:
        client.sendall((head("GET", LEAF) + head("GET", "/latest/user-data", Connection="keep-alive")).encode())
        raw = read_all(client)
    assert raw.count(b"HTTP/1.1") == 1


def test_a_request_may_arrive_byte_by_byte(mock: RunningMock) -> None:
    with mock.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head("GET", LEAF, Connection="keep-alive").encode() * 2:
            client.sendall(bytes([byte]))
        assert read_answer(client).status == read_answer(client).status == 200


@pytest.mark.parametrize(
    "body_headers",
    [
        "",
        "Content-Length: 0\r\n",
        "Content-Length: 0\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        "Content-Length: 7\r\n",
        "Transfer-Encoding: chunked\r\n",
    ],
)
def test_a_put_is_answered_without_waiting_for_a_body(mock: RunningMock, body_headers: str) -> None:
    with mock.connect() as client:
        client.sendall(f"PUT /latest/api/token HTTP/1.1\r\nHost: x\r\n{TTL}: 60\r\n{body_headers}\r\n".encode())
        answer = read_answer(client)
        assert (answer.status, len(answer.body)) == (200, 56)


@pytest.mark.parametrize(
    ("framing", "body"),
    [("Content-Length: 5\r\n", "a=b&c"), ("Transfer-Encoding: chunked\r\n", "3\r\na=b\r\n0\r\nX-T: y\r\n\r\n")],
)
def test_a_body_is_dropped_and_the_next_request_answered(mock: RunningMock, framing: str, body: str) -> None:
    with mock.connect() as client:
        client.sendall(f"PUT /latest/api/token HTTP/1.1\r\n{KEEP}{TTL}: 60\r\n{framing}\r\n".encode())
        assert read_answer(client).status == 200
        client.sendall((body + head("GET", LEAF, Connection="keep-alive")).encode())
        assert read_answer(client).body == INSTANCE_ID.encode()


def test_a_client_that_still_sends_its_body_gets_the_answer_first(mock: RunningMock) -> None:
    with mock.connect() as client:
        client.sendall(f"PUT /latest/api/token HTTP/1.1\r\n{TTL}: 60\r\nContent-Length: 60000\r\n\r\n".encode())
        client.sendall(b"x" * 30_000)
        answer = Answer.parse(read_all(client))
        assert (answer.status, len(answer.body)) == (200, 56)


def test_expect_is_refused_at_once(mock: RunningMock) -> None:
    s3fs = f"PUT /latest/api/token HTTP/1.1\r\n{TTL}: 60\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    with mock.connect() as client:
        client.sendall(s3fs.encode())
        answer = read_answer(client)
    assert (answer.status, answer.reason, answer.body) == (417, "Expectation Failed", b"")


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "fd00:ec2::254", "mock_metadata:80", "", "a b"])
def test_host_is_not_checked(mock: RunningMock, host: str) -> None:
    assert mock.ask(f"GET {LEAF} HTTP/1.1\r\nHost: {host}\r\n\r\n").status == 200


def test_host_may_be_missing_and_the_target_absolute(mock: RunningMock) -> None:
    assert mock.ask(f"GET {LEAF} HTTP/1.1\r\n\r\n").status == 200
    assert mock.ask(f"GET http://169.254.169.254{LEAF}?x=y HTTP/1.1\r\n\r\n").body == INSTANCE_ID.encode()


@pytest.mark.parametrize("header", ["x-aws-ec2-metadata-token", "X-aws-ec2-metadata-token", "X-AWS-EC2-METADATA-TOKEN"])
def test_header_names_know_no_case(mock: RunningMock, header: str) -> None:
    assert mock.get(LEAF, **{header: issue(mock)}).status == 200
    assert mock.get(LEAF, **{header: ""}).status == 401


def test_two_different_tokens_are_none(mock: RunningMock) -> None:
    first, second = issue(mock), issue(mock)
    asked = f"GET {LEAF} HTTP/1.1\r\nX-aws-ec2-metadata-token: {first}\r\nX-aws-ec2-metadata-token: {second}\r\n\r\n"
    assert mock.ask(asked).status == 401


@pytest.mark.parametrize(
    "path", [f"{LEAF}?query=1", "/latest/meta-data/instance%2Did", "/latest//meta-data///instance-id//", f"{LEAF}#top"]
)
def test_other_spellings_of_a_path(mock: RunningMock, path: str) -> None:
    assert mock.get(path).body == INSTANCE_ID.encode()


@pytest.mark.parametrize(
    "path", ["/", "/latest", "/latest/", "//latest//", "/latest/meta-data", LEAF + "/", "/x/", "//"]
)
def test_nothing_is_ever_redirected(mock: RunningMock, path: str) -> None:
    assert mock.get(path).status in {200, 404}


@pytest.mark.parametrize("path", ["/latest/../latest/meta-data/", "/latest/meta-data/%00", "/latest/meta-data/%ff%fe"])
def test_paths_are_not_resolved(mock: RunningMock, path: str) -> None:
    assert mock.get(path).status == 404


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\n\n",
        b"NONSENSE\r\n\r\n",
        b"FOO / HTTP/1.1\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET / HTTP/3.7\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_bytes_that_are_no_request_get_400(mock: RunningMock, raw: bytes) -> None:
    answer = mock.ask(raw)
    assert (answer.status, answer.reason, answer["Connection"]) == (400, "Bad Request", "close")
    assert mock.get(LEAF).status == 200


def test_a_client_that_has_finished_sending_is_answered(mock: RunningMock) -> None:
    with mock.connect() as client:
        client.sendall(head("GET", LEAF, Connection="keep-alive").encode())
        client.shutdown(socket.SHUT_WR)
        assert Answer.parse(read_all(client)).body == INSTANCE_ID.encode()


def test_connect_and_options(mock: RunningMock) -> None:
    assert mock.ask("CONNECT example.org:443 HTTP/1.1\r\n\r\n").status == 405
    assert mock.ask("OPTIONS * HTTP/1.1\r\n\r\n").status == 200


def test_the_probe_says_who_it_is_and_nothing_else(mock: RunningMock) -> None:
    answer = mock.get("/", X_Imds_Mock_Probe="n")
    assert (answer.status, answer["X-Imds-Mock-Id"], answer.body) == (204, PROBE_ID, b"")
    assert "Content-Length" not in answer


def test_the_date_is_that_of_the_request() -> None:
    with running_mock() as mock:
        assert mock.get("/")["Date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
        mock.clock.now += 61
        assert mock.get("/")["Date"] == "Tue, 14 Nov 2023 22:14:21 GMT"


def test_the_remaining_life_follows_the_clock_even_for_bytes_seen_before() -> None:
    with running_mock() as mock:
        token = issue(mock)
        for passed in (0, 17, 82, 21_599):
            mock.clock.now = 1_700_000_000 + passed
            assert mock.get(LEAF, X_aws_ec2_metadata_token=token)[TTL] == str(21_600 - passed)
        mock.clock.now += 1
        assert mock.get(LEAF, X_aws_ec2_metadata_token=token).status == 401


def test_observers_hear_of_every_answer_with_the_callers_address() -> None:
    with running_mock() as mock:
        mock.get(LEAF)
        mock.ask(b"\x00\r\n\r\n")
        heard = [(caller, request and request.path, answer.status) for caller, request, answer in mock.journal.entries]
    assert heard == [("127.0.0.1", LEAF, 200), ("127.0.0.1", None, 400)]


def test_both_families_are_served_on_one_port() -> None:
    with running_mock(hosts=()) as mock:
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, mock.port), 60) as client:
                client.sendall(head("GET", LEAF).encode())
                assert Answer.parse(read_all(client)).status == 200
        assert [caller for caller, _, _ in mock.journal.entries] == ["127.0.0.1", "::1"]


def test_a_client_that_reads_slowly_gets_every_byte_and_delays_nobody() -> None:
    document = bytes(range(256)) * 64
    count = 2000
    with running_mock(leaves={**LEAVES, "user-data": Leaf(document)}) as mock, mock.connect(60) as client:
        asked = head("GET", "/latest/user-data", Connection="keep-alive").encode() * count
        sender = threading.Thread(target=client.sendall, args=(asked,))
        sender.start()
        first = read_answer(client)
        assert mock.get(LEAF).status == 200
        opened = [each for each in mock.context.connections if isinstance(each, Connection)]
        buffered = max(connection._transport.get_write_buffer_size() for connection in opened)
        assert buffered < 8 * 2**20
        assert first.body == document
        for _ in range(count - 1):
            assert read_answer(client).body == document
        sender.join()


def test_what_follows_a_late_last_answer_is_not_answered() -> None:
    with running_mock() as mock, mock.connect() as client:
        respond = mock.context.respond
        mock.context.respond = lambda *asked: replace(respond(*asked), delay_seconds=0.05)
        client.sendall(head("GET", LEAF).encode() + b"\x00\r\n\r\n")
        assert read_all(client).count(b"HTTP/1.1") == 1


def test_what_goes_wrong_inside_is_one_500_and_one_report() -> None:
    reports: list[Exception] = []
    with running_mock() as mock:
        respond = mock.context.respond

        def break_once(*_asked: Any) -> Response:
            mock.context.respond = respond
            raise ZeroDivisionError

        mock.context.respond = break_once
        mock.context.report_error = reports.append
        with mock.connect() as client:
            client.sendall(head("GET", LEAF, Connection="keep-alive").encode() * 2)
            assert [read_answer(client).status, read_answer(client).status] == [500, 200]
    assert [type(report) for report in reports] == [ZeroDivisionError]


def test_white_space_around_a_header_value_is_no_part_of_it() -> None:
    with running_mock() as mock:
        token = mock.ask(head("PUT", "/latest/api/token", **{"X-aws-ec2-metadata-token-ttl-seconds": " \t60 \t"}))
        assert token.status == 200
        assert (
            mock.get("/latest/meta-data/ami-id", **{"X-aws-ec2-metadata-token": f"{token.body.decode()} "}).status
            == 200
        )
