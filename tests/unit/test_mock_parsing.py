"""Bytes to requests: the same result however the bytes are cut, and never an exception."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from imds_mock.wire.parsing import Limits, ParseCache, RequestParser

if TYPE_CHECKING:
    from imds_mock.service.messages import Request

path = st.text("ab/%2F-.é?#", max_size=12).map(lambda text: f"/{text}")
name = st.sampled_from(["Host", "X-aws-ec2-metadata-token", "X-Forwarded-For", "Connection", "Expect", "Upgrade"])
value = st.text("ab, ;=é", max_size=8) | st.sampled_from(["keep-alive", "close", "Keep-Alive", "h2c", "Upgrade"])


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    method = draw(st.sampled_from(["GET", "PUT", "HEAD", "POST", "OPTIONS"]))
    version = draw(st.sampled_from(["1.1", "1.1", "1.0"]))
    fields = "".join(f"{key}: {text}\r\n" for key, text in draw(st.lists(st.tuples(name, value), max_size=4)))
    return f"{method} {draw(path)} HTTP/{version}\r\n{fields}\r\n".encode("latin-1")


def parse(pieces: list[bytes], cache: ParseCache | None = None) -> tuple[list[Request], int | None]:
    parser = RequestParser(Limits(), cache or ParseCache())
    requests: list[Request] = []
    for piece in pieces:
        if parser.failure is None:
            requests += parser.feed(piece)
        if any(not request.keep_alive for request in requests):
            break
    return requests, parser.failure


def until_the_end(requests: list[Request]) -> list[Request]:
    last = next((place for place, request in enumerate(requests) if not request.keep_alive), len(requests))
    return requests[: last + 1]


@given(st.lists(heads(), min_size=1, max_size=3), st.lists(st.integers(1, 200), max_size=6))
def test_cutting_the_bytes_changes_nothing(messages: list[bytes], cuts: list[int]) -> None:
    data = b"".join(messages)
    edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert until_the_end(parse(pieces)[0]) == until_the_end(parse([data])[0])


@given(st.lists(heads(), min_size=1, max_size=4))
def test_what_is_remembered_is_what_parsing_gives(messages: list[bytes]) -> None:
    cache = ParseCache()
    for message in messages:
        first, again, fresh = parse([message], cache), parse([message], cache), parse([message])
        assert first == again == fresh


@given(st.lists(st.binary(max_size=40) | heads() | st.sampled_from([b"GET / HTTP/1.1\r\n", b"\r\n"]), max_size=8))
@example([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
@example([b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"\x00"])
@example([b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"zz\r\n"])
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    requests, failure = parse(pieces)
    assert failure in {None, 400, 413, 414, 431}
    for request in requests:
        assert "//" not in request.path
        assert request.path.startswith("/") or request.path == request.target


def test_a_request_is_remembered_only_when_it_is_whole_and_short() -> None:
    cache = ParseCache()
    whole = b"GET / HTTP/1.1\r\n\r\n"
    for data in (whole[:-2], whole + b"G", b"GET / HTTP/1.1\r\nA: %s\r\n\r\n" % (b"b" * 2000), b"\r\n"):
        parse([data], cache)
        assert cache.get(data) is None
    parse([whole[:4], whole[4:]], cache)
    assert cache.get(whole[4:]) is None
    parse([whole], cache)
    assert cache.get(whole) is not None


def test_the_memory_of_the_memo_is_bounded() -> None:
    for padding, most in ((0, 128), (900, 30)):
        cache = ParseCache()
        requests = [b"GET /%d%s HTTP/1.1\r\n\r\n" % (number, b"x" * padding) for number in range(2000)]
        counts = []
        for each in requests:
            parse([each], cache)
            counts.append(len(cache._known))
        kept = [each for each in requests if cache.get(each) is not None]
        assert kept[-1] == requests[-1]
        assert len(kept) <= most
        assert sum(counts) / len(counts) > most / 3, "it fills up again each time that it is cleared"


def test_repeated_fields_are_one_list_and_trailers_are_dropped() -> None:
    head = b"GET / HTTP/1.1\r\nX-Forwarded-For: 1\r\nx-forwarded-for: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    [request] = parse([head + b"0\r\nX-Forwarded-For: 3\r\n\r\n"])[0]
    assert request.headers == {"x-forwarded-for": "1, 2"}


def test_headers_that_nothing_reads_are_dropped() -> None:
    [request] = parse([b"GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nCookie: y\r\n\r\n"])[0]
    assert request.headers == {"host": "a"}


def test_a_user_agent_is_kept_within_bounds() -> None:
    [request] = parse([b"GET / HTTP/1.1\r\nUser-Agent: %b\r\n\r\n" % (b"x" * 9000)])[0]
    assert request.headers == {"user-agent": "x" * 256}


def test_a_request_is_given_before_its_body() -> None:
    parser = RequestParser(Limits(), ParseCache())
    [request] = parser.feed(b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab")
    assert request.method == "PUT"
    assert parser.in_body
    assert parser.feed(b"c") == ()
    assert parser.at_boundary


def test_a_plain_path_is_one_text_with_its_target() -> None:
    (request,), _ = parse([b"GET /latest/meta-data/ami-id HTTP/1.1\r\n\r\n"])
    assert request.path is request.target


def test_a_request_that_an_agent_reads_is_given_with_its_body() -> None:
    head = b"PUT /api/x/task-protection/v1/state HTTP/1.1\r\nHost: 169.254.170.2\r\nContent-Length: 30000\r\n\r\n"
    parser = RequestParser(Limits(), ParseCache())
    assert parser.feed(head) == ()
    assert parser.feed(b"a" * 29_999) == ()
    assert (parser.in_body, parser.at_boundary, parser.failure) == (False, False, None)
    [request] = parser.feed(b"b")
    assert (request.agent, request.body, parser.at_boundary) == ("ecs", b"a" * 29_999 + b"b", True)
    [chunked] = parser.feed(
        head.replace(b"Content-Length: 30000", b"Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n"
    )
    assert chunked.body == b"{}"
    larger = RequestParser(Limits(), ParseCache())
    assert larger.feed(head.replace(b"30000", b"65537")) == ()
    assert larger.failure == 413


def test_by_choice_agents_are_known_by_their_paths() -> None:
    chosen = False
    cache = ParseCache(lambda: chosen)

    def agents(path: str, host: str = "mock_metadata") -> str:
        [request] = parse([f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()], cache)[0]
        assert request.keep_alive == bool(request.agent)
        return request.agent

    paths = {
        "/v1/credentials": "eks",
        "/v2/credentials/x": "ecs",
        "/v2/metadata": "ecs",
        "/v2/stats/abc": "ecs",
        "/v3": "ecs",
        "/v4/x/task": "ecs",
        "/creds": "ecs",
        "/role/web": "ecs",
        "/role-arn/arn:aws:iam::123456789012:role/x/web": "ecs",
        "/api/x/task-protection/v1/state": "ecs",
        "/": "",
        "/v1": "",
        "/latest/meta-data/": "",
        "/latest/api/token": "",
        "/2021-03-23/dynamic": "",
        "/v2": "",
        "/credentials": "",
    }
    for chosen in (True, False, True):
        assert {path: agents(path) for path in paths} == (paths if chosen else dict.fromkeys(paths, ""))
    assert agents("/v1/credentials", "169.254.170.2") == "ecs", "an agent's own address decides"
