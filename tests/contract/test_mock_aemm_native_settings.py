"""The drop-in as a program with native settings: working credentials, `ctl` and changing files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.aemm import written
from support.aemm_program import Program, ask, ended, running

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = ("-n", "127.0.0.1", "-p", "0")
MD = "/latest/meta-data/"
CREDENTIALS = f"{MD}iam/security-credentials/baskinc-role"


def own(folder: Path, **more: str) -> dict[str, str]:
    """Variables with an AWS profile and a control plane for `ctl`."""
    profile = folder / "credentials"
    profile.write_text(
        "[dev]\naws_access_key_id = ASIADEV\naws_secret_access_key = s\naws_session_token = t\n", "utf-8"
    )
    return {
        "AWS_SHARED_CREDENTIALS_FILE": str(profile),
        "AWS_CONFIG_FILE": str(folder / "none"),
        "IMDS_MOCK_CONTROL_SOCKET": str(folder / "control.sock"),
        **more,
    }


def ctl(folder: Path, line: str) -> str:
    done = ended("imds-mock", "ctl", *line.split(), IMDS_MOCK_CONTROL_URL=f"unix:{folder / 'control.sock'}")
    assert done.returncode == 0, (line, done)
    return done.stdout


def port_of(program: Program) -> int:
    port = program.ports()["127.0.0.1"]
    program.await_line("control plane on unix:")
    return port


@pytest.mark.parametrize("argv", [["ec2-metadata-mock", *LOCAL], ["imds-mock", "spot", *LOCAL]])
def test_credentials_of_a_profile(tmp_path: Path, argv: list[str]) -> None:
    environ = own(tmp_path, IMDS_MOCK_CREDENTIALS_SOURCE="profile", IMDS_MOCK_CREDENTIALS_PROFILE="dev")
    with running(*argv, **environ) as program:
        document = json.loads(ask(port_of(program), CREDENTIALS).body)
        assert (document["AccessKeyId"], document["SecretAccessKey"], document["Token"]) == ("ASIADEV", "s", "t")


def test_run_time_changes_and_their_reset(tmp_path: Path) -> None:
    environ = own(tmp_path, IMDS_MOCK_REGION="eu-central-1", AEMM_METADATA_VALUES_HOSTNAME="by-variable")
    with running("ec2-metadata-mock", *LOCAL, **environ) as program:
        port = port_of(program)

        def seen(*paths: str) -> list[str]:
            return [ask(port, MD + path).body.decode() for path in paths]

        assert seen("placement/region", "hostname", "instance-type") == ["eu-central-1", "by-variable", "m4.xlarge"]
        changed = {"region": "eu-west-1", "instance_type": "m5.large", "hostname": "changed.internal"}
        ctl(tmp_path, f"config patch {json.dumps({'instance': changed}, separators=(',', ':'))}")
        assert seen("placement/region", "hostname", "instance-type") == ["eu-west-1", "by-variable", "m5.large"]
        assert seen("local-hostname") == ["changed.internal"]
        assert json.loads(ask(port, "/latest/dynamic/instance-identity/document").body)["region"] == "eu-west-1"
        ctl(tmp_path, 'config patch {"instance":{"instance_type":null}}')
        assert seen("placement/region", "instance-type") == ["eu-west-1", "m4.xlarge"], "null leads back to AEMM's"
        ctl(tmp_path, "reset")
        assert seen("placement/region", "hostname", "instance-type") == ["eu-central-1", "by-variable", "m4.xlarge"]


def test_ctl_rotates_and_expires_credentials(tmp_path: Path) -> None:
    with running("ec2-metadata-mock", *LOCAL, **own(tmp_path, IMDS_MOCK_CREDENTIALS_SEED="x")) as program:
        port = port_of(program)
        first = json.loads(ask(port, CREDENTIALS).body)
        ctl(tmp_path, "credentials rotate")
        second = json.loads(ask(port, CREDENTIALS).body)
        assert first["AccessKeyId"] != second["AccessKeyId"]
        assert first.keys() == second.keys()


def test_the_native_file_is_read_and_watched(tmp_path: Path) -> None:
    file = written(tmp_path, {"instance": {"region": "eu-central-1"}, "aemm": {"mock-delay-sec": 9999}}, "own.json")
    with running("ec2-metadata-mock", *LOCAL, **own(tmp_path, IMDS_MOCK_CONFIG=str(file))) as program:
        port = port_of(program)
        assert ask(port, f"{MD}placement/region").body == b"eu-central-1"
        assert ask(port, f"{MD}spot/instance-action").status == 404
        written(tmp_path, {"instance": {"region": "eu-west-1"}}, "own.json")
        program.await_line("configuration reloaded")
        assert ask(port, f"{MD}placement/region").body == b"eu-west-1"
        assert ask(port, f"{MD}spot/instance-action").status == 200


def test_settings_that_need_several_instances_are_rejected() -> None:
    result = ended("ec2-metadata-mock", *LOCAL, IMDS_MOCK_IDENTITY="per-container")
    assert result.returncode == 78
    assert result.stderr.startswith("imds-mock: IMDS_MOCK_IDENTITY: identity: compatibility aemm has one instance")


def test_saved_settings_include_the_native_ones(tmp_path: Path) -> None:
    environ = own(tmp_path, HOME=str(tmp_path), IMDS_MOCK_REGION="eu-central-1", IMDS_MOCK_PRODUCT_CODES="a1,b2")
    with running("ec2-metadata-mock", *LOCAL, "-s", **environ) as program:
        port_of(program)
    saved = json.loads((tmp_path / ".ec2-metadata-mock/.aemm-config-used.json").read_text("utf-8"))
    assert saved["metadata"]["values"]["placement-region"] == "eu-central-1"
    assert saved["dynamic"]["values"]["instance-identity-document"]["marketplaceproductcodes"] == ["a1", "b2"]
