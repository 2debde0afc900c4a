"""README's stack, the ways in and the names of containers, on each engine; what an engine does not support, it says."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

import pytest
import yaml

from support.containers import INSTANCE_ID
from support.engines import EXAMPLES, until
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.engine_table import Results
    from support.engines import Engine, Project

ENGINES = (
    "docker-26", "docker-28", "podman-root-docker-compose", "podman-root-podman-compose",
    "podman-rootless-docker-compose", "podman-rootless-podman-compose",
)  # fmt: skip
LOW_PORTS = "net.ipv4.ip_unprivileged_port_start=0"
NO_LINK_LOCAL_IPS = "no: Podman ignores `link_local_ips`"
# Docker, Podman, and podman-compose, which shows only the command that failed.
OVERLAPS = re.compile(
    r"Pool overlaps with other one on this address space"
    r"|subnet 169\.254\.169\.0/24 is already used on the host or by another config"
    r"|--subnet 169\.254\.169\.0/24 \S+ returned non-zero exit status 125"
)
SHIM = {"image": "imds-shim-debug", "command": ["sleep", "infinity"], "stop_signal": "SIGKILL"}


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest, start: Callable[[str], Engine], results: Results) -> Engine:
    found = start(request.param)
    results.engines = ENGINES
    results.versions[found.title] = versions(found)
    return found


def versions(engine: Engine) -> str:
    """The engine and its compose, with their versions."""
    program = engine(*("version", "--format", "{{.Server.Version}}" if engine.program == "docker" else "{{.Version}}"))
    number = program.stdout.strip().partition("+")[0].partition("-")[0]
    kind = "rootless " if "rootless" in engine.title else ""
    compose = engine.command(*engine.compose_words, "version", "--short", check=False).stdout
    name = "podman-compose" if "podman-compose" in engine.title else "Compose"
    shown = compose.strip().splitlines()[-1].split()[-1].partition("-")[0].removeprefix("v")
    return f"{kind}{engine.program.capitalize()} {number}, {name} {shown}".removesuffix(" ")


def is_podman(engine: Engine) -> bool:
    return engine.program == "podman"


@pytest.fixture(scope="session")
def stack(engine: Engine) -> Iterator[Project]:
    """README's stack, running."""
    images = {"mock_metadata": "imds-mock", "debug": "imds-shim-debug"}
    with engine.project(ROOT / "docker-compose.yml", images=images) as project:
        project.up()
        project.until_asked(INSTANCE_ID, service="debug")
        yield project


def test_the_stack_of_the_readme_runs(engine: Engine, stack: Project, results: Results) -> None:
    assert stack.asked("placement/region", service="debug") == "us-east-1"
    assert "169.254.169.254:80 -> " in stack.logs()
    results.record(engine.title, "README's stack")


def test_the_control_plane_answers_the_host_and_refuses_a_neighbour(
    engine: Engine, stack: Project, results: Results
) -> None:
    words = ("curl", "-s", "--max-time", "30", "-o", "/dev/null", "-w", "%{http_code}")
    assert engine.command(*words, "http://127.0.0.1:1339/v1/callers").stdout == "200"
    assert stack.run_in("debug", *words, "http://mock_metadata:1339/v1/callers").stdout == "403"
    results.record(engine.title, "control plane from the host")


def test_a_restarted_mock_is_found_again(engine: Engine, stack: Project) -> None:
    engine("restart", "--time", "1", stack.container("mock_metadata"))
    follows = stack.asked(service="debug", seconds=1) == INSTANCE_ID
    if not follows and is_podman(engine):
        # A restarted container may get another address, and the rule stays as it was (MOCK_FOLLOW would follow).
        engine("restart", "--time", "1", stack.container("debug"))
    stack.until_asked(INSTANCE_ID, service="debug")


def test_entrypoint_shim(engine: Engine, results: Results) -> None:
    with engine.project(EXAMPLES / "entrypoint-shim/compose.yaml", changes={"services": {"app": SHIM}}) as project:
        project.up()
        project.until_asked(INSTANCE_ID)
        assert "cap_net_admin" not in project.run_in("app", "sh", "-c", "grep CapBnd /proc/1/status").stdout
    results.record(engine.title, "entrypoint-shim")


