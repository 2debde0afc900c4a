"""Events of the drop-in: from the start, after delays or at trigger times, for a limited number of clients."""

from __future__ import annotations

import json

import pytest

from support.aemm import (
    END,
    EVENTS,
    LIFECYCLE,
    PAGES,
    REBALANCE,
    SCHEDULED,
    SPOT,
    STARTED,
    DropIn,
    described,
    lines,
)

EVENT_BODIES = {
    SPOT: ("application/json", '{\n\t"action": "terminate",\n\t"time": "2026-11-23T02:50:14Z"\n}', 59),
    END: ("text/plain", "2026-11-23T02:50:14Z", 20),
    REBALANCE: ("application/json", '{\n\t"noticeTime": "2026-11-23T02:48:14Z"\n}', 41),
    SCHEDULED: (
        "application/json",
        (
            '[\n\t{\n\t\t"Code": "system-reboot",\n\t\t"Description": "The instance is scheduled for system-reboot",'
            '\n\t\t"State": "active",\n\t\t"EventId": "instance-event-1234567890abcdef0",'
            '\n\t\t"NotBefore": "23 Nov 2026 02:48:14 GMT",\n\t\t"NotAfter": "30 Nov 2026 02:48:14 GMT",'
            '\n\t\t"NotBeforeDeadline": "2 Dec 2026 02:48:14 GMT"\n\t}\n]'
        ),
        304,
    ),
    LIFECYCLE: ("text/plain", "Terminated", 10),
}


@pytest.mark.parametrize("path", EVENT_BODIES)
def test_events_are_served_from_the_start(path: str) -> None:
    content_type, body, length = EVENT_BODIES[path]
    answer = DropIn()(path)
    assert answer.status == 200
    assert answer.body.decode() == body
    assert len(answer.body) == length
    assert lines(answer)["Content-Type"] == content_type


def test_times_of_spot_events_follow_the_request_and_scheduled_times_the_start() -> None:
    ask = DropIn()
    later = STARTED + 3600
    assert json.loads(ask(SPOT, later).body)["time"] == "2026-11-23T03:50:14Z"
    assert ask(END, later).body == b"2026-11-23T03:50:14Z"
    assert json.loads(ask(REBALANCE, later).body)["noticeTime"] == "2026-11-23T03:48:14Z"
    assert ask(SCHEDULED, later).body == ask(SCHEDULED).body


@pytest.mark.parametrize(
    ("argv", "present", "absent"),
    [
        ([], EVENTS, set()),
        (["spot"], {SPOT, END, REBALANCE}, {SCHEDULED, LIFECYCLE}),
        (["events"], {SCHEDULED}, {SPOT, END, REBALANCE, LIFECYCLE}),
        (["se"], {SCHEDULED}, {SPOT, END, REBALANCE, LIFECYCLE}),
        (["asglifecycle"], {LIFECYCLE}, {SPOT, END, REBALANCE, SCHEDULED}),
    ],
)
def test_a_subcommand_serves_its_own_events_only(argv: list[str], present: set[str], absent: set[str]) -> None:
    ask = DropIn(*argv)
    assert {path for path in EVENTS if ask.status(path) == 200} == present
    assert {path for path in EVENTS if ask.status(path) == 404} == absent


def test_categories_of_other_subcommands_do_not_exist() -> None:
    spot, events, asg = DropIn("spot"), DropIn("events"), DropIn("asg")
    assert {"spot/", "events/"} < set(spot.listing(""))
    assert "autoscaling/" not in spot.listing("")
    assert spot.listing("events") == ["recommendations/"]
    assert "events/" in events.listing("")
    assert not {"spot/", "autoscaling/"} & set(events.listing(""))
    assert events.listing("events") == ["maintenance/"]
    assert "autoscaling/" in asg.listing("")
    assert not {"spot/", "events/"} & set(asg.listing(""))
    assert asg.status("/latest/meta-data/spot") == 404


@pytest.mark.parametrize(
    ("argv", "path", "due"),
    [
        (["-d", "3"], SPOT, 3),
        (["-d", "3"], END, 3),
        (["-d", "3"], SCHEDULED, 3),
        (["-d", "3"], REBALANCE, 0),
        (["--rebalance-delay-sec", "1"], REBALANCE, 1),
        (["--rebalance-delay-sec", "1"], SPOT, 0),
        (["--mock-trigger-time", "2026-11-23T02:49:14Z"], SPOT, 60),
        (["--mock-trigger-time", "2026-11-23T07:49:14+05:00"], SCHEDULED, 60),
        (["--mock-trigger-time", "2026-11-23T02:49:14Z", "-d", "3"], SPOT, 60),
        (["--mock-trigger-time", "2020-01-01T00:00:00Z", "-d", "3"], SPOT, 0),
        (["--mock-trigger-time", "2030-01-01T00:00:00Z"], REBALANCE, 0),
        (["--rebalance-trigger-time", "2026-11-23T02:49:14Z", "--rebalance-delay-sec", "1"], REBALANCE, 60),
        (["-d", "-5"], SPOT, 0),
    ],
)
def test_delays_and_triggers(argv: list[str], path: str, due: int) -> None:
    ask = DropIn(*argv)
    for after in (0, due - 0.001, due, due + 0.001, 10_000_000):
        if after >= 0:
            assert ask.status(path, after) == (200 if after >= due else 404), after
            parent, _, name = path.rpartition("/")
            assert name in ask(parent, STARTED + after).body.decode().split(), "listings do not wait"
    assert ask("/latest/meta-data/instance-action").body == b"none"


