"""Role credentials: their format, renewal and reproducibility, and the failures that EC2 shows."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.config.errors import ConfigError
from imds_mock.credentials.generated import GeneratedCredentials
from imds_mock.credentials.refreshable import NotRefreshed
from imds_mock.credentials.sources import select_source
from imds_mock.metadata.instance import derive
from imds_mock.metadata.tree import LATEST
from support.metadata import STARTED, Metadata

if TYPE_CHECKING:
    from imds_mock.signing.signer import Signer

ROLE = "iam/security-credentials/my-role"
KEYS = ["Code", "LastUpdated", "Type", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"]
HOUR = 3600
SOURCE = GeneratedCredentials("seed", "123456789012", "us-east-1", anchor=1000.0, renew_seconds=HOUR)

moments = st.floats(0, 4e9)


def shown(metadata: Metadata, path: str = ROLE, now: float = STARTED) -> dict[str, str]:
    document: dict[str, str] = json.loads(metadata.text(path, now=now) or "null")
    return document


def seconds(text: str) -> float:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    return datetime.fromisoformat(text).timestamp()


def account_of(key_id: str) -> str:
    """As AWS's own `sts get-access-key-info` does, without a call."""
    first = int.from_bytes(base64.b32decode(key_id[4:20])[:6], "big")
    return f"{(first & 0x7FFFFFFFFF80) >> 7:012}"


def test_the_document(signer: Signer) -> None:
    metadata = Metadata(signer)
    document = shown(metadata)
    assert list(document) == KEYS
    assert document["Code"] == "Success"
    assert document["Type"] == "AWS-HMAC"
    assert re.fullmatch(r"ASIA[Q-Z2-7][A-Z2-7]{15}", document["AccessKeyId"])
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", document["SecretAccessKey"])
    assert re.fullmatch(r"IQoJb3JpZ2luX2Vj[A-Za-z0-9+/]{1184}", document["Token"])
    assert b"us-east-1" in base64.b64decode(document["Token"])
    assert account_of(document["AccessKeyId"]) == "123456789012"
    assert seconds(document["LastUpdated"]) == int(STARTED)
    assert 6 * HOUR + 19 * 60 <= seconds(document["Expiration"]) - int(STARTED) <= 6 * HOUR + 26 * 60
    text = metadata.text(ROLE) or ""
    assert text.startswith(
        '{\n  "Code" : "Success",\n  "LastUpdated" : "2025-06-15T15:06:40Z",\n  "Type" : "AWS-HMAC",\n'
    )
    assert text.endswith('"\n}')
    assert 1300 <= len(text) <= 1600
    found = metadata.snapshot.tree.lookup("latest", f"meta-data/{ROLE}", STARTED + HOUR)
    assert found is not None
    assert found.modified == int(STARTED) + HOUR - 1


def test_renewal_is_hourly_and_previous_credentials_stay_valid_for_hours(signer: Signer) -> None:
    metadata = Metadata(signer)
    first, same = shown(metadata), shown(metadata, now=STARTED + HOUR - 1)
    second = shown(metadata, now=STARTED + HOUR)
    assert first == same
    for key in ("AccessKeyId", "SecretAccessKey", "Token", "LastUpdated", "Expiration"):
        assert first[key] != second[key]
    assert seconds(second["LastUpdated"]) == int(STARTED) + HOUR


@given(moments, st.floats(60, 6 * HOUR - 300))
def test_credentials_are_always_valid_for_five_more_minutes(now: float, renew_seconds: float) -> None:
    source = GeneratedCredentials("s", "123456789012", "eu-west-1", anchor=5e8, renew_seconds=renew_seconds)
    credentials = source.current(now)
    assert credentials.last_updated <= now
    assert credentials.expiration - now >= 300
    after = source.current(credentials.last_updated + renew_seconds + 1)
    assert credentials.expiration - after.last_updated >= 300


def test_lifetimes_are_those_observed_on_instances() -> None:
    renewals = [SOURCE.current(1000.0 + number * HOUR) for number in range(4000)]
    lifetimes = {credentials.expiration - credentials.last_updated for credentials in renewals}
    assert (min(lifetimes), max(lifetimes)) == (6 * HOUR + 19 * 60, 6 * HOUR + 26 * 60)


@given(moments)
def test_every_process_generates_the_same_credentials(now: float) -> None:
    again = GeneratedCredentials("seed", "123456789012", "us-east-1", anchor=1000.0, renew_seconds=HOUR)
    assert SOURCE.current(now) == again.current(now)
    other = GeneratedCredentials("other", "123456789012", "us-east-1", anchor=1000.0, renew_seconds=HOUR)
    assert SOURCE.current(now).access_key_id != other.current(now).access_key_id


@given(st.from_regex(r"\A[0-9]{12}\Z"), moments)
def test_the_access_key_id_names_the_account(account: str, now: float) -> None:
    source = GeneratedCredentials("s", account, "us-east-1", anchor=0.0, renew_seconds=HOUR)
    assert account_of(source.current(now).access_key_id) == account


def test_configured_seed_and_times(signer: Signer) -> None:
    section = {"credentials": {"seed": "x", "renew_seconds": 60, "lifetime_seconds": 900}}
    document = shown(Metadata(signer, section))
    assert document["AccessKeyId"] != shown(Metadata(signer))["AccessKeyId"]
    assert seconds(document["Expiration"]) - seconds(document["LastUpdated"]) == 900
    later = shown(Metadata(signer, section), now=STARTED + 61)
    assert seconds(later["LastUpdated"]) == int(STARTED) + 60


