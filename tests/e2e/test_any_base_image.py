"""The shim's two lines work in any image: whatever it contains, however old it is, and if it is read-only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine import provide_debian
from support.containers import INSTANCE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.containers import Completed, Docker

    Start = Callable[..., Completed]

PROGRAMS = Path(__file__).parent / "images"
MEGABYTE = 1_000_000
MAX_ENTRY_BYTES = 131_070
"""One entry of an environment as the kernel takes it, less its end and the launcher's mark."""

COMPILE = """
FROM imds-shim-build AS compile
COPY instance_id.c /
RUN mkdir -p /musl/lib \\
 && musl="gcc -specs /usr/lib/$(uname -m)-linux-musl/musl-gcc.specs" \\
 && $musl -static -o /static /instance_id.c && $musl -o /dynamic /instance_id.c \\
 && cp -L /lib/ld-musl-*.so.1 /musl/lib/ \\
 && echo 'app:x:4321:8765::/:/none' >/passwd && echo /nowhere/preloaded.so >/ld.so.preload
"""
TWO_LINES = """
COPY --from=imds-shim /opt/imds-shim /opt/imds-shim
ENTRYPOINT ["/opt/imds-shim/bin/imds-shim"]
"""
STATIC = f"{COMPILE}FROM scratch\nCOPY --from=compile /static /instance_id\n"
MUSL = f"{COMPILE}FROM scratch\nCOPY --from=compile /musl /\nCOPY --from=compile /dynamic /instance_id\n"
# What a Debian without anything added can ask with: its own bash, a dynamic program.
BASH = (
    "exec 3<>/dev/tcp/169.254.169.254/80"
    " && printf 'GET /latest/meta-data/instance-id HTTP/1.0\\r\\nHost: 169.254.169.254\\r\\n\\r\\n' >&3"
    ' && echo "$(tail --lines=1 <&3) $(id -u):$(id -g)"'
)


@pytest.fixture(scope="module")
def build(docker: Docker, shim_image: str) -> Iterator[Callable[[str], str]]:
    """Builds an image from a recipe, each recipe once; removed at the end."""
    del shim_image  # recipes copy from it, and from imds-shim-build
    made: dict[str, str] = {}

    def build_recipe(recipe: str) -> str:
        if recipe not in made:
            made[recipe] = docker.name()
            docker("build", "--tag", made[recipe], "--file", "-", PROGRAMS, input_text=recipe)
        return made[recipe]

    yield build_recipe
    docker("image", "rm", *made.values())


@pytest.fixture(scope="module")
def start(docker: Docker, build: Callable[[str], str], network: str, mock: str) -> Start:
    """Runs an image made from a recipe, on the mock's network."""
    del mock

    def run(recipe: str, *command: str, options: tuple[str, ...] = ()) -> Completed:
        found = ("--network", network, "--cap-add", "NET_ADMIN", "--env", "MOCK_HOSTNAME=mock_metadata")
        return docker("run", "--rm", *found, *options, build(recipe), *command, check=False)

    return run


@pytest.fixture(params=["a static program and nothing else", "musl", "an older glibc", "a newer glibc"])
def application(request: pytest.FixtureRequest, docker: Docker) -> tuple[str, tuple[str, ...]]:
    """A recipe with the two lines in it, and the command that asks for the instance id."""
    plain = {"a static program and nothing else": STATIC, "musl": MUSL}
    if request.param in plain:
        return plain[request.param] + TWO_LINES, ("/instance_id",)
    suite = "bookworm" if request.param == "an older glibc" else "testing"
    return f"FROM {provide_debian(suite, docker.environment)}\n{TWO_LINES}", ("bash", "-c", BASH)


@pytest.mark.parametrize("options", [(), ("--read-only",)], ids=["writable", "read-only"])
def test_two_lines_are_enough(start: Start, application: tuple[str, tuple[str, ...]], options: tuple[str, ...]) -> None:
    recipe, command = application
    done = start(recipe, *command, options=options)
    assert (done.stdout, done.returncode) == (f"{INSTANCE_ID} 0:0\n", 0), done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("imds-shim: ")] == []


