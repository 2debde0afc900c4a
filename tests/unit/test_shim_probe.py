"""The probe, against servers on loopback that answer byte for byte as the test says."""

from __future__ import annotations

import contextlib
import socket
import threading
from ipaddress import ip_address

import pytest

from imds_shim.announcement import Announcement
from imds_shim.deadline import Deadline
from imds_shim.network.probe import probe
from imds_shim.network.probe_result import NoAnswerError, ProbeResult
from support.http_server import NOT_FOUND, ScriptedHttpServer, as_mock
from support.ports import reserved_port


def ask(server: ScriptedHttpServer, seconds: float = 60) -> ProbeResult:
    return probe(ip_address(server.address), server.port, Deadline(seconds))


def only(prefix: bytes, answer: bytes) -> ScriptedHttpServer:
    return ScriptedHttpServer(lambda head: answer if head.startswith(prefix) else NOT_FOUND)


def test_imds_mock_identifies_itself() -> None:
    with ScriptedHttpServer(as_mock) as server:
        assert ask(server) == ProbeResult("mock", "one", "imds-mock one")
    (head,) = server.requests
    assert head.startswith(b"GET / HTTP/1.1\r\n")
    assert b"\r\nhost: 127.0.0.1:" in head.lower()


def test_over_ipv6() -> None:
    with ScriptedHttpServer(as_mock, "::1") as server:
        assert ask(server).mock_id == "one"
    assert f"\r\nhost: [::1]:{server.port}\r\n".encode() in server.requests[0].lower()


def test_each_probe_has_a_nonce_of_its_own() -> None:
    with ScriptedHttpServer(as_mock) as server:
        ask(server)
        ask(server)
    nonces = {line for head in server.requests for line in head.split(b"\r\n") if b"probe" in line.lower()}
    assert len(nonces) == 2


def test_a_token_with_its_lifetime_identifies_an_imds() -> None:
    token = b"HTTP/1.1 200 OK\r\nX-Aws-Ec2-Metadata-Token-Ttl-Seconds: 1\r\nContent-Length: 3\r\n\r\nabc"
    with only(b"PUT /latest/api/token ", token) as server:
        assert ask(server) == ProbeResult("imds", None, "200 OK")
    assert b"x-aws-ec2-metadata-token-ttl-seconds: 1" in server.requests[1].lower()


ROOT = b"GET /latest/meta-data/ "
LISTING = b"ami-id\nhostname\ninstance-id\nplacement/"
PAGE = b"<!doctype html><title>Shop</title><script src=/instance-id></script>"


