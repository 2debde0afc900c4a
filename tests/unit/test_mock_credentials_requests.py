"""Requests for credentials, as the configuration describes them."""

from __future__ import annotations

import msgspec
import pytest

from imds_mock.build.loading import from_document
from imds_mock.config.errors import ConfigError
from imds_mock.credentials.requests import request_for
from imds_mock.metadata.instance import derive
from support.fake_aws import NOW


def test_requests_are_derived_from_the_configuration() -> None:
    document = {
        "instance": {"region": "cn-north-1", "role": "web", "account_id": "012345678901"},
        "credentials": {"source": "assume-role", "session_name": "sn", "external_id": "ex", "duration_seconds": 900},
    }
    config = from_document(document)
    instance = derive(config.instance, NOW)
    request = request_for(config.credentials, instance, "web")
    assert request.role_arn == "arn:aws-cn:iam::012345678901:role/web"
    assert (request.region, request.session_name, request.external_id, request.duration_seconds) == (
        "cn-north-1",
        "sn",
        "ex",
        900,
    )
    assert request == request_for(from_document(document).credentials, instance, "web")
    by_default = from_document({"credentials": {"source": "assume-role"}})
    ids = ("i-00000000000000001", "i-00000000000000002")
    requests = [
        request_for(
            by_default.credentials, derive(msgspec.structs.replace(by_default.instance, instance_id=each), NOW), "web"
        )
        for each in ids
    ]
    assert tuple(each.session_name for each in requests) == ids
    named = from_document({"credentials": {"source": "assume-role", "role_arn": "arn:aws:iam::999999999999:role/a/b"}})
    instance = derive(named.instance, NOW)
    assert request_for(named.credentials, instance, "my-role").role_arn == "arn:aws:iam::999999999999:role/a/b"
    assert request_for(named.credentials, instance, "other").role_arn == "arn:aws:iam::123456789012:role/other"
    profile = from_document({"credentials": {"source": "profile", "profile": "dev", "session_name": "any"}})
    assert request_for(profile.credentials, instance, "a") == request_for(profile.credentials, instance, "b")


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"access_key_id": "AKIA1"}, "secret_access_key: is required when access_key_id is set"),
        ({"session_token": "t"}, "access_key_id: is required when session_token is set"),
        ({"access_key_id": "a", "secret_access_key": "b", "profile": "p"}, "profile: expected either a profile or an"),
        ({"role_arn": "web"}, "role_arn: expected an ARN such as arn:aws:iam::123456789012:role/web or null"),
        ({"endpoint_url": "http://user:pass@host"}, "endpoint_url: expected an address such as"),
        ({"duration_seconds": 60}, "duration_seconds: expected a number of seconds from 900 to 43200, got 60"),
        ({"session_name": "a b"}, "session_name: expected 2 to 64 letters"),
    ],
)
def test_invalid_settings(section: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"credentials.{sentence}"):
        from_document({"credentials": {"source": "assume-role", **section}})
