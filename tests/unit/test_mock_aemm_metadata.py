"""The static metadata of the drop-in: leaves, listings, configured paths and values."""

from __future__ import annotations

import json

import pytest

from imds_mock.aemm.keys import UsageError
from support.aemm import (
    EVENTS,
    LEAVES,
    LISTINGS,
    DropIn,
    lines,
)


@pytest.mark.parametrize("path", LEAVES)
def test_leaves(path: str) -> None:
    ask = DropIn()
    for form in (path, f"{path}/"):
        answer = ask(form)
        assert answer.status == 200
        assert answer.body.decode() == LEAVES[path]["body"]
        assert lines(answer)["Content-Type"] == LEAVES[path]["content_type"]
        assert lines(answer)["Content-Length"] == str(len(answer.body))


@pytest.mark.parametrize("path", LISTINGS)
def test_listings(path: str) -> None:
    ask = DropIn()
    for form in (path, f"{path}/"):
        answer = ask(form)
        assert answer.status == 200
        assert answer.body.decode() == LISTINGS[path]
        assert lines(answer)["Content-Type"] == "text/plain"


def test_listings_contain_all_leaves() -> None:
    ask = DropIn()
    asked: set[str] = set()
    waiting = ["/latest/"]
    while waiting:
        path = waiting.pop()
        for name in ask(path).body.decode().split():
            below = f"{path}{name}"
            if below in {"/latest/dynamic", "/latest/meta-data"}:
                below += "/"
            answer = ask(below)
            assert answer.status == 200, below
            asked.add(below.rstrip("/"))
            if below.endswith("/") and below.rstrip("/") not in LEAVES:
                waiting.append(below)
            elif below.endswith("/"):
                asked |= {leaf for leaf in LEAVES if leaf.startswith(below)}
    assert {*LEAVES, *EVENTS} <= asked
    assert len({*LEAVES, *EVENTS}) == 69


@pytest.mark.parametrize("command", [[], ["spot"], ["events"], ["asg"]])
def test_static_metadata_is_independent_of_the_subcommand(command: list[str]) -> None:
    ask = DropIn(*command)
    assert all(ask(path).body.decode() == leaf["body"] for path, leaf in LEAVES.items())


def test_an_empty_path_removes_the_leaf() -> None:
    ask = DropIn(environ={"AEMM_METADATA_PATHS_PUBLIC_HOSTNAME": "", "AEMM_METADATA_PATHS_TAGS_INSTANCE_NAME": "",
                         "AEMM_METADATA_PATHS_TAGS_INSTANCE_TEST": "", "AEMM_METADATA_PATHS_SPOT": ""})  # fmt: skip
    assert ask.status("/latest/meta-data/public-hostname") == 404
    assert not {"public-hostname", "tags/"} & set(ask.listing(""))
    assert ask.listing("spot") == ["termination-time"]
    assert ask.status("/latest/meta-data/tags") == 404


def test_values_and_paths_can_be_replaced() -> None:
    ask = DropIn(
        environ={
            "AEMM_METADATA_VALUES_MAC": "02:00:00:00:00:01",
            "AEMM_METADATA_VALUES_IAM_SECURITY_CREDENTIALS_ROLE": "reader",
            "AEMM_METADATA_VALUES_IAM_SECURITY_CREDENTIALS_ACCESSKEYID": "ASIA",
            "AEMM_METADATA_PATHS_AMI_ID": "/latest/meta-data/images/ami/",
            "AEMM_METADATA_PATHS_SPOT": "/latest/meta-data/spot/action",
            "AEMM_DYNAMIC_VALUES_INSTANCE_IDENTITY_DOCUMENT_RAMDISKID": "ari-1",
            "AEMM_USERDATA_VALUES_USERDATA": "AP8K",
        }
    )
    assert ask("/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/mac").body == b"0e:49:61:0f:c3:11"
    assert ask.listing("iam") == ["info", "security-credentials", "security-credentials/"]
    assert ask("/latest/meta-data/iam/security-credentials/").body == b"reader"
    assert json.loads(ask("/latest/meta-data/iam/security-credentials/reader").body)["AccessKeyId"] == "ASIA"
    assert ask.status("/latest/meta-data/iam/security-credentials/baskinc-role") == 404
    assert ask.listing("images") == ["ami"]
    assert ask("/latest/meta-data/images/ami").body == b"ami-0a887e401f7654935"
    assert json.loads(ask("/latest/dynamic/instance-identity/document").body)["ramdiskId"] == "ari-1"
    assert ask("/latest/user-data").body == b"\x00\xff\n"
    assert [ask.status("/latest/meta-data/spot/action", caller=f"10.0.0.{n}") for n in (1, 2, 3)] == [200, 200, 404]


def test_a_moved_credentials_path_leaves_the_role_as_a_leaf() -> None:
    ask = DropIn(environ={"AEMM_METADATA_PATHS_IAM_SECURITY_CREDENTIALS": "/latest/meta-data/keys"})
    assert ask.listing("iam") == ["info", "security-credentials"]


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (
            {"AEMM_METADATA_PATHS_MAC": "mac"},
            "key metadata.paths.mac (variable AEMM_METADATA_PATHS_MAC): expected a path ",
        ),
        ({"AEMM_METADATA_PATHS_MAC": "/latest//mac"}, "key metadata.paths.mac (variable AEMM_METADATA_PATHS_MAC): "),
        ({"AEMM_METADATA_PATHS_MAC": "/2009-04-04/meta-data/mac"}, "key metadata.paths.mac (variable "),
        (
            {"AEMM_METADATA_PATHS_MAC": "/latest/meta-data/ami-id"},
            (
                "key metadata.paths.mac (variable AEMM_METADATA_PATHS_MAC): metadata.paths.ami-id already has the path "
                "/latest/meta-data/ami-id"
            ),
        ),
        ({"AEMM_SERVER_HOSTNAME": "example.org"}, "variable AEMM_SERVER_HOSTNAME: expected an IP address or localhost"),
    ],
)
def test_the_error_for_an_invalid_path_names_its_key(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        DropIn(environ=environ)
    assert str(refused.value).startswith(sentence)
