"""Native settings in the drop-in: they override AEMM's data; AEMM's flags, variables and file override them."""

from __future__ import annotations

import json
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.aemm.configuration import apply_settings
from imds_mock.aemm.data import DEFAULT_CONFIG
from imds_mock.aemm.native_settings import Changes, find_changes
from imds_mock.build.aemm import AemmBuilder
from imds_mock.build.aemm_loading import AemmReader
from imds_mock.build.leaves import derived_leaves
from imds_mock.build.loading import document_of, from_document, load
from imds_mock.cli import main
from imds_mock.commands import ec2_metadata_mock
from imds_mock.config.errors import ConfigError
from imds_mock.config.facts import InstanceSettings
from imds_mock.credentials.values import RoleCredentials
from imds_mock.metadata.documents import RenewableDocument
from imds_mock.service.messages import Request, Response
from imds_mock.service.rules import Service
from imds_mock.service.tokens import Tokens
from imds_mock.signing.signer import Signer
from support.aemm import LEAVES, LISTINGS, STARTED, base, settings, written
from support.mockserver import FixedSnapshot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MD = "/latest/meta-data/"
MAC = f"{MD}network/interfaces/macs/0e:49:61:0f:c3:11/"
DOCUMENT = "/latest/dynamic/instance-identity/document"
CREDENTIALS = f"{MD}iam/security-credentials/baskinc-role"


def asked(
    own: Mapping[str, str], *argv: str, environ: Mapping[str, str] | None = None, file: Path | None = None
) -> Any:
    """A function that requests paths from the drop-in with native variables and AEMM's settings."""
    loaded = load({"compatibility": "aemm"}, own, None)
    config = apply_settings(settings(*argv, environ=environ, file=file), loaded)
    described = AemmBuilder(STARTED, "a test says so").build(config)
    service = Service(FixedSnapshot(described.snapshot()), Tokens(), "id")

    def ask(path: str) -> Response:
        return service.respond(Request("GET", path, path.rstrip("/") or "/", path.endswith("/")), "10.0.0.1", STARTED)

    return ask


def changed(own: Mapping[str, str]) -> dict[str, str | None]:
    """The leaves that native variables change, in the form of the golden files; None for removed ones."""
    ask = asked(own)
    now = {path: answer.body.decode() if (answer := ask(path)).status == 200 else None for path in LEAVES}
    return {path: body for path, body in now.items() if body != LEAVES[path]["body"]}


def test_the_default_configuration_changes_nothing() -> None:
    derive_leaves = partial(derived_leaves, signer=Signer())
    assert find_changes(base(), STARTED, derive_leaves) == Changes()
    assert changed({}) == {}
    again = from_document(json.loads(json.dumps({"compatibility": "aemm", **DEFAULT_CONFIG})))
    assert find_changes(again, STARTED, derive_leaves) == Changes()


def test_the_region_and_values_derived_from_it() -> None:
    own = changed({"IMDS_MOCK_REGION": "eu-central-1"})
    document = json.loads(own.pop(DOCUMENT) or "")
    assert own == {
        f"{MD}placement/region": "eu-central-1",
        f"{MD}placement/availability-zone": "eu-central-1a",
        f"{MD}placement/availability-zone-id": "euc1-az1",
        f"{MD}hostname": "ip-172-16-34-43.eu-central-1.compute.internal",
        f"{MD}local-hostname": "ip-172-16-34-43.eu-central-1.compute.internal",
        f"{MD}public-hostname": "ec2-192-0-2-54.eu-central-1.compute.amazonaws.com",
        f"{MAC}local-hostname": "ip-172-16-34-43.eu-central-1.compute.internal",
        f"{MAC}public-hostname": "ec2-192-0-2-54.eu-central-1.compute.amazonaws.com",
    }
    original = json.loads(LEAVES[DOCUMENT]["body"])
    assert document == original | {"region": "eu-central-1", "availabilityZone": "eu-central-1a"}
    assert list(document) == list(original)


