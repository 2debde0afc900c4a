"""The parts of a reverse name of Docker's embedded DNS server."""

from __future__ import annotations

import pytest

from imds_mock.callers.caller import ContainerName, parse_reverse_name


@pytest.mark.parametrize(
    ("name", "container", "network", "service", "number"),
    [
        ("proj-app-2.proj_default", "proj-app-2", "proj_default", "app", 2),
        ("proj-app-run-d59c2409f8fa.proj_default", "proj-app-run-d59c2409f8fa", "proj_default", "app", None),
        ("proj-my-app-10.proj_default.", "proj-my-app-10", "proj_default", "my-app", 10),
        ("proj-test-run-1.proj_default", "proj-test-run-1", "proj_default", "test-run", 1),
        ("proj-run-run-d59c2409f8fa.proj_default", "proj-run-run-d59c2409f8fa", "proj_default", "run", None),
        ("proj-app-2-1.proj_default", "proj-app-2-1", "proj_default", "app-2", 1),
        ("my_proj-app-1.my_proj_default", "my_proj-app-1", "my_proj_default", "app", 1),
        ("custom.proj_default", "custom", "proj_default", None, None),
        ("proj-custom.proj_default", "proj-custom", "proj_default", None, None),
        ("other-app-1.proj_default", "other-app-1", "proj_default", None, None),
        ("plain.bridge", "plain", "bridge", None, None),
        ("my.app.proj_default", "my.app", "proj_default", None, None),
        ("proj-app-1", "proj-app-1", "", None, None),
    ],
)
def test_container_network_and_service_are_read_from_a_reverse_name(
    name: str, container: str, network: str, service: str | None, number: int | None
) -> None:
    found = parse_reverse_name(name)
    assert (found.container, found.network, found.service, found.number) == (container, network, service, number)


def test_the_project_is_what_container_and_network_begin_with() -> None:
    assert parse_reverse_name("a_b-web-3.a_b_front") == ContainerName("a_b-web-3", "a_b_front", "a_b", "web", 3)
