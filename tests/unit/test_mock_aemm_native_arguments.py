"""Arguments of `imds-mock` that are meant for AEMM or for `imds-mock` itself."""

from __future__ import annotations

import pytest

from imds_mock.aemm.arguments import parse
from imds_mock.aemm.keys import UsageError
from imds_mock.aemm.native_arguments import NativeArguments

NATIVE = NativeArguments(("serve", "ctl"), ("--host", "--port", "--set", "--config"))


@pytest.mark.parametrize(
    "words",
    [["--port", "80"], ["spot", "--config", "x"], ["--prot", "80"], ["-c", "serve"], ["--config-file=x"], ["-p80"], []],
)
def test_arguments_of_aemm_are_accepted(words: list[str]) -> None:
    NATIVE.require_aemm_arguments(words)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["--config", "my file"], "imds-mock serve --config 'my file'"),
        (["--confg=x", "-p", "1"], "imds-mock serve --config=x --port 1"),
        (["-n", "::1", "--sets", "a=b"], "imds-mock serve --host ::1 --set a=b"),
        (["-p", "80", "serve"], "imds-mock serve --port 80"),
        (["--hostname=x", "ctl", "status"], "imds-mock ctl --host=x status"),
    ],
)
def test_arguments_of_imds_mock_are_rejected_with_the_command_to_run(words: list[str], command: str) -> None:
    with pytest.raises(UsageError, match="run: ") as raised:
        NATIVE.require_aemm_arguments(words)
    assert str(raised.value).partition("run: ")[2] == command


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["-p", "80"], "imds-mock serve --port 80"),
        (["-n", "::", "-I"], "imds-mock serve --set metadata_options.http_tokens=required"),
        (["--hostname", "127.0.0.1", "--imdsv2=false"], "imds-mock serve --host 127.0.0.1"),
        (["spot", "-d", "3"], "imds-mock serve"),
    ],
)
def test_the_notice_contains_the_equivalent_command(words: list[str], command: str) -> None:
    notice = NATIVE.notice(words[0], parse(words))
    assert notice.startswith(f"{words[0]} is an argument of amazon-ec2-metadata-mock, ")
    assert notice.partition("run: ")[2] == command