@pytest.mark.parametrize(
    ("variable", "value", "leaves", "members"),
    [
        ("INSTANCE_ID", "i-0123456789abcdef0", {f"{MD}instance-id": "i-0123456789abcdef0"},
         {"instanceId": "i-0123456789abcdef0"}),
        ("INSTANCE_TYPE", "m5.large", {f"{MD}instance-type": "m5.large"}, {"instanceType": "m5.large"}),
        ("IMAGE_ID", "ami-0abcdef1234567890", {f"{MD}ami-id": "ami-0abcdef1234567890"},
         {"imageId": "ami-0abcdef1234567890"}),
        ("LAUNCH_TIME", "2026-01-02T03:04:05Z", {}, {"pendingTime": "2026-01-02T03:04:05Z"}),
        ("INSTANCE_LIFE_CYCLE", "spot", {f"{MD}instance-life-cycle": "spot"}, {}),
        ("PRODUCT_CODES", "a1,b2", {f"{MD}product-codes": "a1\nb2"}, {"marketplaceProductCodes": ["a1", "b2"]}),
        ("BILLING_PRODUCTS", "bp-1", {}, {"billingProducts": ["bp-1"]}),
        ("KERNEL_ID", "null", {f"{MD}kernel-id": None}, {"kernelId": None}),
        ("USER_DATA", "hello", {"/latest/user-data": "hello"}, {}),
        ("HOSTNAME", "web.internal",
         dict.fromkeys((f"{MD}hostname", f"{MD}local-hostname", f"{MAC}local-hostname"), "web.internal"), {}),
        ("TARGET_LIFECYCLE_STATE", "Warmed:Running", {}, {}),
        ("ROOT_DEVICE", "/dev/sda1",
         {f"{MD}block-device-mapping/{name}": "/dev/sda1" for name in ("ami", "root")}, {}),
    ],
)  # fmt: skip
def test_single_settings(variable: str, value: str, leaves: dict[str, str | None], members: dict[str, Any]) -> None:
    own = changed({f"IMDS_MOCK_{variable}": value})
    document = json.loads(own.pop(DOCUMENT, LEAVES[DOCUMENT]["body"]) or "")
    assert own == leaves
    assert document == json.loads(LEAVES[DOCUMENT]["body"]) | members


def test_addresses_change_paths_and_names() -> None:
    ask = asked({"IMDS_MOCK_MAC": "02:00:00:00:00:01", "IMDS_MOCK_PUBLIC_IPV4": "198.51.100.7"})
    macs = f"{MD}network/interfaces/macs/"
    assert ask(macs).body == b"02:00:00:00:00:01/"
    assert ask(f"{macs}02:00:00:00:00:01/mac").body == b"02:00:00:00:00:01"
    assert ask(f"{macs}02:00:00:00:00:01/subnet-id").body == b"subnet-0ac62554"
    assert ask(f"{macs}02:00:00:00:00:01/ipv4-associations/").body == b"198.51.100.7"
    assert ask(f"{macs}02:00:00:00:00:01/ipv4-associations/198.51.100.7").body == b"198.51.100.7"
    assert ask(f"{MD}public-hostname").body == b"ec2-198-51-100-7.compute-1.amazonaws.com"


def test_null_removes_leaves() -> None:
    assert changed({"IMDS_MOCK_PUBLIC_IPV4": "null"}) == dict.fromkeys(
        [f"{MD}public-ipv4", f"{MD}public-hostname", f"{MAC}public-ipv4s", f"{MAC}public-hostname",
         f"{MAC}ipv4-associations/192.0.2.54"]
    )  # fmt: skip
    ask = asked({"IMDS_MOCK_ROLE": "null"})
    assert {ask(path).status for path in (f"{MD}iam/", f"{MD}iam/info", f"{MD}iam/security-credentials/")} == {404}
    assert "iam/" not in ask(MD).body.decode()


