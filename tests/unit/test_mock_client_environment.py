"""The environment in which SDKs find a mock: what is set, and what would hide the mock is removed."""

from __future__ import annotations

import os

from imds_mock.client_environment import REMOVED, client_environment, environment_changes

ENDPOINT = "http://127.0.0.1:1338"
CONTROL = "http://127.0.0.1:1339"


def test_variables_that_hide_the_mock_are_removed_and_others_stay() -> None:
    environ = dict.fromkeys(REMOVED, "true") | {"PATH": "/bin", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert client_environment(environ, ENDPOINT, CONTROL) == {
        "PATH": "/bin",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": ENDPOINT,
        "IMDS_MOCK_CONTROL_URL": CONTROL,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def test_without_a_control_plane_the_url_of_another_one_is_removed() -> None:
    assert "IMDS_MOCK_CONTROL_URL" not in client_environment({"IMDS_MOCK_CONTROL_URL": CONTROL}, ENDPOINT, None)


def test_a_proxy_does_not_get_the_requests_to_the_mock() -> None:
    changed = client_environment({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "localhost"}, ENDPOINT, CONTROL)
    assert (changed["NO_PROXY"], changed["no_proxy"]) == ("localhost,127.0.0.1", "127.0.0.1")
    assert "NO_PROXY" not in environment_changes({}, ENDPOINT, CONTROL)
