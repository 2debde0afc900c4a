"""Arguments that turn `imds-mock` into `ec2-metadata-mock`, and the hint for those meant for `imds-mock` itself."""

from __future__ import annotations

import pytest

from support.aemm_program import ask, ended, running

HINT = "so its data and events are served; to serve those of imds-mock, run:"
DROP_IN = f"{{}} is an argument of amazon-ec2-metadata-mock, {HINT} {{}}"
NO_FLAG = "{} is not a flag of amazon-ec2-metadata-mock; to use it with imds-mock, run: {}"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--port", "0", "-n", "127.0.0.1"], DROP_IN.format("--port", "imds-mock serve --host 127.0.0.1 --port 0")),
        (
            ["-p", "0", "-n", "::", "-I", "-d", "3"],
            DROP_IN.format("-p", "imds-mock serve --port 0 --set metadata_options.http_tokens=required"),
        ),
        (["spot", "-p", "0"], DROP_IN.format("spot", "imds-mock serve --port 0")),
    ],
)
def test_a_line_names_the_drop_in_and_the_command_for_imds_mock(argv: list[str], said: str) -> None:
    with running("imds-mock", *argv) as program:
        program.ports()
        assert [line for line in program.said if HINT in line] == [f"imds-mock: {said}"]
        assert program.end() == 0


def test_the_command_ec2_metadata_mock_prints_no_hint() -> None:
    with running("ec2-metadata-mock", "-p", "0", "-n", "127.0.0.1") as program:
        program.ports()
        assert not [line for line in program.said if HINT in line]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--config", "my file.yaml"], NO_FLAG.format("--config", "imds-mock serve --config 'my file.yaml'")),
        (["-p", "80", "--config=a.yaml"], NO_FLAG.format("--config", "imds-mock serve --port 80 --config=a.yaml")),
        (
            ["--acess-log", "off", "-n", "::1"],
            NO_FLAG.format("--acess-log", "imds-mock serve --access-log off --host ::1"),
        ),
        (["--set", "compatibility=imds"], NO_FLAG.format("--set", "imds-mock serve --set compatibility=imds")),
        (["--default-port", "80"], NO_FLAG.format("--default-port", "imds-mock serve --default-port 80")),
        (["-p", "80", "serve"], "the command serve must come first; run: imds-mock serve --port 80"),
        (["--prot", "80"], "unknown flag --prot; did you mean --port? (see --help)"),
        (["spot", "--config", "a.json"], "unknown flag --config; did you mean --config-file? (see --help)"),
        (["-p", "80", "spotitn"], "unknown command 'spotitn'; did you mean spot?"),
        (["spotitn", "-a", "stop"], "unknown command 'spotitn'; did you mean spot?"),
    ],
)
def test_arguments_meant_for_imds_mock(argv: list[str], sentence: str) -> None:
    result = ended("imds-mock", *argv)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"imds-mock: {sentence}\n")


def test_the_value_of_a_flag_is_not_a_command() -> None:
    result = ended("imds-mock", "-c", "serve")
    assert (result.returncode, result.stderr) == (1, "imds-mock: config file serve (flag -c) does not exist\n")


def test_ec2_metadata_mock_suggests_its_own_flags() -> None:
    assert ended("ec2-metadata-mock", "--config", "x").stderr == (
        "imds-mock: unknown flag --config; did you mean --config-file? (see --help)\n"
    )


@pytest.mark.parametrize(
    ("argv", "environ", "port"),
    [
        (["imds-mock"], {"AEMM_SERVER_PORT": "0"}, 0),
        (["imds-mock"], {"AEMM_SPOT_ACTON": "stop", "IMDS_MOCK_PORT": "0"}, 0),
        (["imds-mock", "serve", "--default-port", "1"], {"AEMM_SERVER_HOSTNAME": "", "IMDS_MOCK_PORT": "0"}, 0),
        (["imds-mock", "serve", "--default-port", "1", "--port", "0"], {"AEMM_SPOT_ACTION": "stop"}, 0),
    ],
)
def test_a_variable_selects_the_drop_in(argv: list[str], environ: dict[str, str], port: int) -> None:
    with running(*argv, IMDS_MOCK_HOSTS="127.0.0.1", **environ) as program:
        assert program.await_line("Initiating").endswith(f"for all mocks on port {port}")
        assert ask(next(iter(program.ports().values())), "/").body == b"latest\n"


def test_without_arguments_and_variables_the_usage_is_printed() -> None:
    for environ in (
        {},
        {"AEMM_SPOT_ACTION": "stop", "IMDS_MOCK_COMPATIBILITY": "imds"},
        {"AEMM_SERVICE_HOST": "10.0.0.1"},
    ):
        result = ended("imds-mock", **environ)
        assert result.returncode == 64
        assert "usage: imds-mock COMMAND" in result.stderr
    result = ended("imds-mock", AEMM_SPOT_ACTION="stop", IMDS_MOCK_REGOIN="x")
    assert result.returncode == 78
    assert len(result.stderr.splitlines()) == 1


def test_all_other_sources_override_the_default_port() -> None:
    with running("imds-mock", "serve", "--host", "127.0.0.1", "--default-port", "0") as program:
        assert ask(program.ports()["127.0.0.1"], "/").status == 200
    with running("imds-mock", "serve", "--host", "127.0.0.1", "--default-port", "1", IMDS_MOCK_PORT="0") as program:
        assert ask(program.ports()["127.0.0.1"], "/").status == 200