def test_tags_replace_aemms() -> None:
    ask = asked({"IMDS_MOCK_TAGS": "Name=web,Env=dev"})
    assert ask(f"{MD}tags/instance/").body == b"Env\nName"
    assert [ask(f"{MD}tags/instance/{name}").body for name in ("Name", "Env")] == [b"web", b"dev"]
    assert asked({"IMDS_MOCK_INSTANCE_METADATA_TAGS": "disabled"})(f"{MD}tags/").status == 404


def test_leaves_that_aemm_does_not_have_are_added() -> None:
    interfaces = '[{}, {mac: "02:00:00:00:00:02", subnet_id: subnet-0123456789abcdef0}]'
    ask = asked({"IMDS_MOCK_INTERFACES": interfaces, "IMDS_MOCK_ANCESTOR_AMI_IDS": "ami-0abcdef1234567890",
                 "IMDS_MOCK_BLOCK_DEVICES": "ebs1=xvdb"}, environ={"AEMM_METADATA_VALUES_MAC": "FOO"})  # fmt: skip
    assert ask(f"{MD}network/interfaces/macs/").body == b"02:00:00:00:00:02/\nFOO/"
    assert ask(f"{MD}network/interfaces/macs/02:00:00:00:00:02/subnet-id").body == b"subnet-0123456789abcdef0"
    assert ask(f"{MD}ancestor-ami-ids").body == b"ami-0abcdef1234567890"
    assert ask(f"{MD}block-device-mapping/").body == b"ami\nebs1\nroot"


def test_a_role_has_its_own_path_and_instance_profile() -> None:
    ask = asked({"IMDS_MOCK_ROLE": "web"})
    assert ask(f"{MD}iam/security-credentials").body == b"web"
    assert json.loads(ask(f"{MD}iam/security-credentials/web").body)["AccessKeyId"] == "12345678901"
    assert (
        json.loads(ask(f"{MD}iam/info").body)["InstanceProfileArn"] == "arn:aws:iam::515336597381:instance-profile/web"
    )


STATIC = {
    "IMDS_MOCK_CREDENTIALS_SOURCE": "static", "IMDS_MOCK_CREDENTIALS_ACCESS_KEY_ID": "ASIAEXAMPLE",
    "IMDS_MOCK_CREDENTIALS_SECRET_ACCESS_KEY": "secret", "IMDS_MOCK_CREDENTIALS_SESSION_TOKEN": "token",
}  # fmt: skip


def test_configured_credentials_have_aemms_layout() -> None:
    answer = asked(STATIC)(CREDENTIALS)
    document = json.loads(answer.body)
    assert list(document) == list(json.loads(LEAVES[CREDENTIALS]["body"]))
    assert (document["AccessKeyId"], document["SecretAccessKey"], document["Token"]) == (
        "ASIAEXAMPLE",
        "secret",
        "token",
    )
    assert document["Expiration"] > "2026-11-23T02:48:14Z"
    assert answer.body.startswith(b'{\n\t"Code": "Success",\n\t')
    assert dict(answer.head.leading + answer.head.trailing)["Content-Type"] == "application/json"


def test_configured_credential_failures() -> None:
    document = json.loads(asked({"IMDS_MOCK_CREDENTIALS_FAILURE": "AssumeRoleUnauthorizedAccess"})(CREDENTIALS).body)
    assert document["Code"] == "AssumeRoleUnauthorizedAccess"
    ask = asked({"IMDS_MOCK_CREDENTIALS_FAILURE": "InstanceProfileNotFound"})
    assert (ask(CREDENTIALS).status, ask(f"{MD}iam/security-credentials/").status) == (404, 404)
    assert json.loads(ask(f"{MD}iam/info").body)["Code"] == "InstanceProfileNotFound"