def test_link_local_ip(engine: Engine, results: Results) -> None:
    with engine.project(EXAMPLES / "link-local-ip/compose.yaml", images={"app": "imds-application"}) as project:
        if is_podman(engine):
            # Without a packet to the address, which nothing holds here.
            project.compose("up", "--detach", "--no-build", check=False)
            networks = engine(
                "inspect", "--format", "{{json .NetworkSettings.Networks}}", project.container("app")
            ).stdout
            assert "169.254." not in networks
            results.record(engine.title, "link-local-ip", NO_LINK_LOCAL_IPS)
            return
        project.up()
        project.until_asked(INSTANCE_ID)
    results.record(engine.title, "link-local-ip")


def test_link_local_route(engine: Engine, results: Results) -> None:
    changes = {"services": {"app": SHIM}}
    with engine.project(EXAMPLES / "link-local-route/compose.yaml", changes=changes) as project:
        if is_podman(engine):
            with_port = {"services": {"mock_metadata": {"sysctls": [LOW_PORTS]}, "app": SHIM}}
            with engine.project(EXAMPLES / "link-local-route/compose.yaml", changes=with_port) as without_address:
                without_address.compose("up", "--detach", "--no-build", check=False)
                said = until(lambda: ended(without_address), 60, "the end of the shim")
            assert "MOCK_ROUTE=route needs a mock that holds this address itself (link_local_ips)" in said
            results.record(engine.title, "link-local-route", NO_LINK_LOCAL_IPS)
            return
        project.up()
        project.until_asked(INSTANCE_ID)
    results.record(engine.title, "link-local-route")


def ended(project: Project) -> str:
    """What the application's container has printed, once the shim has failed."""
    return project.logs() if "imds-shim: 169.254.169.254:80 does not reach" in project.logs() else ""


def test_link_local_network(engine: Engine, results: Results) -> None:
    file, images = EXAMPLES / "link-local-network/compose.yaml", {"app": "imds-application"}
    with engine.project(file, images=images) as project, engine.project(file, images=images) as second:
        project.up()
        project.until_asked(INSTANCE_ID)
        refused = second.compose("up", "--detach", "--no-build", check=False)
        assert OVERLAPS.search(refused.stderr + refused.stdout)
    results.record(engine.title, "link-local-network")


def test_shared_namespace(engine: Engine, results: Results) -> None:
    images = {"app": "imds-application"}
    with engine.project(EXAMPLES / "shared-namespace/compose.yaml", images=images) as project:
        project.up()
        project.until_asked(INSTANCE_ID)
    results.record(engine.title, "shared-namespace")


@pytest.mark.parametrize("way", ["shared-namespace", "link-local-ip"])
def test_the_generated_override_works_where_its_way_does(engine: Engine, way: str) -> None:
    printed = engine("run", "--rm", "imds-mock", "compose-override", "--services", "app", "--way", way).stdout
    if way == "link-local-ip" and is_podman(engine):
        assert "Not supported by Podman" in printed
        return
    base, override = (engine.folder / f"{engine.title}-{way}-{part}.yaml" for part in ("base", "override"))
    base.write_text(yaml.safe_dump({"services": {"app": {"image": "imds-application"}}}))
    override.write_text(printed)
    with engine.project(base, override) as project:
        project.up()
        project.until_asked(INSTANCE_ID)


def test_environment(engine: Engine, results: Results) -> None:
    changes = {"services": {"app": {"image": "imds-application"}}}
    with engine.project(EXAMPLES / "environment/compose.yaml", changes=changes) as project:
        project.up()
        ask = 'curl -sf --max-time 1 "$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/meta-data/instance-id"'
        asked = functools.partial(project.run_in, "app", "sh", "-c", ask, check=False)
        until(lambda: asked().stdout == INSTANCE_ID, 60, "the instance's id")
    results.record(engine.title, "environment")


