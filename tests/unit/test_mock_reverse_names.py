"""The parts of the reverse names that Docker, Swarm and Podman give."""

from __future__ import annotations

import pytest

from imds_mock.callers.reverse_names import ContainerName, parse_reverse_names

TASK, NODE = "o1fd5k0x2b9w3s8r7q6p4m5n1", "9vzpcg8b2n4x6m1l3k5j7h0q2"


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
def test_docker_gives_container_and_network(
    name: str, container: str, network: str, service: str | None, number: int | None
) -> None:
    found = parse_reverse_names([name])
    assert (found.container, found.network, found.service, found.number) == (container, network, service, number)
    assert found.host_name == container


def test_the_project_is_what_container_and_network_begin_with() -> None:
    assert parse_reverse_names(["a_b-web-3.a_b_front"]) == ContainerName("a_b-web-3", "a_b_front", "a_b", "web", 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            f"shop_web.2.{TASK}.shop_default.",
            ContainerName("shop_web.2", "shop_default", "shop", "web", 2, ("shop_web",), TASK),
        ),
        (
            f"my_shop_web_api.10.{TASK}.my_shop_front",
            ContainerName("my_shop_web_api.10", "my_shop_front", "my_shop", "web_api", 10, ("my_shop_web_api",), TASK),
        ),
        (f"web.1.{TASK}.plain", ContainerName("web.1", "plain", None, "web", 1, (), TASK)),
        (f"shop_web.1.{TASK}.shared_net", ContainerName("shop_web.1", "shared_net", None, "shop_web", 1, (), TASK)),
        (
            f"shop_agent.{NODE}.{TASK}.shop_default",
            ContainerName(f"shop_agent.{NODE}", "shop_default", "shop", "agent", None, ("shop_agent",), TASK),
        ),
    ],
)
def test_swarm_gives_service_slot_task_and_network(name: str, expected: ContainerName) -> None:
    assert parse_reverse_names([name]) == expected


def test_a_swarm_task_resolves_with_its_id() -> None:
    assert parse_reverse_names([f"shop_web.2.{TASK}.shop_default."]).host_name == f"shop_web.2.{TASK}"


def test_a_new_task_in_a_slot_has_the_same_name() -> None:
    old, new = (parse_reverse_names([f"shop_web.2.{task}.shop_default"]) for task in (TASK, TASK[::-1]))
    assert old.container == new.container == "shop_web.2"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        # docker compose, and podman-compose; with and without the domain
        ("proj-app-2 app 0a1b2c3d4e5f", ContainerName("proj-app-2", "", "proj", "app", 2)),
        (
            "app.dns.podman. 0a1b2c3d4e5f.dns.podman. proj_app_2.dns.podman.",
            ContainerName("proj_app_2", "", "proj", "app", 2),
        ),
        ("proj-app-1. proj-app-1. app. 0a1b2c3d4e5f.", ContainerName("proj-app-1", "", "proj", "app", 1)),
        ("p-my-app-1 app my-app x 0a1b2c3d4e5f", ContainerName("p-my-app-1", "", "p", "my-app", 1, ("app", "x"))),
        ("custom web other 0a1b2c3d4e5f", ContainerName("custom", "", None, "web", None, ("other",))),
        ("plain 0a1b2c3d4e5f", ContainerName("plain")),
        ("plain.dns.podman.", ContainerName("plain")),
        ("my.name.dns.podman. 0a1b2c3d4e5f.dns.podman.", ContainerName("my.name")),
        ("0a1b2c3d4e5f ffffffffffff", ContainerName("0a1b2c3d4e5f", service="ffffffffffff")),
    ],
)
def test_podman_gives_name_aliases_and_short_id(names: str, expected: ContainerName) -> None:
    assert parse_reverse_names(names.split()) == expected


def test_another_name_server_may_give_several_names_in_any_order() -> None:
    assert parse_reverse_names(["b.example.", "a.example."]) == ContainerName("a", "example")
    assert parse_reverse_names(["a.example.", "b.example."]) == ContainerName("a", "example")
