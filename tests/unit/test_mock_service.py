"""The rules of the service, row by row; the sources of each row are in docs/mock-protocol.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.config.settings import MetadataOptions
from imds_mock.metadata.tree import VERSIONS, Leaf
from imds_mock.service.messages import Delivery, Request, Response
from imds_mock.service.rules import Service
from imds_mock.service.tokens import Tokens
from support.mockserver import INSTANCE_ID, LEAVES, PROBE_ID, STARTED, snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imds_mock.service.snapshot import Snapshot

NOW = STARTED + 1000
TTL = "x-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "x-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
XFF = {"x-forwarded-for": "10.0.0.1"}


class Asker:
    """Asks a service as one caller."""

    def __init__(self, leaves: Mapping[str, Leaf] = LEAVES, **options: Any) -> None:
        self.snapshot = snapshot(MetadataOptions(**options), leaves)
        self.tokens = Tokens()
        self.service = Service(self, self.tokens, PROBE_ID)

    def snapshot_for(self, _caller: str) -> Snapshot:
        return self.snapshot

    def __call__(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        now: float = NOW,
        caller: str = "10.1.2.3",
    ) -> Response:
        parts = [part for part in path.split("/") if part]
        request = Request(method, path, "/" + "/".join(parts), path.endswith("/"), headers or {})
        return self.service.respond(request, caller, now)

    def token(self, ttl: int = 60, now: float = NOW) -> dict[str, str]:
        return {TOKEN: self("PUT", "/latest/api/token", {TTL: str(ttl)}, now).body.decode()}


def lines(answer: Response) -> dict[str, str]:
    return dict(answer.head.leading + answer.head.trailing)


@pytest.mark.parametrize("tokens", ["optional", "required"])
@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("PUT", "/latest/api/token", {TTL: "1"}, 200),
        ("PUT", "/latest/api/token", {TTL: "21600"}, 200),
        ("PUT", "//latest/api/token", {TTL: "60"}, 200),
        ("PUT", "/latest//api//token", {TTL: "60"}, 200),
        ("PUT", "/latest/api/token", {}, 400),
        ("PUT", "/latest/api/token", {TTL: ""}, 400),
        ("PUT", "/latest/api/token", {TTL: "0"}, 400),
        ("PUT", "/latest/api/token", {TTL: "-1"}, 400),
        ("PUT", "/latest/api/token", {TTL: "21601"}, 400),
        ("PUT", "/latest/api/token", {TTL: "9" * 5000}, 400),
        ("PUT", "/latest/api/token", {TTL: "60.0"}, 400),
        ("PUT", "/latest/api/token", {TTL: "sixty"}, 400),
        ("PUT", "/latest/api/token", {TTL: "٦٠"}, 400),
        ("PUT", "/latest/api/token", {TTL: "60, 60"}, 400),
        ("PUT", "/latest/api/token", {TTL: "60", **XFF}, 403),
        ("PUT", "/latest/api/token", {TTL: "60", "x-forwarded-for": ""}, 403),
        ("PUT", "/latest/api/token", XFF, 403),
        ("PUT", "/latest/api/token/", {TTL: "60"}, 403),
        ("PUT", "/2021-03-23/api/token", {TTL: "60"}, 403),
        ("PUT", "/latest/meta-data/instance-id", {}, 403),
        ("PUT", "/", {}, 403),
        ("GET", "/latest/api/token", {}, 405),
        ("HEAD", "/latest/api/token", {}, 405),
        ("POST", "/latest/api/token", {}, 405),
        ("DELETE", "/latest/api/token", {}, 405),
        ("POST", "/latest/meta-data/", {}, 405),
        ("DELETE", "/latest/meta-data/instance-id", {}, 405),
        ("PATCH", "/latest/user-data", {}, 405),
        ("GET", "/latest/meta-data/instance-id", {"expect": "100-continue"}, 417),
        ("PUT", "/latest/api/token", {TTL: "60", "expect": "100-continue"}, 417),
        ("POST", "/", {"expect": "100-continue"}, 417),
        ("GET", "/latest/meta-data/instance-id", {TOKEN: "AQAEAinvalid"}, 401),
        ("GET", "/latest/meta-data/instance-id", {TOKEN: ""}, 401),
        ("HEAD", "/latest/meta-data/instance-id", {TOKEN: ""}, 401),
        ("GET", "/latest/no/such/thing", {TOKEN: "wrong"}, 401),
    ],
)
def test_status_whatever_the_token_mode(
    tokens: str, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert Asker(http_tokens=tokens)(method, path, headers).status == status


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/latest", 200),
        ("/latest/meta-data/instance-id", 200),
        ("/latest/meta-data/instance-id/", 200),
        ("/latest/meta-data", 200),
        ("/latest/meta-data/", 200),
        ("//latest/meta-data/instance-id", 200),
        ("/latest//meta-data/instance-id", 200),
        ("/latest/dynamic/instance-identity//document/", 200),
        ("/latest/user-data/", 200),
        ("/latest/meta-data/instance-id/more", 404),
        ("/latest/meta-data/spot/instance-action", 404),
        ("/latest/api", 404),
        ("/2021-03-23/api/token", 404),
        ("/1999-01-01/meta-data/", 404),
        ("/meta-data/instance-id", 404),
    ],
)
def test_a_path_with_optional_and_required_tokens(method: str, path: str, status: int) -> None:
    optional, required = Asker(), Asker(http_tokens="required")
    assert optional(method, path).status == status
    assert optional(method, path, XFF).status == status
    assert optional(method, path, optional.token()).status == status
    assert required(method, path).status == 401
    assert required(method, path, required.token()).status == status


def test_a_token_answer_has_the_captured_form() -> None:
    answer = Asker()("PUT", "/latest/api/token", {TTL: "21600"})
    assert answer.token_ttl_seconds == 21_600
    assert len(answer.body) == 56
    assert answer.head.leading == (("Content-Length", "56"),)
    assert answer.head.trailing == (("Content-Type", "text/plain"),)
    assert answer.hop_limit is None


def test_answers_to_a_token_say_what_is_left_of_it_and_others_do_not() -> None:
    ask = Asker()
    token = ask.token(21_600)
    for path, status in (("/latest/meta-data/ami-id", 200), ("/latest/meta-data/", 200), ("/latest/nothing", 404)):
        answer = ask("GET", path, token, NOW + 17)
        assert (answer.status, answer.token_ttl_seconds) == (status, 21_583)
        assert ask("GET", path).token_ttl_seconds is None
    assert ask("GET", "/latest/meta-data/ami-id", token, NOW + 21_599.5).token_ttl_seconds == 1
    assert ask("GET", "/latest/meta-data/ami-id", token, NOW + 21_600).status == 401


def test_a_token_of_another_instance_is_refused() -> None:
    ask = Asker()
    token = ask.token()
    other = snapshot()
    ask.snapshot = type(other)(other.tree, other.options, b"i-0fedcba9876543210", STARTED)
    assert ask("GET", "/latest/meta-data/ami-id", token).status == 401


def test_headers_of_a_leaf() -> None:
    answer = Asker()("GET", "/latest/meta-data/instance-id")
    assert answer.body == INSTANCE_ID.encode()
    assert answer.head.trailing == ()
    assert answer.head.leading == (
        ("Content-Type", "text/plain"),
        ("Accept-Ranges", "none"),
        ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ("Content-Length", "19"),
    )


def test_user_data_is_returned_byte_for_byte_as_octet_stream() -> None:
    answer = Asker()("GET", "/latest/user-data")
    assert answer.body == b"\x00\xff#!\n"
    assert lines(answer)["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("path", "listing"),
    [
        ("/", "\n".join(VERSIONS)),
        ("/latest/", "dynamic\nmeta-data\nuser-data"),
        ("/1.0/", "meta-data\nuser-data"),
        ("/latest/meta-data/", "ami-id\ninstance-id\nplacement/\npublic-keys/"),
        ("/2020-01-01/meta-data/", None),
        ("/2019-10-01/meta-data/", "ami-id\ninstance-id\npublic-keys/"),
        ("/latest/meta-data/public-keys/", "0=my-key"),
        ("/latest/meta-data/public-keys/0/", "openssh-key"),
    ],
)
def test_listings(path: str, listing: str | None) -> None:
    ask = Asker()
    assert ask("GET", path).status == (404 if listing is None else 200)
    if listing is not None:
        assert ask("GET", path).body.decode() == ask("GET", path.rstrip("/") or "/").body.decode() == listing


def test_tags_are_there_only_when_the_option_shows_them() -> None:
    hidden, shown = Asker(), Asker(instance_metadata_tags="enabled")
    assert hidden("GET", "/latest/meta-data/tags/instance/Name").status == 404
    assert b"tags/" not in hidden("GET", "/latest/meta-data/").body
    assert shown("GET", "/latest/meta-data/tags/instance/").body == b"Name\nempty"
    assert shown("GET", "/latest/meta-data/tags/instance/empty").status == 200
    assert shown("GET", "/latest/meta-data/tags/instance/empty").body == b""


def test_each_dated_version_has_its_own_tree() -> None:
    ask = Asker()
    for version in VERSIONS:
        expected = 200 if version >= "2020-08-24" else 404
        assert ask("GET", f"/{version}/meta-data/placement/region").status == expected
        assert ask("GET", f"/{version}/meta-data/instance-id").status == 200
        assert ask("GET", f"/{version}/meta-data/instance-id", ask.token()).status == 200


def test_the_page_of_404_has_339_bytes() -> None:
    answer = Asker()("GET", "/latest/nothing")
    assert len(answer.body) == 339
    assert answer.body.startswith(b'<?xml version="1.0" encoding="iso-8859-1"?>\n<!DOCTYPE html PUBLIC')
    assert b'\n\t\t "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n' in answer.body
    assert answer.body.count(b"404 - Not Found") == 2
    assert answer.body.endswith(b"</html>\n")
    assert lines(answer) == {"Content-Length": "339", "Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("path", "allow"), [("/latest/api/token", "OPTIONS, PUT"), ("/latest/meta-data/", "OPTIONS, GET, HEAD")]
)
def test_what_is_allowed_is_said(path: str, allow: str) -> None:
    ask = Asker()
    refused = ask("POST", path)
    assert refused.head.status_line == b"HTTP/1.1 405 Not Allowed\r\n"
    assert refused.head.leading == (("Allow", allow), ("Content-Length", "0"))
    assert refused.head.trailing == (("Content-Type", "text/plain"),)
    told = ask("OPTIONS", path)
    assert (told.status, lines(told)["Allow"], told.body) == (200, allow, b"")


@pytest.mark.parametrize("status", [401, 403, 417])
def test_refusals_have_no_body(status: int) -> None:
    asks = {
        401: ("GET", "/", {TOKEN: ""}),
        403: ("PUT", "/", {}),
        417: ("GET", "/", {"expect": "100-continue"}),
    }
    answer = Asker()(*asks[status])
    assert (answer.status, answer.body) == (status, b"")
    assert lines(answer) == {"Content-Length": "0", "Content-Type": "text/plain"}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("PUT", "/latest/api/token"), ("POST", "/x"), ("OPTIONS", "*")]
)
def test_everything_is_403_when_the_endpoint_is_disabled(method: str, path: str) -> None:
    answer = Asker(http_endpoint="disabled")(method, path, {TTL: "60"})
    assert (answer.status, answer.body) == (403, b"")


def test_a_probe_is_answered_before_everything_else_and_does_not_count() -> None:
    probe = {"x-imds-mock-probe": "a", "expect": "100-continue"}
    choices: list[dict[str, Any]] = [
        {},
        {"http_endpoint": "disabled"},
        {"http_tokens": "required"},
        {"http_protocol_ipv6": "disabled"},
    ]
    for options in choices:
        answer = Asker(**options)("GET", "/", probe, caller="fd00::1")
        assert (answer.status, answer.body, answer.counted) == (204, b"", False)
        assert lines(answer) == {"X-Imds-Mock-Id": PROBE_ID}
    assert Asker()("GET", "/latest/", {"x-imds-mock-probe": "a"}).status == 200
    assert Asker()("GET", "/latest/").counted


@pytest.mark.parametrize(
    ("setting", "caller", "delivery"),
    [
        (None, "fd00::1", Delivery.SEND),
        ("enabled", "fd00::1", Delivery.SEND),
        ("disabled", "fd00::1", Delivery.RESET),
        ("disabled", "10.0.0.1", Delivery.SEND),
    ],
)
def test_the_ipv6_endpoint_is_closed_only_by_saying_so(setting: str | None, caller: str, delivery: Delivery) -> None:
    assert Asker(http_protocol_ipv6=setting)("GET", "/", caller=caller).delivery is delivery


@pytest.mark.parametrize(
    ("limit", "hops", "effect", "delivery"),
    [
        (None, 0, "stall", Delivery.SEND),
        (None, 1, "stall", Delivery.STALL),
        (1, 1, "reset", Delivery.RESET),
        (2, 1, "stall", Delivery.SEND),
        (2, 2, "stall", Delivery.STALL),
    ],
)
def test_the_token_answer_is_lost_when_its_hops_are_used_up(
    limit: int | None, hops: int, effect: str, delivery: Delivery
) -> None:
    ask = Asker(http_put_response_hop_limit=limit, container_hops=hops, hop_limit_effect=effect)
    answer = ask("PUT", "/latest/api/token", {TTL: "60"})
    assert (answer.delivery, answer.hop_limit) == (delivery, limit)
    assert ask("GET", "/latest/meta-data/instance-id").delivery is Delivery.SEND


def test_a_leaf_that_comes_and_goes_takes_its_listing_with_it() -> None:
    spot = Leaf(lambda now: b"{}" if now >= NOW + 10 else None, since="2016-11-15", modified=lambda now: now - 1)
    ask = Asker({**LEAVES, "meta-data/spot/instance-action": spot})
    for _ in range(2):
        assert ask("GET", "/latest/meta-data/spot/instance-action").status == 404
        assert b"spot/" not in ask("GET", "/latest/meta-data/").body
        late = ask("GET", "/latest/meta-data/spot/instance-action", now=STARTED + 1010)
        assert (late.status, lines(late)["Last-Modified"]) == (200, "Tue, 14 Nov 2023 22:30:09 GMT")
        assert b"spot/" in ask("GET", "/latest/meta-data/", now=NOW + 10).body


def test_a_swapped_snapshot_is_seen_by_the_next_request() -> None:
    ask = Asker()
    assert ask("GET", "/latest/meta-data/ami-id").body == b"ami-0abcdef1234567890"
    ask.snapshot = snapshot(leaves={**LEAVES, "meta-data/ami-id": Leaf(b"ami-2")})
    assert ask("GET", "/latest/meta-data/ami-id").body == b"ami-2"


def test_what_is_kept_rendered_is_bounded_by_what_exists() -> None:
    ask = Asker()
    for number in range(5000):
        ask("GET", f"/latest/{number}")
    assert ask.snapshot.responses == {}
    assert ask("GET", "/latest/meta-data/ami-id") is ask("GET", "//latest/meta-data/ami-id/")


ruled_by = st.sampled_from([TTL, TOKEN, "expect", "x-forwarded-for", "x-imds-mock-probe", "range"])


@given(
    st.text(max_size=12),
    st.text(max_size=60).map(lambda text: f"/{text}"),
    st.dictionaries(
        st.sampled_from([TTL, TOKEN, "expect", "x-forwarded-for", "x-imds-mock-probe", "range"]), st.text()
    ),
)
def test_nothing_that_is_asked_breaks_it(method: str, path: str, headers: dict[str, str]) -> None:
    assert Asker()(method, path, headers).status in {200, 204, 400, 401, 403, 404, 405, 417}


@given(st.text("0123456789-+. ex", max_size=8))
def test_a_ttl_is_granted_exactly_when_it_is_a_number_within_the_bounds(ttl: str) -> None:
    granted = ttl.isdigit() and 1 <= int(ttl) <= 21_600
    assert Asker()("PUT", "/latest/api/token", {TTL: ttl}).status == (200 if granted else 400)