@pytest.mark.parametrize(
    ("variable", "value", "path", "body"),
    [
        ("SYSTEM", "nitro", "system", "nitro"),
        ("VIRTUALIZATION_PROFILE", "default-hvm", "profile", "default-hvm"),
        ("HIBERNATION_CONFIGURED", "true", "hibernation/configured", "true"),
        ("MANAGED_SSH_KEYS", "{signer_cert: pem}", "managed-ssh-keys/signer-cert", "pem"),
        ("MANAGED_SSH_KEYS", "{active_keys: {me: [key]}}", "managed-ssh-keys/active-keys/me", "key"),
        ("CREDENTIALS_EXTENDED", "true", "iam/security-credentials-extended/", "baskinc-role"),
    ],
)
def test_a_setting_for_a_leaf_that_aemm_does_not_have(variable: str, value: str, path: str, body: str) -> None:
    assert asked({})(MD + path).status == 404
    assert asked({f"IMDS_MOCK_{variable}": value})(MD + path).body.decode() == body


@pytest.mark.parametrize("name", InstanceSettings.__struct_fields__)
def test_every_instance_setting_has_an_effect(name: str) -> None:
    samples: dict[str, Any] = {
        "instance_id": "i-0123456789abcdef0", "account_id": "123456789012", "region": "eu-west-1",
        "availability_zone": "us-east-1b", "availability_zone_id": "use1-az3", "instance_type": "m5.large",
        "architecture": "arm64", "system": "nitro", "virtualization_profile": "x",
        "launch_time": "2026-01-02T03:04:05Z",
        "reservation_id": "r-0123456789abcdef0", "instance_life_cycle": "spot", "instance_action": "shutdown",
        "hibernation_configured": True, "target_lifecycle_state": "Standby", "detailed_monitoring": True,
        "image_id": "ami-0abcdef1234567890", "ancestor_ami_ids": ["ami-0abcdef1234567890"], "ami_launch_index": 3,
        "ami_manifest_path": "x", "kernel_id": "aki-12345678", "ramdisk_id": "ari-12345678", "product_codes": ["x"],
        "billing_products": ["bp-1"], "root_device": "/dev/sda1", "block_devices": {"ebs1": "xvdb"},
        "placement_group": "x", "partition_number": 3, "host_id": "h-0123456789abcdef0", "hostname": "x.internal",
        "hostname_type": "resource-name", "domain_name": "x.internal", "local_ipv4": "10.1.2.3",
        "public_ipv4": "198.51.100.7", "mac": "02:00:00:00:00:01", "security_groups": ["x"],
        "interfaces": [{"subnet_id": "subnet-0123456789abcdef0"}], "role": "web", "instance_profile": "x",
        "instance_profile_id": "AIPA1234567890ABCDEFG", "user_data": "x", "tags": {"Env": "dev"},
        "public_keys": [{"name": "k", "openssh_key": "ssh-ed25519 AAAA k"}], "managed_ssh_keys": {"signer_cert": "x"},
    }  # fmt: skip
    before = AemmBuilder(STARTED, "").build(base()).leaves
    after = AemmBuilder(STARTED, "").build(base(instance={name: samples[name]})).leaves
    shown = [
        {path: leaf.body for path, leaf in leaves.items() if not callable(leaf.body)} for leaves in (before, after)
    ]
    assert shown[0] != shown[1] or before.keys() != after.keys()


