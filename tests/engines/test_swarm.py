"""A Swarm of two nodes: the stack of examples/entrypoint-shim, the instance of each task, and targets."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.containers import IMDS
from support.engines import EXAMPLES, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.engine_table import Results
    from support.engines import Engine

FOLDER = EXAMPLES / "entrypoint-shim"
NODES = ("docker-28", "docker-26")
STACK = "example-swarm"
COMMANDS = re.findall(r"^(docker .*)$", (FOLDER / "README.md").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def nodes(start: Callable[[str], Engine], connect: Callable[[str, str], tuple[str, str]]) -> Iterator[list[Engine]]:
    """Two connected engines as one Swarm; the first is the manager."""
    engines = [start(name) for name in NODES]
    addresses = connect(*NODES)
    manager, worker = engines
    manager("swarm", "init", "--advertise-addr", addresses[0], "--listen-addr", addresses[0])
    token = manager("swarm", "join-token", "--quiet", "worker").stdout.strip()
    worker("swarm", "join", "--token", token, "--advertise-addr", addresses[1], f"{addresses[0]}:2377")
    yield engines
    for each in engines:
        each("swarm", "leave", "--force")


class Stack:
    """The deployed stack."""

    def __init__(self, nodes: list[Engine]) -> None:
        self.nodes = nodes

    def tasks(self, service: str) -> dict[str, tuple[Engine, str]]:
        """Node and container of each running task, by its slot."""
        found: dict[str, tuple[Engine, str]] = {}
        for node in self.nodes:
            label = f"label=com.docker.swarm.service.name={STACK}_{service}"
            listed = node("ps", "--filter", label, "--format", "{{.Names}} {{.ID}}").stdout
            found |= {line.split()[0].split(".")[1]: (node, line.split()[1]) for line in listed.splitlines()}
        return found

    def ids(self, seconds: int = 30) -> dict[str, str]:
        """The ids of the application's instances, as its tasks read them, by slot; empty if one gets none in time."""
        return {slot: self.asked(*where, "instance-id", seconds) for slot, where in self.tasks("app").items()}

    def asked(self, node: Engine, container: str, path: str, seconds: int = 30) -> str:
        """A leaf as a task reads it; empty if it gets none in time."""
        url = f"{IMDS}/latest/meta-data/{path}"
        return node("exec", container, "curl", "-sf", "--max-time", str(seconds), url, check=False).stdout

    def ctl(self, *words: str) -> str:
        """Run `imds-mock ctl` in the mock."""
        ((node, container),) = self.tasks("mock_metadata").values()
        done = node("exec", container, "imds-mock", "ctl", *words)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def stack(nodes: list[Engine], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    (deploy,) = (command for command in COMMANDS if "stack deploy" in command)
    document = yaml.safe_load((FOLDER / "stack.yaml").read_text())
    # A Swarm kills a task whose health check is slow three times in a row.
    document["services"]["mock_metadata"]["healthcheck"] = {"timeout": "60s"}
    file = tmp_path_factory.mktemp("swarm") / "stack.yaml"
    file.write_text(yaml.safe_dump(document))
    words = deploy.split()
    assert words[words.index("--compose-file") + 1] == "stack.yaml"
    words[words.index("--compose-file") + 1] = str(file)
    nodes[0](*words[1:-1], "--resolve-image", "never", words[-1])
    made = Stack(nodes)
    until(lambda: len(found := made.ids(seconds=1)) == 4 and all(found.values()), 120, "metadata in 4 tasks")
    yield made
    nodes[0]("stack", "rm", STACK)
    until(lambda: not made.tasks("app") and not made.tasks("mock_metadata"), 60, "the end of the stack")


def test_each_task_is_an_instance_and_both_nodes_have_some(stack: Stack, results: Results) -> None:
    assert len({*stack.ids().values()}) == 4
    assert {node.title for node, _ in stack.tasks("app").values()} == {*NODES}
    numbers = " and ".join(
        node("version", "--format", "{{.Server.Version}}").stdout.partition("+")[0] for node in stack.nodes
    )
    works = "entrypoint-shim ([stack.yaml](../examples/entrypoint-shim/stack.yaml)), names and targets"
    results.note("Swarm of two nodes", f"Docker {numbers}, an overlay network: {works}")


def test_a_service_is_a_target_by_each_of_its_names(stack: Stack) -> None:
    for name in ("app", f"{STACK}_app", f"tasks.{STACK}_app"):
        shown = json.loads(stack.ctl("whoami", "--caller", name, "--json"))
        assert sorted(each["container"] for each in shown) == [f"{STACK}_app.{slot}" for slot in "1234"], name
        assert {each["service"] for each in shown} == {"app"}
    (one,) = as_list(json.loads(stack.ctl("whoami", "--caller", f"{STACK}_app.2", "--json")))
    assert one["instance_id"] == stack.ids()["2"]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_an_event_for_one_task_is_seen_by_it_alone(stack: Stack) -> None:
    stack.ctl("rebalance", "--target", f"{STACK}_app.3")
    seen = {
        slot for slot, where in stack.tasks("app").items() if stack.asked(*where, "events/recommendations/rebalance")
    }
    assert seen == {"3"}
    stack.ctl("reset")


def test_a_replaced_task_is_the_same_instance(stack: Stack, nodes: list[Engine]) -> None:
    # That a task keeps its instance while it still runs needs a name server that says there is no such name, which
    # engines without an upstream server do not have; unit tests cover it.
    before, replaced = stack.ids(), stack.tasks("app")["1"]
    nodes[0]("service", "update", "--force", "--detach", "--update-parallelism", "4", f"{STACK}_app")
    until(lambda: stack.tasks("app").get("1", replaced) != replaced, 60, "a new task")
    until(lambda: stack.ids(seconds=1) == before, 60, f"the same ids: {before}")
