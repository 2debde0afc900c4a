"""Pages, tokens and slashes with `compatibility: aemm`: as in AEMM or as in the real service."""

from __future__ import annotations

import pytest

from support.aemm import (
    LIFECYCLE,
    LISTINGS,
    MAC,
    PAGES,
    SPOT,
    STARTED,
    TOKEN,
    TTL,
    DropIn,
    lines,
)


@pytest.mark.parametrize(
    "path",
    [
        "/nope", "/latest/meta-data/nope", "/latest/meta-data/INSTANCE-ID", "/latest/meta-data/instance-id/foo",
        "/latest/dynamicfoo", "/latest/user-data/foo", "/latest/api", "/latest/api/", "/2009-04-04", "/1.0/meta-data/",
        "/2021-07-15/meta-data/instance-id", "/1.0",
        # found by AEMM because it looks for parts of names
        *(f"/latest/meta-data/{name}" for name in ("ipv6", "ipv4", "i", "instance", "host", "local", "spo", "macs",
          "maintenance", "placement/avail", "tags/instance/Nam")), f"{MAC[:-4]}", f"{MAC}network-card",
        "/latest/dynamic/doc",
        # documented, but not among AEMM's
        *(f"/latest/meta-data/{name}" for name in ("ancestor-ami-ids", "block-device-mapping/ebs1",
          "events/maintenance/history", "identity-credentials/ec2/info",
          "identity-credentials/ec2/security-credentials/ec2-instance", "managed-ssh-keys/signer-cert",
          "metrics/vhostmd", "profile", "system", "placement/group-id")),
        f"{MAC}ipv4-prefix", f"{MAC}ipv6-prefix", "/latest/dynamic/instance-identity/rsa2048",
    ],
)  # fmt: skip
def test_unknown_paths_get_the_404_page(path: str) -> None:
    answer = DropIn()(path)
    assert answer.status == 404
    assert answer.body.decode() == PAGES["404"]
    assert len(answer.body) == 337
    assert lines(answer) == {
        "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", "Content-Length": "337",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("//", "latest\n"), ("/latest//meta-data", LISTINGS["/latest/meta-data"]),
        ("/latest/meta-data//", LISTINGS["/latest/meta-data"]), ("/latest/meta-data/mac//", "0e:49:61:0f:c3:11"),
        ("//latest/meta-data/instance-id", "i-1234567890abcdef0"),
    ],
)  # fmt: skip
def test_doubled_slashes_count_as_one(path: str, body: str) -> None:
    answer = DropIn()(path)
    assert (answer.status, answer.body.decode()) == (200, body)


@pytest.mark.parametrize("headers", [{}, {TOKEN: ""}, {TOKEN: "bogus"}])
@pytest.mark.parametrize("path", ["/", "/latest", "/latest/meta-data/mac", "/latest/dynamic/fws", "/latest/nope", SPOT])
def test_imdsv2_requires_a_token_on_every_path(path: str, headers: dict[str, str]) -> None:
    ask = DropIn("--imdsv2")
    for method in ("GET", "HEAD"):
        answer = ask(path, headers=headers, method=method)
        assert answer.status == 401
        assert answer.body.decode() == PAGES["401"]
        assert lines(answer) == {
            "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", "Content-Length": "353",
        }  # fmt: skip


def test_imdsv2_with_a_token() -> None:
    ask = DropIn("--imdsv2")
    token = ask("/latest/api/token", method="PUT", headers={TTL: "1"})
    assert (token.status, token.token_ttl_seconds) == (200, 1)
    good = {TOKEN: token.body.decode()}
    assert ask("/latest/meta-data/mac", headers=good).status == 200
    assert ask("/latest/meta-data/mac", STARTED + 1, headers=good).status == 401


def test_a_bad_token_is_rejected_even_if_tokens_are_optional() -> None:
    assert DropIn()("/latest/meta-data/mac", headers={TOKEN: "bogus"}).body.decode() == PAGES["401"]


@pytest.mark.parametrize("ttl", ["0", "-1", "21601", "abc", "", "1.5", "60s", "1e2", None])
def test_a_bad_ttl_gets_the_400_page(ttl: str | None) -> None:
    answer = DropIn()("/latest/api/token", method="PUT", headers={} if ttl is None else {TTL: ttl})
    assert answer.status == 400
    assert answer.body.decode() == PAGES["400"]
    assert lines(answer) == {
        "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", "Content-Length": "351",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        *((method, path, {}, 405) for method in ("POST", "DELETE", "PATCH", "TRACE", "FOO")
          for path in ("/latest/meta-data/mac", "/latest/meta-data", LIFECYCLE)),
        ("GET", "/latest/api/token", {}, 405), ("PUT", "/latest/api/token/", {TTL: "60"}, 403),
        ("PUT", "/latest/api/token", {TTL: "60", "x-forwarded-for": "1.2.3.4"}, 403),
        ("PUT", "/2021-07-15/api/token", {TTL: "60"}, 403),
        ("PUT", "/latest/api/token", {TTL: "60", "expect": "100-continue"}, 417),
    ],
)  # fmt: skip
def test_responses_that_follow_the_real_service(method: str, path: str, headers: dict[str, str], status: int) -> None:
    answer = DropIn()(path, method=method, headers=headers)
    assert (answer.status, answer.body) == (status, b"")