def test_the_application_may_run_as_another_user(start: Start, application: tuple[str, tuple[str, ...]]) -> None:
    recipe, command = application
    done = start(recipe, *command, options=("--read-only", "--env", "MOCK_USER=1000:2000"))
    assert (done.stdout, done.returncode) == (f"{INSTANCE_ID} 1000:2000\n", 0), done.stderr


def test_a_user_by_name_is_the_images_own(start: Start) -> None:
    recipe = f"{STATIC}COPY --from=compile /passwd /etc/passwd\n{TWO_LINES}"
    done = start(recipe, "/instance_id", options=("--env", "MOCK_USER=app"))
    assert (done.stdout, done.returncode) == (f"{INSTANCE_ID} 4321:8765\n", 0), done.stderr


@pytest.mark.parametrize(("suite", "older"), [("bookworm", True), ("testing", False)])
def test_the_glibc_of_these_images_is_another_than_the_trees(
    docker: Docker, shim_image: str, suite: str, *, older: bool
) -> None:
    tree = docker("run", "--rm", "--entrypoint", "/opt/imds-shim/lib/loader", shim_image, "--version").stdout
    image = docker("run", "--rm", provide_debian(suite, docker.environment), "ldd", "--version").stdout
    assert _version(image) != _version(tree)
    assert (_version(image) < _version(tree)) is older


def _version(banner: str) -> tuple[int, ...]:
    found = re.search(r"\b2\.(\d+)\b", banner.splitlines()[0].split(")")[-1])
    assert found, banner
    return (2, int(found[1]))


def test_what_the_image_preloads_is_for_its_own_programs(start: Start) -> None:
    done = start(f"{STATIC}COPY --from=compile /ld.so.preload /etc/\n{TWO_LINES}", "/instance_id")
    assert (done.stdout, done.returncode) == (f"{INSTANCE_ID} 0:0\n", 0)
    assert "preloaded.so" not in done.stderr


def test_the_tree_may_lie_anywhere_and_be_entered_by_a_link(docker: Docker, start: Start) -> None:
    base = provide_debian("bookworm", docker.environment)
    recipe = (
        f"FROM {base}\nCOPY --from=imds-shim /opt/imds-shim /else/where\n"
        'RUN ln -s /else/where/bin/imds-shim /usr/local/bin/shim\nENTRYPOINT ["shim"]\n'
    )
    done = start(recipe, "bash", "-c", BASH)
    assert (done.stdout, done.returncode) == (f"{INSTANCE_ID} 0:0\n", 0), done.stderr


def test_a_launcher_without_its_tree_says_so(start: Start) -> None:
    launcher = "COPY --from=imds-shim /opt/imds-shim/bin/imds-shim /shim/bin/"
    done = start(f'FROM scratch\n{launcher}\nENTRYPOINT ["/shim/bin/imds-shim"]\n', "/instance_id")
    assert (done.returncode, done.stdout) == (71, "")
    assert done.stderr.startswith("imds-shim: cannot start: /shim/lib/loader: ")
    assert len(done.stderr.splitlines()) == 1


def test_the_longest_environment_entry(start: Start) -> None:
    recipe = STATIC + TWO_LINES
    longest = "LONG=" + "x" * (MAX_ENTRY_BYTES - len("LONG="))
    assert start(recipe, "/instance_id", options=("--env", longest)).stdout == f"{INSTANCE_ID} 0:0\n"
    # The kernel would take one more byte, which is the launcher's.
    done = start(recipe, "/instance_id", options=("--env", f"{longest}x"))
    assert (done.returncode, done.stdout) == (71, "")
    assert str(MAX_ENTRY_BYTES) in done.stderr


def test_the_trees_size(docker: Docker, shim_image: str) -> None:
    size = docker("image", "inspect", "--format", "{{.Size}}", shim_image).stdout
    assert int(size) <= 17 * MEGABYTE
