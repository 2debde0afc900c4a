"""The errors that end a command; each has an exit code (sysexits.h) and a message for the user.

MockError
├── ListenError     69 address in use, 77 port forbidden, 78 no address, 71 anything else
├── LogFileError    73 the access log's file cannot be written
├── ProbeError      1, the health check fails
│   └── OtherServerError  another server answers
├── CompanionError  70, a part of the mock failed while it ran (in `run.companions`)
├── HostError       errors of `imds-mock host` (in `host.errors`)
└── ConfigError     78, an invalid configuration (in `config.errors`)
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

from imds_mock.addresses import host_and_port

EX_USAGE: Final = 64
EX_DATAERR: Final = 65
EX_UNAVAILABLE: Final = 69
EX_SOFTWARE: Final = 70
EX_OSERR: Final = 71
EX_CANTCREAT: Final = 73
EX_IOERR: Final = 74
EX_NOPERM: Final = 77
EX_CONFIG: Final = 78

LOW_PORTS: Final = "net.ipv4.ip_unprivileged_port_start=0"
"""The kernel setting that lets every user listen on port 80. Docker makes it in each container, Podman does not."""
# Docker and Podman create these files in each container.
_CONTAINER_MARKS: Final = ("/.dockerenv", "/run/.containerenv")
_POD_VARIABLE: Final = "KUBERNETES_SERVICE_HOST"  # in each container of a Pod


class MockError(Exception):
    """Something that the user can put right.

    Attributes:
        exit_code: What the program ends with.
    """

    exit_code: int = EX_OSERR


class ListenError(MockError):
    """An address cannot be listened on.

    Args:
        host: The IP address.
        port: The TCP port.
        cause: What the kernel said.
        subject: What listens there, if it is not the data plane.
        options: What chooses another address, and what another port.
    """

    def __init__(
        self,
        host: str,
        port: int,
        cause: OSError,
        subject: str = "",
        options: tuple[str, str] = ("--host", "--port"),
    ) -> None:
        host_option, port_option = options
        self.host, self.port, self.cause = host, port, cause
        if isinstance(cause, socket.gaierror):
            self.exit_code = EX_CONFIG
            advice = "it is not an IP address; write one such as 127.0.0.1, 0.0.0.0 or ::"
        elif cause.errno == errno.EADDRINUSE:
            self.exit_code = EX_UNAVAILABLE
            advice = f"another program listens on it; choose another {port_option} or stop that program"
        elif cause.errno == errno.EACCES:
            self.exit_code = EX_NOPERM
            advice = _advice_on_low_ports(port_option)
        elif cause.errno == errno.EADDRNOTAVAIL:
            self.exit_code = EX_OSERR
            advice = f"this machine does not have the address; choose another {host_option}"
        else:
            self.exit_code = EX_OSERR
            advice = os.strerror(cause.errno) if cause.errno else str(cause)
        super().__init__(f"cannot listen on {host_and_port(host, port)}{subject}: {advice}")


def in_pod() -> bool:
    """Whether the mock runs in a Pod of Kubernetes, so that messages speak of its manifest."""
    return _POD_VARIABLE in os.environ


def _advice_on_low_ports(port_option: str) -> str:
    another = f"choose a {port_option} above 1023"
    if in_pod():
        name, _, value = LOW_PORTS.partition("=")
        return (
            f"this container runtime reserves ports below 1024 for root; {another} and let the Service map port 80 to "
            f"it (`targetPort`), or add `sysctls: [{{name: {name}, value: '{value}'}}]` to the Pod's `securityContext`"
        )
    if not any(map(os.path.exists, _CONTAINER_MARKS)):
        return f"ports below 1024 need root or CAP_NET_BIND_SERVICE here; {another}"
    return (
        f"this container engine reserves ports below 1024 for root; add `sysctls: [{LOW_PORTS}]` to the service in the "
        "compose file (to the service NAME if this one has `network_mode: service:NAME`), "
        f"or run the container with --sysctl {LOW_PORTS}, or {another}"
    )


class LogFileError(MockError):
    """The file of the access log cannot be opened.

    Args:
        path: The file.
        cause: What the kernel said.
    """

    exit_code = EX_CANTCREAT

    def __init__(self, path: str, cause: OSError) -> None:
        reason = "no program reads this pipe" if cause.errno == errno.ENXIO else cause.strerror
        super().__init__(f"cannot write the access log to {path}: {reason}; choose another access_log_file")


class ProbeError(MockError):
    """No imds-mock answers at the probed URL."""

    exit_code = 1


class OtherServerError(ProbeError):
    """Another server listens at the probed URL."""
