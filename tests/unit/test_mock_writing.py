"""Responses as bytes: the order of the lines, and how far the packets go."""

from __future__ import annotations

import socket

import pytest
from msgspec.structs import replace

from imds_mock.service.messages import Head, Response
from imds_mock.service.responses import refusal
from imds_mock.wire.writing import ConnectionHeaders, ResponseWriter
from support.connections import FakeTransport

NOW = 1_700_000_000.25
HEADERS = ConnectionHeaders()
LEAF = Response.content(b"abc", "text/plain", NOW)
DATE = b"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"


def attached(transport: FakeTransport) -> ResponseWriter:
    writer = ResponseWriter()
    writer.attach(transport)
    return writer


def write(*responses: tuple[Response, str, bool], sent_ahead: bytes = b"") -> tuple[bytes, FakeTransport]:
    transport = FakeTransport()
    writer = attached(transport)
    for response, method, is_last in responses:
        writer.write(response, method, HEADERS.closing(NOW) if is_last else HEADERS.staying(NOW))
    writer.flush(sent_ahead)
    return transport.written, transport


@pytest.mark.parametrize(("is_last", "line"), [(False, b""), (True, b"Connection: close\r\n")])
def test_the_connection_header_follows_date_and_server(*, is_last: bool, line: bytes) -> None:
    written, _ = write((LEAF, "GET", is_last))
    assert written == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nAccept-Ranges: none\r\n"
        b"Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Length: 3\r\n"
        + DATE
        + b"Server: EC2ws\r\n"
        + line
        + b"\r\nabc"
    )


def test_the_headers_follow_the_clock() -> None:
    headers = ConnectionHeaders()
    for passed in (0.0, 0.7, 60.0):
        assert (b"22:14:20" in headers.closing(NOW + passed)) == (passed == 60.0)


def test_a_response_to_head_has_no_body_and_a_cut_one_a_part_of_it() -> None:
    assert write((LEAF, "HEAD", True))[0].endswith(b"close\r\n\r\n")
    assert write((replace(LEAF, cut_after=2), "GET", True))[0].endswith(b"\r\n\r\nab")


def test_the_remaining_life_of_a_token_is_the_first_header() -> None:
    written, _ = write((replace(LEAF, token_ttl_seconds=60), "GET", False))
    assert written.split(b"\r\n")[1] == b"X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 60"


def test_an_agent_names_no_server() -> None:
    written, _ = write((Response(Head.build(200, names_server=False)), "GET", True))
    assert b"Server" not in written
    assert DATE in written


def test_bytes_that_were_sent_ahead_are_not_sent_again() -> None:
    assert write((LEAF, "GET", False), sent_ahead=b"H")[0].startswith(b"TTP/1.1 200 OK\r\n")


def test_a_token_response_sets_its_hop_limit_and_the_next_response_restores_it() -> None:
    transport = FakeTransport()
    writer = attached(transport)
    token = replace(LEAF, hop_limit=2)
    writer.write(refusal(404), "GET", HEADERS.staying(NOW))
    writer.write(token, "PUT", HEADERS.staying(NOW))
    assert transport.written.startswith(b"HTTP/1.1 404 "), "what was written before goes with the limit of before"
    writer.write(token, "PUT", HEADERS.staying(NOW))
    writer.flush()
    assert transport.socket.options == [(socket.IPPROTO_IP, socket.IP_TTL, 2)], "a retransmission needs it, too"
    writer.write(LEAF, "GET", HEADERS.staying(NOW))
    assert transport.socket.options[1:] == [(socket.IPPROTO_IP, socket.IP_TTL, -1)]