@pytest.mark.parametrize(
    "argv", [["--asg-termination-delay-sec", "2"], ["asg", "--asg-termination-trigger-time", "2026-11-23T02:48:16Z"]]
)
def test_the_lifecycle_state_is_in_service_until_its_time(argv: list[str]) -> None:
    ask = DropIn(*argv)
    bodies = [ask(LIFECYCLE, STARTED + after).body for after in (0, 1.999, 2, 10_000_000)]
    assert bodies == [b"InService", b"InService", b"Terminated", b"Terminated"]


@pytest.mark.parametrize("action", ["terminate", "hibernate", "stop"])
def test_configured_spot_values_are_served(action: str) -> None:
    time, notice = "2020-01-07T01:03:47+05:00", "2020-01-08T01:03:47Z"
    ask = DropIn("spot", "-a", action, "-t", time, "-r", notice)
    assert ask(SPOT).body.decode() == f'{{\n\t"action": "{action}",\n\t"time": "{time}"\n}}'
    assert ask(END).body.decode() == time
    assert json.loads(ask(REBALANCE).body) == {"noticeTime": notice}
    assert ask("/latest/meta-data/instance-action").body == b"none"


def test_configured_scheduled_event_with_times_in_gmt() -> None:
    ask = DropIn(
        *("events", "-o", "instance-stop", "-t", "canceled", "-b", "2020-01-07T01:03:47Z"),
        *("-a", "2020-01-08T23:03:47-05:00", "-l", "2020-01-10T01:03:47+05:00"),
        environ={"AEMM_METADATA_VALUES_EVENT_ID": "instance-event-1"},
    )
    assert json.loads(ask(SCHEDULED).body) == [
        {
            "Code": "instance-stop",
            "Description": "The instance is scheduled for instance-stop",
            "State": "canceled",
            "EventId": "instance-event-1",
            "NotBefore": "7 Jan 2020 01:03:47 GMT",
            "NotAfter": "9 Jan 2020 04:03:47 GMT",
            "NotBeforeDeadline": "9 Jan 2020 20:03:47 GMT",
        }
    ]


def test_settings_of_subcommands_apply_without_a_subcommand() -> None:
    ask = DropIn(environ={"AEMM_SPOT_ACTION": "stop", "AEMM_EVENTS_CODE": "instance-reboot"})
    assert json.loads(ask(SPOT).body)["action"] == "stop"
    assert json.loads(ask(SCHEDULED).body)[0]["Code"] == "instance-reboot"


def test_the_first_addresses_are_served_for_each_kind_of_event() -> None:
    ask = DropIn()
    statuses = [ask.status(SPOT, caller=caller) for caller in ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.2")]
    assert statuses == [200, 200, 404, 200]
    assert ask(SPOT, caller="127.0.0.4").body.decode() == PAGES["404"]
    assert ask.status(REBALANCE, caller="127.0.0.4") == 404, "counted together with the spot notice"
    assert ask.status(REBALANCE, caller="127.0.0.3") == 200
    assert [ask.status(SCHEDULED, caller=caller) for caller in ("127.0.0.4", "127.0.0.5", "127.0.0.2")] == [
        200,
        200,
        404,
    ]
    assert [ask.status(LIFECYCLE, caller=caller) for caller in ("127.0.0.6", "127.0.0.7", "127.0.0.2")] == [
        200,
        200,
        404,
    ]
    assert ask("/latest/meta-data/spot", caller="127.0.0.4").body == b"instance-action\ntermination-time"


def test_a_request_before_the_event_counts_and_a_listing_does_not() -> None:
    ask = DropIn("-x", "1", "-d", "10")
    assert ask.status("/latest/meta-data/spot", caller="10.0.0.9") == 200
    assert ask.status(SPOT, caller="10.0.0.1") == 404
    assert ask.status(SPOT, 10, caller="10.0.0.2") == 404
    assert ask.status(SPOT, 10, caller="10.0.0.1") == 200


def test_no_client_and_all_clients() -> None:
    assert DropIn("-x", "0").status(SPOT) == 404
    all_clients = DropIn("-x", "-1")
    assert {all_clients.status(SPOT, caller=f"10.0.0.{n}") for n in range(20)} == {200}


def test_ipv6_clients_are_counted_separately() -> None:
    ask = DropIn("-x", "1")
    assert [ask.status(SPOT, caller=caller) for caller in ("fd00::1", "fd00::2", "fd00::1")] == [200, 404, 200]


def test_admitted_clients_survive_a_reload() -> None:
    ask = DropIn()
    for argv, statuses in (
        (["-x", "1"], [200, 404]),
        (["-x", "2", "-a", "stop"], [200, 200]),
        (["-x", "0"], [200, 404]),
    ):
        ask.snapshot = described("spot", *argv, builder=ask.builder)
        callers = ("10.0.0.1", "10.0.0.2" if argv[1] != "0" else "10.0.0.3")
        assert [ask.status(SPOT, caller=caller) for caller in callers] == statuses