def test_role_and_instance_profile_have_separate_names(signer: Signer) -> None:
    metadata = Metadata(signer, role="the-role", instance_profile="the-profile")
    assert metadata.text("iam") == "info\nsecurity-credentials/"
    assert metadata.text("iam/security-credentials") == "the-role"
    assert metadata.text(ROLE) is None
    info = shown(metadata, "iam/info")
    assert list(info) == ["Code", "LastUpdated", "InstanceProfileArn", "InstanceProfileId"]
    assert info["Code"] == "Success"
    assert info["InstanceProfileArn"] == "arn:aws:iam::123456789012:instance-profile/the-profile"
    assert re.fullmatch(r"AIPA[A-Z2-7]{17}", info["InstanceProfileId"])
    configured = Metadata(signer, instance_profile_id="AIPA5BOGHHXZELSK34VU4")
    assert shown(configured, "iam/info")["InstanceProfileId"] == "AIPA5BOGHHXZELSK34VU4"


def test_without_a_role_iam_is_absent_and_the_instance_identity_remains(signer: Signer) -> None:
    metadata = Metadata(signer, role=None)
    assert metadata.text("iam") is None
    assert shown(metadata, "identity-credentials/ec2/info") == {
        "Code": "Success",
        "LastUpdated": "2025-06-15T15:06:40Z",
        "AccountId": "123456789012",
    }
    path = "identity-credentials/ec2/security-credentials/ec2-instance"
    assert list(shown(metadata, path)) == KEYS
    assert shown(Metadata(signer), path)["AccessKeyId"] != shown(Metadata(signer))["AccessKeyId"]


def test_the_extended_form_if_enabled(signer: Signer) -> None:
    assert Metadata(signer).text("iam/security-credentials-extended") is None
    metadata = Metadata(signer, {"credentials": {"extended": True}})
    assert metadata.text("iam/security-credentials-extended") == "my-role"
    extended = shown(metadata, "iam/security-credentials-extended/my-role")
    assert extended == shown(metadata) | {"AccountId": "123456789012"}
    assert list(extended) == [*KEYS, "AccountId"]


def test_a_role_that_ec2_cannot_assume(signer: Signer) -> None:
    metadata = Metadata(signer, {"credentials": {"failure": "AssumeRoleUnauthorizedAccess", "extended": True}})
    for path in (ROLE, "iam/security-credentials-extended/my-role"):
        document = shown(metadata, path)
        assert list(document) == ["Code", "Message", "LastUpdated"]
        assert document["Code"] == "AssumeRoleUnauthorizedAccess"
        assert document["Message"].startswith(
            "EC2 cannot assume the role my-role.  Please see documentation at https://"
        )
    assert shown(metadata, "iam/info")["Code"] == "Success"


def test_a_missing_instance_profile(signer: Signer) -> None:
    metadata = Metadata(signer, {"credentials": {"failure": "InstanceProfileNotFound"}})
    assert metadata.text("iam") == "info"
    document = shown(metadata, "iam/info")
    assert list(document) == ["Code", "Message", "LastUpdated"]
    assert document["Code"] == "InstanceProfileNotFound"
    assert re.match(r"Instance Profile with id AIPA\w+ cannot be found\. ", document["Message"])


DATED = [
    ROLE,
    "iam/info",
    "iam/security-credentials-extended/my-role",
    "identity-credentials/ec2/info",
    "identity-credentials/ec2/security-credentials/ec2-instance",
]


@pytest.mark.parametrize("path", DATED)
@pytest.mark.parametrize("failure", [None, "AssumeRoleUnauthorizedAccess"])
def test_last_modified_is_one_second_before_last_updated(signer: Signer, path: str, failure: str | None) -> None:
    metadata = Metadata(signer, {"credentials": {"renew_seconds": HOUR, "extended": True, "failure": failure}})
    for now in (STARTED, STARTED + 1.5 * HOUR):
        found = metadata.snapshot.tree.lookup(LATEST, f"meta-data/{path}", now)
        assert found is not None
        assert found.modified is not None
        assert int(found.modified) == seconds(json.loads(found.body)["LastUpdated"]) - 1


STATIC = {"source": "static", "access_key_id": "AKIA1", "secret_access_key": "very secret", "session_token": "tok"}


def test_static_credentials(signer: Signer) -> None:
    metadata = Metadata(signer, {"credentials": STATIC})
    document = shown(metadata)
    assert [document[key] for key in ("AccessKeyId", "SecretAccessKey", "Token")] == ["AKIA1", "very secret", "tok"]
    assert seconds(document["Expiration"]) > STARTED
    own = shown(metadata, "identity-credentials/ec2/security-credentials/ec2-instance")
    assert own["AccessKeyId"].startswith("ASIA")


@pytest.mark.parametrize("missing", ["access_key_id", "secret_access_key", "session_token"])
def test_the_static_source_needs_all_three(signer: Signer, missing: str) -> None:
    section: dict[str, Any] = {key: value for key, value in STATIC.items() if key != missing}
    with pytest.raises(ConfigError, match=f"credentials.{missing}: is required when the source is static"):
        Metadata(signer, {"credentials": section})


def test_repr_omits_secrets(signer: Signer) -> None:
    metadata = Metadata(signer, {"credentials": STATIC})
    source = select_source(
        metadata.config.credentials, derive(metadata.config.instance, STARTED), "my-role", NotRefreshed
    )
    texts = f"{source!r} {source.current(STARTED)!r} {source} {metadata.config!r}"
    assert "very secret" not in texts
    assert "tok'" not in texts