IDENTITY = {
    "services": {
        "mock_metadata": {
            "image": "imds-mock",
            "sysctls": [LOW_PORTS],
            "environment": {
                "IMDS_MOCK_IDENTITY": "per-container",
                "IMDS_MOCK_VARIANTS": '[{"match": {"service": "app"}, "instance": {"role": "app-role"}}]',
            },
        },
        "app": SHIM
        | {
            "environment": {"MOCK_HOSTNAME": "mock_metadata"},
            "cap_add": ["NET_ADMIN"],
            "deploy": {"replicas": 2},
        },
        "other": SHIM
        | {
            "container_name": "imds-engines-other",
            "environment": {"MOCK_HOSTNAME": "mock_metadata"},
            "cap_add": ["NET_ADMIN"],
        },
    }
}


@pytest.fixture(scope="session")
def identities(engine: Engine) -> Iterator[Project]:
    """A project with two replicas of `app`, and `other`, each an instance of its own."""
    with engine.project(changes=IDENTITY) as project:
        project.up()
        assert len({*ids(project), *ids(project, "other")}) == 3
        yield project


def ids(project: Project, service: str = "app") -> list[str]:
    """The ids of a service's instances, as its containers read them, in the order of their names."""
    containers = project.containers(service)
    until(
        lambda: all(project.asked(container=each, seconds=1) for each in containers), 60, f"metadata\n{project.logs()}"
    )
    return [project.asked(container=each) for each in containers]


def test_each_container_is_an_instance_with_its_service(engine: Engine, identities: Project, results: Results) -> None:
    found = ids(identities)
    callers = {each["instance_id"]: each for each in identities.whoami("app")}
    assert callers.keys() == {*found}
    assert {each["service"] for each in callers.values()} == {"app"}
    assert {each["role"] for each in callers.values()} == {"app-role"}
    (other,) = identities.whoami("imds-engines-other")
    assert other["container"] == "imds-engines-other"
    results.record(engine.title, "names and targets")


def test_an_event_for_a_service_is_seen_by_its_replicas_alone(identities: Project) -> None:
    identities.ctl("rebalance", "--target", "app")
    notice = "events/recommendations/rebalance"
    replicas, other = identities.containers("app"), identities.container("other")
    assert [bool(identities.asked(notice, container=each)) for each in (*replicas, other)] == [True, True, False]
    identities.ctl("reset")


def test_a_recreated_container_is_the_same_instance(identities: Project) -> None:
    before, containers = ids(identities), identities.containers("app")
    identities.compose("up", "--detach", "--no-build", "--force-recreate", "app")
    assert not {*identities.containers("app")} & {*containers}
    assert ids(identities) == before


PODMEN = [name for name in ENGINES if name.endswith("docker-compose")]


@pytest.mark.parametrize("name", PODMEN)
def test_a_mock_that_may_not_use_its_port_names_the_line(name: str, start: Callable[[str], Engine]) -> None:
    done = start(name)("run", "--rm", "imds-mock", check=False)
    assert done.returncode == 77
    assert f"add `sysctls: [{LOW_PORTS}]` to the service in the compose file" in done.stderr


@pytest.mark.parametrize(("name", "is_blocked"), [("docker-26", False), ("docker-28", True)])
def test_a_network_with_the_address_blocks_other_projects_on_docker_28(
    name: str, *, is_blocked: bool, start: Callable[[str], Engine]
) -> None:
    engine = start(name)
    network, route = (EXAMPLES / folder / "compose.yaml" for folder in ("link-local-network", "link-local-route"))
    with (
        engine.project(network, images={"app": "imds-application"}) as blocking,
        engine.project(route, changes={"services": {"app": SHIM}}) as other,
    ):
        blocking.up()
        blocking.until_asked(INSTANCE_ID)
        other.up()
        if is_blocked:
            said = until(lambda: ended(other), 60, "the end of the shim")
            assert "with Docker 28 or newer, another project whose network contains 169.254.169.254" in said
            blocking.compose("down")
            engine("start", other.container("app"))
        other.until_asked(INSTANCE_ID)
