"""Messages about a configuration do not repeat what may be a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from imds_mock.build.loading import from_document, load
from imds_mock.config.errors import ConfigError
from imds_mock.config.sources import variables
from imds_mock.control.secrets import SECRET_KEYS
from support.configurations import NO_FLAGS, message, written

if TYPE_CHECKING:
    from pathlib import Path


def test_secrets_are_not_repeated() -> None:
    for section, key in SECRET_KEYS:
        if section != "aemm":
            with pytest.raises(ConfigError) as raised:
                from_document({section: {key: ["hush"]}})
            assert f"{section}.{key}: expected" in str(raised.value)
            assert "hush" not in str(raised.value)
    assert "hush" not in message(None, {"IMDS_MOCK_CREDENTIALS_SESSION_TOKEN": "hush\nhush"})


HUSH = "wJalrXUtnFEMI/K7MDENG-bPxRfiCY"


@pytest.mark.parametrize(
    "text",
    [
        f"credentials: {{{HUSH}: x}}",
        f"control: {{{HUSH}: }}",
        f"{HUSH}: x",
        f"instance: {{{HUSH}: x}}",
        f"control: {HUSH}",
        f"aemm: {HUSH}",
        f"credentials: {{endpoint_url: 'http://user:{HUSH}@sts'}}",
        f"credentials: {{endpoint_url: 'user:{HUSH}@sts'}}",
        f"credentials: {{endpoint_url: 'http://sts/?key={HUSH}'}}",
        f"credentials: {{source: {HUSH}}}",
        f"credentials: {{role_arn: {HUSH}}}",
        f"credentials: {{duration_seconds: {HUSH}}}",
        f"eks: {{token: {{a: {HUSH}}}}}",
        f"variants: [{{match: {{service: a}}, credentials: {HUSH}}}]",
        f"variants: [{{match: {{service: a}}, credentials: {{{HUSH}: x}}}}]",
        f"variants: [{{match: {{service: a}}, credentials: {{endpoint_url: 'http://u:{HUSH}@h'}}}}]",
        f"variants: [{{match: {{service: a}}, {HUSH}: x}}]",
        f"metadata: {{meta-data/iam/security-credentials/r: {{$text: x, {HUSH}: y}}}}",
        f"metadata: {{meta-data/iam/security-credentials/r: {{$json: '{HUSH}'}}}}",
        f"metadata: {{meta-data/iam/security-credentials/r: {{$base64: '{HUSH}?'}}}}",
        HUSH,
        f"control: {{token: *{HUSH}}}",
        f"control: {{token: !{HUSH} x}}",
        f"control: {{{HUSH}: 1, {HUSH}: 2}}",
        f"control: {{token: '{HUSH}}}",
        f"control: {{token: %{HUSH}}}",
    ],
)
def test_what_may_be_a_secret_in_another_place_is_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(NO_FLAGS, {}, written(tmp_path, text))
    assert HUSH not in str(raised.value)
    assert HUSH[:12] not in str(raised.value)


def test_what_may_be_a_secret_in_a_json_file_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "mock.json").write_text(f'{{"control": {{"{HUSH}": 1, "{HUSH}": 2}}}}')
    with pytest.raises(ConfigError, match="the key appears twice in one mapping"):
        load(NO_FLAGS, {}, tmp_path / "mock.json")


def test_a_misspelled_key_beside_secrets_is_named(tmp_path: Path) -> None:
    assert "credentials.sesion_token: unknown key; did you mean credentials.session_token?" in message(
        written(tmp_path, "credentials: {sesion_token: x}")
    )
    assert "control: unknown key (not shown, it may be a secret); the keys here are enabled" in message(
        written(tmp_path, f"control: {{{HUSH}: x}}")
    )


PASTED = "# everything\ncredentials:\n  secret_access_key: hunter2hunter2\ninstance:\n  region: eu-west-1\n"


@pytest.mark.parametrize("value", [PASTED.replace("\n", "\r\n"), PASTED * 500, json.dumps({"key": PASTED}) * 9])
def test_a_document_in_a_variable_is_not_repeated(value: str) -> None:
    said = [complaint({name: value}) for name in (*variables(), "IMDS_MOCK_CONFIG", f"IMDS_MOCK_{'A' * 3000}")]
    assert "hunter2" not in "".join(said)
    assert max(len(line) for text in said for line in text.splitlines()) <= 1005


def complaint(environ: dict[str, str]) -> str:
    """What is said about variables; empty if they are accepted, as text of several lines is for a tag."""
    try:
        load(NO_FLAGS, environ, None)
    except ConfigError as error:
        return str(error)
    return ""
