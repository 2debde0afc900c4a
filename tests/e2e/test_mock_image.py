"""The mock's image: one tree without a shell or a package manager, in which every command works."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import sys
import tarfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine import provide_debian
from imds_mock.commands import COMMANDS
from support.containers import INSTANCE_ID
from support.paths import ROOT

if TYPE_CHECKING:
    from support.containers import Docker

PROGRAMS = Path(__file__).parent / "images"
PAGE = (ROOT / "docs/images.md").read_text()
TREE = "opt/imds-mock"
PYTHON = ["--entrypoint", f"/{TREE}/bin/python"]
MEGABYTE = 1_000_000
LAUNCHERS = {f"{TREE}/bin/{name}" for name in ("imds-mock", "ec2-metadata-mock", "python")}

# Modules that an import statement reaches, that a full installation has, and that the image does without.
NOT_REACHED = {
    "_bz2": "zipfile and shutil do without",
    "_lzma": "zipfile and shutil do without",
    "ctypes": "for consoles of Windows",
    "doctest": "heapq runs its tests as a program",
    "pydoc": "for pages in rich's console",
    "pygments": "rich highlights source code with it, and the mock shows none",
    "six": "six.moves is made when six is imported",
    "webbrowser": "click opens pages with it",
}
INSTALLED = set(re.findall(r"^([\w-]+)==", (ROOT / "mock/requirements.lock").read_text(), re.MULTILINE))

# An image with another C library, in which a script gives out the credentials.
OTHER_IMAGE = {
    "Dockerfile": """
        FROM {base}
        COPY --from=imds-mock /opt/imds-mock /else/where
        COPY config give-out.sh /
        ENV AWS_CONFIG_FILE=/config PATH=/else/where/bin:/usr/bin:/bin
        """,
    "config": "[default]\ncredential_process = /bin/bash /give-out.sh\n",
    "give-out.sh": """
        printf '{{"Version": 1, "AccessKeyId": "ASIAOWN", "SecretAccessKey": "own/secret", "SessionToken": "own-token",'
        printf ' "Expiration": "%s"}}' "$(date --utc --date='1 hour' +%Y-%m-%dT%H:%M:%SZ)"
        """,
}
REQUEST = (
    "exec 3<>${{AWS_EC2_METADATA_SERVICE_ENDPOINT/'http://127.0.0.1:'//dev/tcp/127.0.0.1/}}"
    " && printf 'GET /latest/meta-data/{path} HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\n\\r\\n' >&3 && cat <&3"
)


@pytest.fixture(scope="module")
def files(docker: Docker, mock_image: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tarfile.TarInfo]:
    """The files of the image by path."""
    exported = tmp_path_factory.mktemp("image") / "image.tar"
    container = docker("create", mock_image).stdout.strip()
    try:
        docker("export", "--output", exported, container)
    finally:
        docker("rm", container)
    with tarfile.open(exported) as archive:
        return {member.name: member for member in archive.getmembers()}


def test_the_only_programs_are_the_mocks_own(files: dict[str, tarfile.TarInfo]) -> None:
    # The engine makes empty files, such as /etc/hosts.
    programs = {path for path, file in files.items() if file.isfile() and file.size and file.mode & 0o111}
    interpreter = {f"{TREE}/bin/python3", f"{TREE}/lib/loader"}
    assert {path for path in programs - interpreter if ".so" not in path} == LAUNCHERS
    assert {path.partition("/")[0] for path, file in files.items() if file.isfile() and file.size} == {"etc", "opt"}


@pytest.mark.parametrize("program", ["/bin/sh", f"/{TREE}/bin/python3"])
def test_only_the_launchers_can_be_executed(docker: Docker, mock_image: str, program: str) -> None:
    done = docker("run", "--rm", "--entrypoint", program, mock_image, check=False)
    assert done.returncode != 0
    assert "no such file or directory" in done.stderr


@pytest.mark.parametrize("image", ["imds-mock", "imds-shim", "imds-shim-debug"])
def test_the_page_states_the_size(
    docker: Docker, mock_image: str, shim_image: str, debug_image: str, image: str
) -> None:
    assert image in {mock_image, shim_image, debug_image}
    stated = re.search(rf"^\| `{image}` \|.*\| (\d+) MB \|$", PAGE, re.MULTILINE)
    assert stated is not None
    assert docker.inspect(image, ".Size") / MEGABYTE == pytest.approx(int(stated[1]), abs=1.5)


def test_no_import_reaches_what_the_image_leaves_out(docker: Docker, mock_image: str) -> None:
    program = (PROGRAMS / "missing_imports.py").read_text()
    done = docker("run", "--rm", "--interactive", *PYTHON, mock_image, "-", input_text=program)
    absent: dict[str, list[str]] = json.loads(done.stdout)
    assert "winreg" in absent, "the search finds what is not there"
    left_out = {name: importers for name, importers in absent.items() if is_installed_here(name)}
    assert {name: importers for name, importers in left_out.items() if name.partition(".")[0] not in NOT_REACHED} == {}


def is_installed_here(name: str) -> bool:
    """Whether the standard library, or a dependency of the mock, has a module in the environment of the tests."""
    top = name.partition(".")[0]
    distributions = importlib.metadata.packages_distributions().get(top, [])
    if top not in sys.stdlib_module_names and INSTALLED.isdisjoint(each.lower() for each in distributions):
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_starts(docker: Docker, mock_image: str, command: str) -> None:
    assert "usage: " in docker("run", "--rm", mock_image, command, "--help").stdout


def test_what_the_commands_print(docker: Docker, mock_image: str) -> None:
    def printed(*words: str) -> str:
        return docker("run", "--rm", "--read-only", "--cap-drop", "ALL", mock_image, *words).stdout

    assert printed("--version") == f"imds-mock {(ROOT / 'VERSION').read_text()}"
    compile(printed("capture", "--print-program"), "capture.py", "exec")
    assert "instance:" in printed("config", "show")
    assert "complete" in printed("completion", "bash")


def test_host_says_where_it_belongs(docker: Docker, mock_image: str) -> None:
    done = docker("run", "--rm", mock_image, "host", "status", check=False)
    assert done.returncode == 69
    assert done.stderr.endswith("run imds-mock host on the machine itself, not in the mock's container\n")


@pytest.mark.parametrize("user", ["65532:65532", "1000", "root"])
def test_any_user_serves_and_copies_files(docker: Docker, mock_image: str, tmp_path: Path, user: str) -> None:
    with docker.container(mock_image, options=["--user", user, "--read-only"]) as mock:
        docker("exec", mock, "imds-mock", "health", "--pid", "1", "--wait", "20s")
        shown = docker("exec", mock, "imds-mock", "ctl", "get", "meta-data/instance-id").stdout
        assert shown.strip() == INSTANCE_ID
        # A terminal gets tables, which need more of the libraries.
        assert "events" in docker("exec", "--tty", mock, "imds-mock", "ctl", "status").stdout
        assert "BEGIN CERTIFICATE" in docker("exec", mock, "imds-mock", "certs", "export").stdout
        docker("cp", f"{mock}:/{TREE}/LICENSE", tmp_path)
    assert (tmp_path / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_tls_and_the_known_authorities(docker: Docker, mock_image: str) -> None:
    program = (PROGRAMS / "sts_over_tls.py").read_text()
    printed = docker("run", "--rm", "--interactive", *PYTHON, mock_image, "-", input_text=program).stdout
    account, authorities = printed.split()
    assert account == "123456789012"
    assert int(authorities) > 100


@pytest.mark.usefixtures("mock_image")
def test_the_tree_works_in_another_image_with_what_a_profile_needs(docker: Docker, tmp_path: Path) -> None:
    base = provide_debian("bookworm", docker.environment)
    for name, text in OTHER_IMAGE.items():
        (tmp_path / name).write_text(textwrap.dedent(text).format(base=base))
    image = docker.build(docker.name(), tmp_path)
    run = ("imds-mock", "run", "--set", "credentials.source=profile", "--", "bash", "-c")
    try:
        role = docker("run", "--rm", image, *run, REQUEST.format(path="iam/security-credentials/")).stdout
        path = f"iam/security-credentials/{role.splitlines()[-1]}"
        served = docker("run", "--rm", image, *run, REQUEST.format(path=path)).stdout
    finally:
        docker("image", "rm", image)
    body = json.loads(served.partition("\n\n")[2])
    assert (body["AccessKeyId"], body["SecretAccessKey"], body["Token"]) == ("ASIAOWN", "own/secret", "own-token")