def test_versions_and_unused_sections(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked({"IMDS_MOCK_VERSIONS": "2021-07-15"})("/").body == b"2021-07-15\n"
    environ = {"IMDS_MOCK_ECS_CLUSTER": "x"}
    reading = AemmReader(lambda: load({"compatibility": "aemm"}, environ, None), environ)
    reading()
    reading()
    assert capsys.readouterr().err == "imds-mock: the section ecs has no effect with compatibility aemm\n"


def test_configured_generated_credentials_are_renewed() -> None:
    first, second = (
        json.loads(asked({"IMDS_MOCK_CREDENTIALS_SEED": seed})(CREDENTIALS).body) for seed in ("one", "two")
    )
    assert first["Expiration"] > "2026-11-23T02:48:14Z"
    assert first["AccessKeyId"] != second["AccessKeyId"]


class Fetched:
    """Fetched credentials that record the requests for new ones."""

    refused_at = None

    def __init__(self) -> None:
        self.renewals: list[float] = []

    def valid_at(self, now: float) -> RoleCredentials:
        return RoleCredentials("ASIAFETCHED", "secret", "token", now - 60, now + 3600)

    def renew_after(self, moment: float) -> None:
        self.renewals.append(moment)


def test_an_event_can_renew_fetched_credentials() -> None:
    fetched = Fetched()
    config = base(credentials={"source": "assume-role", "role_arn": "arn:aws:iam::111111111111:role/app"})
    built = AemmBuilder(STARTED, "a test says so", lambda _request: fetched).build(config)
    body = built.leaves["meta-data/iam/security-credentials/baskinc-role"].body
    assert callable(body)
    document = body(STARTED)
    assert isinstance(document, RenewableDocument)
    assert json.loads(document)["AccessKeyId"] == "ASIAFETCHED"
    document.renew_after(STARTED + 1)
    assert fetched.renewals == [STARTED + 1]


def test_aemms_flags_variables_and_file_override(tmp_path: Path) -> None:
    metadata = {"values": {"hostname": "by-file", "tags-instance": {"Env": "by-file"}}}
    dynamic = {"values": {"instance-identity-document": {"region": "by-file"}}}
    file = written(tmp_path, {"metadata": metadata, "dynamic": dynamic})
    variables = {
        "AEMM_METADATA_VALUES_PLACEMENT_REGION": "by-variable", "AEMM_METADATA_VALUES_PUBLIC_IPV4": "9.9.9.9",
        "AEMM_METADATA_VALUES_IAM_SECURITY_CREDENTIALS_TOKEN": "by-variable", "AEMM_ASG_TERMINATION_DELAY_SEC": "0",
    }  # fmt: skip
    own = {
        "IMDS_MOCK_REGION": "eu-central-1", "IMDS_MOCK_HOSTNAME": "own.internal", "IMDS_MOCK_TAGS": "Env=own,Team=own",
        "IMDS_MOCK_PUBLIC_IPV4": "null", "IMDS_MOCK_TARGET_LIFECYCLE_STATE": "Warmed:Running", **STATIC,
    }  # fmt: skip
    ask = asked(own, environ=variables, file=file)
    assert ask(f"{MD}placement/region").body == b"by-variable"
    assert ask(f"{MD}placement/availability-zone").body == b"eu-central-1a"
    assert ask(f"{MD}hostname").body == b"by-file"
    assert ask(f"{MD}local-hostname").body == b"own.internal"
    assert ask(f"{MD}tags/instance/Env").body == b"by-file"
    assert ask(f"{MD}tags/instance/Team").body == b"own"
    assert ask(f"{MD}public-ipv4").body == b"9.9.9.9"
    assert ask(f"{MD}public-hostname").status == 404
    document = json.loads(ask(DOCUMENT).body)
    assert (document["region"], document["availabilityZone"]) == ("by-file", "eu-central-1a")
    credentials = json.loads(ask(CREDENTIALS).body)
    assert (credentials["AccessKeyId"], credentials["Token"]) == ("ASIAEXAMPLE", "by-variable")
    assert ask(f"{MD}autoscaling/target-lifecycle-state").body == b"Terminated"
    without = asked({"IMDS_MOCK_TARGET_LIFECYCLE_STATE": "Warmed:Running"})
    assert without(f"{MD}autoscaling/target-lifecycle-state").body == b"Warmed:Running"


def test_the_precedence_of_all_sources(tmp_path: Path) -> None:
    own_file = written(
        tmp_path, "instance: {hostname: own-file.internal}\naemm: {metadata.values.mac: by-section}", "own.yaml"
    )
    aemm_file = written(tmp_path, {"metadata": {"values": {"mac": "by-file", "local-ipv4": None}}})
    environ = {"IMDS_MOCK_CONFIG": str(own_file), "AEMM_CONFIG_FILE": str(aemm_file)}

    def value(name: str, **more: str) -> object:
        all_of_them = {**environ, **more}
        reading = AemmReader(lambda: load({"compatibility": "aemm"}, all_of_them, None), all_of_them)
        reading()
        return reading.settings.values[f"metadata.values.{name}"]

    assert value("hostname") == "own-file.internal"
    assert value("hostname", IMDS_MOCK_HOSTNAME="own-variable.internal") == "own-variable.internal"
    assert value("mac", IMDS_MOCK_MAC="02:00:00:00:00:01") == "by-file"
    assert value("mac", AEMM_CONFIG_FILE="", IMDS_MOCK_MAC="02:00:00:00:00:01") == "by-section"
    assert value("mac", AEMM_METADATA_VALUES_MAC="by-variable") == "by-variable"
    assert value("local-ipv4", IMDS_MOCK_LOCAL_IPV4="10.1.2.3") == "10.1.2.3", "null in AEMM's file is not set"


def test_aemm_settings_override_listener_and_options() -> None:
    own = {"IMDS_MOCK_PORT": "8080", "IMDS_MOCK_HOSTS": "127.0.0.1", "IMDS_MOCK_HTTP_TOKENS": "required"}
    loaded = load({"compatibility": "aemm"}, own, None)
    config = apply_settings(settings(), loaded)
    assert (config.server.port, config.server.hosts, config.metadata_options.http_tokens) == (
        8080, ("127.0.0.1",), "required",
    )  # fmt: skip
    config = apply_settings(settings("-p", "80", "--imdsv2=false", environ={"AEMM_SERVER_HOSTNAME": ""}), loaded)
    assert (config.server.port, config.server.hosts, config.metadata_options.http_tokens) == (80, (), "optional")


def test_a_change_at_run_time_and_its_reset() -> None:
    builder = AemmBuilder(STARTED, "a test says so")
    config = base()
    document = document_of(config)
    assert document["instance"]["instance_type"] == "m4.xlarge"
    document["instance"]["instance_type"] = "m5.large"
    assert builder.build(from_document(document)).leaves["meta-data/instance-type"].body == b"m5.large"
    del document["instance"]["instance_type"]
    assert builder.build(from_document(document)).leaves["meta-data/instance-type"].body == b"m4.xlarge"


def test_listings_stay_aemms() -> None:
    ask = asked({"IMDS_MOCK_REGION": "eu-central-1", "IMDS_MOCK_INSTANCE_TYPE": "m5.large"})
    assert {path: ask(path).body.decode() for path in LISTINGS} == LISTINGS


def test_errors_name_invalid_native_settings() -> None:
    with pytest.raises(ConfigError, match=r"^IMDS_MOCK_REGION: instance\.region: "):
        load({"compatibility": "aemm"}, {"IMDS_MOCK_REGION": "nowhere"}, None)
    with pytest.raises(ConfigError, match=r"IMDS_MOCK_REGOIN"):
        load({"compatibility": "aemm"}, {"IMDS_MOCK_REGOIN": "us-east-1"}, None)


def test_aemms_default_port_replaces_that_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    readers: list[AemmReader] = []
    monkeypatch.setattr(ec2_metadata_mock, "serve", lambda reader, *_, **_options: readers.append(reader))
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # of the test's own process
    assert main(["serve", "--default-port", "80", "--set", "compatibility=aemm"]) == 0
    assert [reader().server.port for reader in readers] == [1338]