def with_body(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*chunks: bytes) -> bytes:
    coded = b"".join(b"%x;x=y\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n" + coded


@pytest.mark.parametrize(
    "answer",
    [
        with_body(LISTING),
        with_body(b"instance-id"),
        with_body(b"ami-id\r\nhostname\r\n"),
        b"HTTP/1.0 200 OK\r\n\r\n" + LISTING,
        chunked(LISTING),
        chunked(b"hostname\ninst", b"ance-id\n"),
        with_body(b"hostname\n" * 5000 + b"instance-id"),
        with_body(b"", status="401 Unauthorized"),
        b"HTTP/1.1 401 Unauthorized\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_the_listing_or_a_bare_401_identifies_an_imds(answer: bytes) -> None:
    with only(ROOT, answer) as server:
        found = ask(server)
    assert (found.kind, found.is_imds) == ("imds", True)


EVERYWHERE = [
    (with_body(PAGE, "Server: nginx/1.25", "Content-Type: text/html"), "200 OK (Server: nginx/1.25)", "text/html"),
    (with_body(b'{"instance-id": 1}', "Content-Type: application/json"), "200 OK", "application/json"),
    (with_body(b""), "200 OK", "no content type"),
    (with_body(b"the instance-id of this page"), "200 OK", "neither instance-id nor ami-id"),
    (with_body(b"hostname\n" * 8000 + b"instance-id"), "200 OK", "neither"),
    (chunked(PAGE), "200 OK", "neither"),
    (chunked(b"x" * 100_000), "200 OK", "neither"),
    (b"HTTP/1.1 200 OK\r\n\r\n" + PAGE, "200 OK", "neither"),
    (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000, "200 OK", "neither"),
    (with_body(b"no", "X-aws-ec2-metadata-token-ttl-seconds: later"), "200 OK", "neither"),
    (with_body(b"log in", status="401 Unauthorized"), "401 Unauthorized", "with a body"),
    (with_body(b"", "WWW-Authenticate: Bearer", status="401 Unauthorized"), "401", "with WWW-Authenticate"),
    (NOT_FOUND, "404 Not Found (Server: nginx/1.25)", ""),
    (b"HTTP/1.1 403 connecting to 169.254.169.254:80\r\nContent-Length: 0\r\n\r\n", "403 connecting to 169.254", ""),
    (with_body(b"", "Location: /login", status="302 Found"), "302 Found", ""),
    (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", "503 Service Unavailable", ""),
    (b"HTTP/1.1 204 No Content\r\n\r\n", "204 No Content", ""),
]


@pytest.mark.parametrize(("answer", "said", "why"), EVERYWHERE)
def test_a_server_with_one_response_to_every_path_is_described(answer: bytes, said: str, why: str) -> None:
    with ScriptedHttpServer(lambda _: answer) as server:
        found = ask(server)
    assert (found.kind, found.is_imds) == ("other", False)
    assert found.description.startswith(said)
    assert why in found.description


def test_a_token_without_its_lifetime_is_not_enough() -> None:
    with only(b"PUT ", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as server:
        assert ask(server).kind == "other"


REFUSAL = b'{"title":"Forbidden","status":403,"detail":"10.0.0.9 may not use the control plane: use it from inside"}'


def test_the_control_plane_is_recognized_at_any_port() -> None:
    answer = with_body(REFUSAL, "Content-Type: application/problem+json", status="403 Forbidden")
    with ScriptedHttpServer(lambda _: answer) as server:
        assert ask(server) == ProbeResult("control", None, "403 Forbidden")


def test_another_api_is_not_the_control_plane() -> None:
    answer = with_body(b'{"status":404}', "Content-Type: application/problem+json", status="404 Not Found")
    with ScriptedHttpServer(lambda _: answer) as server:
        assert ask(server).kind == "other"


def test_an_incomplete_body_does_not_exceed_the_deadline() -> None:
    deadline = Deadline(60)
    unfinished = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\ninstance"
    with ScriptedHttpServer(lambda head: unfinished if head.startswith(ROOT) else NOT_FOUND) as server:
        # The server closes the connection, which ends the body.
        assert probe(ip_address("127.0.0.1"), server.port, deadline).kind == "other"


def test_an_invalid_length_is_not_http() -> None:
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ]
    for answer in answers:
        with only(ROOT, answer) as server, pytest.raises(NoAnswerError, match="answers, but not with HTTP"):
            ask(server)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closes the connection without a response"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "answers, but not with HTTP"),
        (b"HTTP/1.1 200 OK\r\nnot a header\r\n\r\n", "answers, but not with HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "answers, but not with HTTP"),
        (b"HTTP/1.1 200", "closes the connection without a response"),
        (b"\x15\x03\x01\x00\x02\x02\x46", r"not with HTTP \(it expects TLS\)"),
        (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80", r"not with HTTP \(it expects HTTP/2\)"),
        (b"HTTP/2 200\r\n\r\n", r"not with HTTP \(it expects HTTP/2\)"),
        (b"-ERR unknown\r\n", r"not with HTTP \(it begins with '-ERR unknown\\r\\n'\)"),
    ],
)
def test_the_error_says_why_there_was_no_response(answer: bytes, reason: str) -> None:
    with ScriptedHttpServer(lambda _: answer) as server, pytest.raises(NoAnswerError, match=reason):
        ask(server)


@pytest.mark.measures_time
def test_a_server_that_hangs_after_accept_does_not_exceed_the_deadline() -> None:
    deadline = Deadline(0.2)
    with ScriptedHttpServer(lambda _: None) as server:
        with pytest.raises(NoAnswerError, match="accepts the connection but does not answer"):
            probe(ip_address("127.0.0.1"), server.port, deadline)
        assert 0.2 <= deadline.elapsed() < 0.7


@pytest.mark.parametrize("part", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhost"])
def test_a_response_that_stalls_has_its_own_message(part: bytes) -> None:
    def stall(listener: socket.socket) -> None:
        answers = [NOT_FOUND, NOT_FOUND, part] if b"\r\n\r\n" in part else [part]
        with contextlib.ExitStack() as open_ones:
            for answer in answers:
                connection = open_ones.enter_context(listener.accept()[0])
                connection.recv(65536)
                connection.sendall(answer)
            sent.set()
            over.wait()

    sent, over = threading.Event(), threading.Event()
    # Little time is left once the part has arrived, however long that takes.
    deadline = Deadline(60, lambda: 59.9 if sent.is_set() else 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=stall, args=(listener,))
        thread.start()
        try:
            with pytest.raises(NoAnswerError, match="starts a response but does not complete it in time"):
                probe(ip_address("127.0.0.1"), listener.getsockname()[1], deadline)
        finally:
            over.set()
            thread.join()


def test_long_text_from_a_server_is_truncated() -> None:
    answer = with_body(b"", f"Server: {'s' * 5000}", f"Content-Type: {'c' * 5000}", status=f"200 {'r' * 5000}")
    with ScriptedHttpServer(lambda _: answer) as server:
        assert len(ask(server).description) < 500


def test_a_refused_connection() -> None:
    with reserved_port() as port, pytest.raises(NoAnswerError, match="refuses the connection"):
        probe(ip_address("127.0.0.1"), port, Deadline(60))


@pytest.mark.measures_time
def test_a_connection_attempt_without_response_does_not_exceed_the_deadline() -> None:
    # A listener with a full queue drops connection attempts, like a host that does not exist.
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        stack.enter_context(socket.create_connection(listener.getsockname()))
        deadline = Deadline(0.2)
        with pytest.raises(NoAnswerError, match="does not answer the connection attempt"):
            probe(ip_address("127.0.0.1"), listener.getsockname()[1], deadline)
        assert 0.2 <= deadline.elapsed() < 0.7


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedHttpServer(as_mock) as server, ScriptedHttpServer(lambda _: NOT_FOUND) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{proxy.port}")
        assert ask(server).kind == "mock"
    assert proxy.requests == []


def announce(answer: bytes) -> tuple[ProbeResult, bytes]:
    """The result of an announcement that is answered like this, and the first request."""
    with ScriptedHttpServer(lambda _head: answer) as server:
        result = probe(ip_address(server.address), server.port, Deadline(60), Announcement("0" * 32, "w", "role=a"))
        return result, server.requests[0]


def test_an_announcement_is_a_header_of_the_probe() -> None:
    accepted = b"HTTP/1.1 204 No Content\r\nX-Imds-Mock-Id: one\r\nX-Imds-Mock-Announcement: accepted\r\n\r\n"
    result, request = announce(accepted)
    assert result == ProbeResult("mock", "one", "imds-mock one", accepts=True)
    assert f"\r\nX-Imds-Mock-Announcement: {'0' * 32} dw cm9sZT1h\r\n".encode() in request


@pytest.mark.parametrize(("caller", "seen_as"), [("127.0.0.1", ""), ("10.244.0.1", "10.244.0.1")])
def test_an_address_translation_on_the_way_is_found(caller: str, seen_as: str) -> None:
    accepted = (
        "HTTP/1.1 204 No Content\r\nX-Imds-Mock-Id: one\r\nX-Imds-Mock-Announcement: accepted\r\n"
        f"X-Imds-Mock-Caller: {caller}\r\n\r\n"
    )
    assert announce(accepted.encode())[0].seen_as == seen_as


def test_a_refusal_has_the_sentence_of_the_mock() -> None:
    refused = (
        b"HTTP/1.1 400 Bad Request\r\nX-Imds-Mock-Id: one\r\nX-Imds-Mock-Refusal: rol: %C3%BCn%0Aknown 100%25\r\n\r\n"
    )
    assert announce(refused)[0] == ProbeResult("mock", "one", "imds-mock one", refusal="rol: ün known 100%")


def test_an_older_mock_does_not_know_announcements() -> None:
    result, _ = announce(b"HTTP/1.1 204 No Content\r\nX-Imds-Mock-Id: one\r\n\r\n")
    assert (result.kind, result.accepts, result.refusal) == ("mock", False, "")


def test_without_announcement_the_probe_has_no_such_header() -> None:
    with ScriptedHttpServer(as_mock) as server:
        assert ask(server).accepts is False
    assert b"announcement" not in server.requests[0].lower()


def test_a_mock_that_gets_too_many_announcements_is_asked_again() -> None:
    with pytest.raises(NoAnswerError, match="too many announcements"):
        announce(b"HTTP/1.1 503 Service Unavailable\r\nX-Imds-Mock-Id: one\r\nContent-Length: 0\r\n\r\n")


def test_a_refusal_with_a_wrong_escape_is_shown_as_it_is() -> None:
    refused = b"HTTP/1.1 400 Bad Request\r\nX-Imds-Mock-Id: one\r\nX-Imds-Mock-Refusal: 100% %zz %4\r\n\r\n"
    assert announce(refused)[0].refusal == "100% %zz %4"
