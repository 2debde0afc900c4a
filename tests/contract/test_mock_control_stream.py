"""Clients that follow the journal over the control plane's socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

from imds_mock.control.request_stream import MAX_FOLLOWERS
from imds_mock.service import responses
from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import Request
from support.mockcontrol import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.mockcontrol import DrivenMock

LEAF = "/latest/meta-data/instance-id"


def test_a_follower_that_knows_numbers_of_another_run_misses_nothing(mock: DrivenMock) -> None:
    for last_seen in ("1000000", "9" * 5000):
        with connect(mock) as client:
            client.sendall(
                b"GET /v1/requests/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: %b\r\n\r\n" % last_seen.encode()
            )
            with client.makefile("rb") as lines:
                while b"following" not in lines.readline():
                    pass
                mock.get(LEAF)
                while not (line := lines.readline()).startswith(b"data:"):
                    pass
        assert json.loads(line[5:])["path"] == LEAF


def test_a_name_that_is_followed_stays_known_when_others_are_looked_up(mock: DrivenMock) -> None:
    with connect(mock) as client:
        client.sendall(b"GET /v1/requests/stream?caller=local HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with client.makefile("rb") as lines:
            while b"following" not in lines.readline():
                pass
            mock.do("GET", "/v1/requests?caller=other")
            mock.get(LEAF)
            while not (line := lines.readline()).startswith(b"data:"):
                pass
    assert json.loads(line[5:])["path"] == LEAF


def batches(client: socket.socket) -> Iterator[dict[str, Any]]:
    """The batches of a stream of requests."""
    file = client.makefile("rb")
    for line in file:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def test_a_stream_in_batches_is_complete_or_an_even_sample(mock: DrivenMock) -> None:
    last = mock.runtime.journal.last_number
    for _ in range(3):
        mock.get("/latest/meta-data/mac", User_Agent="probe/1.0")
    with socket.create_connection(("127.0.0.1", mock.control_port), timeout=60) as client:
        client.sendall(
            f"GET /v1/requests/stream?after={last}&interval=100ms HTTP/1.1\r\nHost: x.localhost\r\n\r\n".encode()
        )
        found = batches(client)
        earlier = next(found)
        assert [each["number"] for each in earlier["requests"]] == [last + 1, last + 2, last + 3]
        assert {each["user_agent"] for each in earlier["requests"]} == {"probe/1.0"}
        assert (earlier["last"], earlier["skipped"]) == (last + 3, 0)

        def flood() -> None:
            for number in range(1000):
                request = Request("GET", f"/{number}", f"/{number}")
                mock.runtime.journal.record(1.0, Exchange("127.0.0.1", request, responses.refusal(404)), 9)

        mock.run(flood)
        flooded = next(found)
        numbers = [each["number"] - last - 3 for each in flooded["requests"]]
        assert numbers == list(range(10, 1001, 10))
        assert flooded["skipped"] == 900
        assert mock.do("GET", "/v1/status")["followers"] == 1


def test_a_stream_with_a_wrong_interval_is_refused(mock: DrivenMock) -> None:
    for interval in ("0", "11s", "1ms"):
        reply = mock.call("GET", f"/v1/requests/stream?interval={interval}")
        assert (reply.status, reply.json["errors"][0]["field"]) == (422, "interval")


def test_the_stream_shows_requests_as_they_come(mock: DrivenMock) -> None:
    mock.get("/latest/missed")
    last = mock.do("GET", "/v1/requests")[-1]["number"]
    mock.get(LEAF)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(mock.socket_path))
        client.sendall(f"GET /v1/requests/stream HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {last}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.readline() == b": following\n"
        assert next_data(answer)["path"] == LEAF
        mock.get("/latest/user-data")
        assert next_data(answer)["path"] == "/latest/user-data"
        answer.close()


def next_data(answer: http.client.HTTPResponse) -> Any:
    while not (line := answer.readline()).startswith(b"data: "):
        assert line, "the stream has ended"
    return json.loads(line[6:])


def test_a_follower_that_goes_leaves_nothing_behind(mock: DrivenMock) -> None:
    test_the_stream_shows_requests_as_they_come(mock)
    wait_until_nobody_follows(mock)


def followers(mock: DrivenMock) -> int:
    return len(mock.runtime.journal.followers)


def test_the_other_followers_stay_when_one_goes(mock: DrivenMock) -> None:
    wait_until_nobody_follows(mock)
    request = b"GET /v1/requests/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(mock) as staying, staying.makefile("rb") as lines:
        with connect(mock) as leaving, leaving.makefile("rb") as other_lines:
            for client, received in ((staying, lines), (leaving, other_lines)):
                client.sendall(request)
                while b"following" not in received.readline():
                    pass
            assert followers(mock) == 2
        for _ in range(1000):
            mock.get(LEAF)
            if followers(mock) < 2:
                break
        assert followers(mock) == 1


def wait_until_nobody_follows(mock: DrivenMock) -> None:
    # The server notices when it next writes: by then a follower that went has to be gone.
    for _ in range(1000):
        mock.get(LEAF)
        if not mock.runtime.journal.followers:
            return
    raise AssertionError(mock.runtime.journal.followers)


def test_a_burst_of_followers_is_kept_to_the_number_of_places(mock: DrivenMock) -> None:
    wait_until_nobody_follows(mock)
    first_lines = []
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(mock)) for _ in range(MAX_FOLLOWERS * 2)]
        mock.do("GET", "/healthz")  # and all of them are accepted
        sent = threading.Event()
        mock.loop.call_soon_threadsafe(sent.wait, 60)
        for client in clients:
            client.sendall(b"GET /v1/requests/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sent.set()
        for client in clients:
            with client.makefile("rb") as lines:
                first_lines.append(lines.readline().split()[1])
        assert len(mock.runtime.journal.followers) == MAX_FOLLOWERS
    assert sorted(first_lines) == [b"200"] * MAX_FOLLOWERS + [b"503"] * MAX_FOLLOWERS
    wait_until_nobody_follows(mock)
