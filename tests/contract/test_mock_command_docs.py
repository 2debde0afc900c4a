"""The commands of docs/capture.md and docs/ci.md, run as they stand but for addresses, hosts and test programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from imds_mock.build.loading import from_document
from imds_mock.config.plain_documents import read_yaml
from support import aws
from support.mockprogram import RunningProgram, running_program
from support.paths import IMDS_MOCK, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVE_CAPTURED = "imds-mock serve --config captured.yaml"
SERVE_READY = "imds-mock serve --host 127.0.0.1 --port 0 --ready-file imds.json &"
IMPORT = "imds-mock config import --instance-id i-0123456789abcdef0 --region eu-west-1 > imported.yaml"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[RunningProgram]:
    with running_program(tmp_path, ["--access-log", "off", "--control", "off"]) as program:
        yield program


def run(script: str, folder: Path, **environment: str) -> str:
    """Run a script of the page; every client in it finds only the mock of the test, or none."""
    searched = f"{IMDS_MOCK.parent}:{os.environ['PATH']}"
    closed = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9", "PATH": searched, "HOME": str(folder)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**closed, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (script, done.stdout[-500:], done.stderr)
    return done.stdout


def test_a_capture_as_the_page_shows_it(mock: RunningProgram, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{mock.port}"
    print_program, capture, serve, imports = blocks("capture.md")
    assert (serve.strip(), imports.strip()) == (SERVE_CAPTURED, IMPORT)
    captured = tmp_path / "captured.yaml"
    for script in (print_program, capture):
        local = script.replace("ssh ec2-user@my-instance python3", sys.executable)
        run(local.replace("http://127.0.0.1:1338", url), tmp_path, AWS_EC2_METADATA_SERVICE_ENDPOINT=url)
        config = from_document(read_yaml(captured.read_text(), str(captured)))
        assert config.instance.instance_id == "i-1234567890abcdef0"
        captured.unlink()


def test_an_import_as_the_page_shows_it(tmp_path: Path) -> None:
    with aws.moto() as endpoint:
        environment = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        start = (
            "import botocore.session as b; c = b.Session().create_client('ec2', 'eu-west-1');"
            "print(c.run_instances(ImageId=c.describe_images()['Images'][0]['ImageId'], MinCount=1, MaxCount=1)"
            "['Instances'][0]['InstanceId'])"
        )
        instance_id = run(f'{sys.executable} -c "{start}"', tmp_path, **environment).strip()
        run(IMPORT.replace("i-0123456789abcdef0", instance_id), tmp_path, **environment)
    imported = tmp_path / "imported.yaml"
    assert from_document(read_yaml(imported.read_text(), str(imported))).instance.instance_id == instance_id


def test_runs_beside_a_mock_as_the_page_shows_them(tmp_path: Path) -> None:
    scenario = re.search(
        r"^```yaml\n(# interruption\.yaml.*?)^```$", (ROOT / "docs/control.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert scenario is not None
    (tmp_path / "interruption.yaml").write_text(scenario[1])
    wrapped, serve = blocks("ci.md")
    assert serve.strip() == SERVE_READY
    asked = 'curl -s "$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/meta-data/placement/region"'
    put = 'curl -s -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60"'
    put += ' "$AWS_EC2_METADATA_SERVICE_ENDPOINT/latest/api/token"'
    with_token = asked.replace("curl -s", f'curl -s -H "X-aws-ec2-metadata-token: $({put})"')
    (tmp_path / "ask.sh").write_text(with_token)
    local = wrapped.replace("pytest -q", "bash ask.sh").replace("make test", "bash ask.sh")
    assert run(local, tmp_path) == "us-east-1eu-west-1"


def test_the_ready_file_as_the_page_shows_it(tmp_path: Path) -> None:
    shown = json.loads(
        re.findall(r"^```json\n(.*?)^```$", (ROOT / "docs/ci.md").read_text(), re.MULTILINE | re.DOTALL)[0]
    )
    wait = "trap 'kill $!' EXIT\ntimeout 60 sh -c 'until [ -e imds.json ]; do imds-mock --version; done' > /dev/null\n"
    found = json.loads(run(f"{SERVE_READY}\n{wait}cat imds.json", tmp_path, IMDS_MOCK_CONTROL_PORT="0"))
    assert found.keys() == shown.keys()
    assert found["port"] > 0
    assert found["endpoint_url"] == f"http://127.0.0.1:{found['port']}"
