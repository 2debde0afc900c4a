"""Messages that name what a user changes use the words of where the shim runs, each in every surroundings."""

from __future__ import annotations

import re

import pytest

from imds_shim.surroundings import Surroundings, detect

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
POD, PODMAN, DOCKER, UNKNOWN = (
    Surroundings("kubernetes"),
    Surroundings("podman"),
    Surroundings("docker"),
    Surroundings("unknown"),
)
INIT = Surroundings("kubernetes", is_init=True)
EVERYWHERE = [INIT, POD, PODMAN, DOCKER, UNKNOWN]
# Words of one engine that mean nothing in a Pod.
NOT_IN_A_POD = re.compile(
    r"docker(?!file)|podman|compose|cap_add|--network|--env|--user|network_mode|link_local|mock_metadata", re.IGNORECASE
)


@pytest.mark.parametrize(
    ("environ", "files", "kind"),
    [
        ([b"KUBERNETES_SERVICE_HOST=10.96.0.1"], {"/run/.containerenv"}, "kubernetes"),
        ([], {SERVICE_ACCOUNT}, "kubernetes"),
        ([b"PATH=/bin"], {"/run/.containerenv", "/.dockerenv"}, "podman"),
        ([b"NOT_KUBERNETES_SERVICE_HOST=x"], {"/.dockerenv"}, "docker"),
        ([], set(), "unknown"),
    ],
)
def test_where_the_shim_runs(environ: list[bytes], files: set[str], kind: str) -> None:
    assert detect(environ, files.__contains__) == kind


def texts(here: Surroundings) -> list[str]:
    """Everything that messages say of these surroundings."""
    properties = [name for name, value in vars(Surroundings).items() if isinstance(value, property)]
    return [
        *(str(getattr(here, name)) for name in properties if name not in ("in_pod", "_run")),
        here.grant(["NET_ADMIN"]),
        here.grant_to_user(["NET_ADMIN"], 1000),
        here.allowed_by("SETPCAP"),
        *here.lines_to_change(["NET_ADMIN"], {"MOCK_HOSTNAME": here.mock_example}, 1000),
    ]


@pytest.mark.parametrize("here", [INIT, POD], ids=["init", "container"])
def test_in_a_pod_nothing_speaks_of_another_engine(here: Surroundings) -> None:
    said = texts(here)
    assert len(said) > 18
    assert [each for each in said if NOT_IN_A_POD.search(each)] == []


@pytest.mark.parametrize("here", [PODMAN, DOCKER, UNKNOWN], ids=lambda each: each.kind)
def test_elsewhere_nothing_speaks_of_pods(here: Surroundings) -> None:
    said = texts(here)
    assert [each for each in said if re.search(r"\bPod\b|securityContext|Kubernetes|Service\b", each)] == []
    other = "docker run" if here is PODMAN else "podman run"
    assert [each for each in said if other in each] == []


def test_how_a_capability_is_granted() -> None:
    names = ("NET_ADMIN", "NET_RAW")
    assert INIT.grant(names) == (
        "Add `securityContext.capabilities.add: [NET_ADMIN, NET_RAW]` to this init container in the Pod's manifest; "
        "the namespace must allow it (Pod Security `privileged`)"
    )
    assert PODMAN.grant(names) == (
        "Add `cap_add: [NET_ADMIN, NET_RAW]` to this service in the compose file "
        "(podman run: --cap-add NET_ADMIN --cap-add NET_RAW)"
    )
    assert DOCKER.grant(names) == PODMAN.grant(names).replace("podman", "docker")
    assert UNKNOWN.grant(names) == f"{DOCKER.grant(names)}, or outside a container start the shim as root"
    assert [here.allowed_by("SETPCAP") for here in (POD, DOCKER)] == [
        "`securityContext.capabilities.add: [SETPCAP]`",
        "`cap_add: [SETPCAP]`",
    ]


def test_a_container_that_starts_as_another_user() -> None:
    assert INIT.grant_to_user(["NET_ADMIN"], 1000) == (
        "The container starts as user 1000, which has no capabilities. In the Pod's manifest, set `runAsUser: 0`, "
        "`runAsNonRoot: false` and `capabilities.add: [NET_ADMIN]` in the `securityContext` of this init container"
    )
    assert "and MOCK_USER=1000 in `env`. The shim drops root" in POD.grant_to_user(["NET_ADMIN"], 1000)
    assert "(podman run: --cap-add NET_ADMIN --env MOCK_USER=1000 instead of --user)" in PODMAN.grant_to_user(
        ["NET_ADMIN"], 1000
    )


def test_what_to_check_if_the_mock_is_not_found() -> None:
    assert "MOCK_HOSTNAME: imds-mock.NAMESPACE.svc" in INIT.check_name
    assert "NetworkPolicy" in INIT.check_mock
    assert "(podman run: --network NAME)" in PODMAN.check_name
    assert DOCKER.check_name == UNKNOWN.check_name


def test_the_lines_of_the_doctor() -> None:
    assert INIT.lines_to_change(["NET_ADMIN"], {"MOCK_HOSTNAME": "imds-mock"}, 1000) == [
        "set this for the init container in the Pod's manifest:",
        "    env:",
        '      - {name: MOCK_HOSTNAME, value: "imds-mock"}',
        "    securityContext:",
        "      runAsUser: 0",
        "      runAsNonRoot: false",
        "      capabilities:",
        "        add: [NET_ADMIN]",
    ]
    assert PODMAN.lines_to_change(["NET_ADMIN"], {"MOCK_USER": "1000"}, 1000) == [
        "remove this from the service in the compose file:",
        "    user: 1000",
        "add this to the service in the compose file:",
        "    cap_add: [NET_ADMIN]",
        "    environment:",
        '      MOCK_USER: "1000"',
        "with podman run: --env MOCK_USER=1000 --cap-add NET_ADMIN",
    ]
    assert [here.lines_to_change([], {}, None) for here in EVERYWHERE] == [[]] * len(EVERYWHERE)
