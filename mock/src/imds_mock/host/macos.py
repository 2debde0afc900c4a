"""macOS: the addresses on lo0, and packet filter rules where the mock listens at another port than 80.

Neither an address nor the packet filter's switch can carry a mark there, so what was set is noted in a file each below
/var/run, which the system empties at its start, as it forgets the settings. The rule is in an anchor of this program's
own below com.apple, which /etc/pf.conf evaluates as it comes; the packet filter is switched on by reference
(`pfctl -E`) and the reference given back (`-X`), as that file asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .errors import WayError
from .setting import ADDRESSES, DEFAULT_PORT, EC2, HTTP, LOOPBACK, Request, Setting, Way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .setting import Shell

ANCHOR: Final = "com.apple/imds-mock"
NOTES: Final = "/var/run/imds-mock."

_INET: Final = {4: "inet", 6: "inet6"}
_SIZES: Final = {4: "netmask 255.255.255.255", 6: "prefixlen 128"}


class MacOS:
    """ifconfig and pfctl."""

    ways: Sequence[Way] = ("alias",)

    def wanted(self, request: Request) -> list[Setting]:
        """As the module says."""
        if request.way != "alias":
            raise WayError("macOS has no DNAT for what the machine itself sends: leave --way out")
        addresses = [_address(version, each) for version in request.versions for each in request.of_version(version)]
        return addresses if request.port == HTTP else [*addresses, _redirect(request), _SWITCHED_ON]

    def present(self, shell: Shell) -> list[Setting]:
        """Read it from the notes."""
        found = [
            _address(version, endpoint)
            for version in _INET
            for endpoint in ADDRESSES
            if version in ADDRESSES[endpoint] and _noted(shell, _note(version, endpoint))
        ]
        words = _noted(shell, "redirect").split()
        if words:
            endpoints = tuple(endpoint for endpoint in ADDRESSES if endpoint in words) or EC2
            found.append(_redirect(Request("alias", int(words[0]), "ipv6" in words, endpoints)))
        return found + ([_SWITCHED_ON] if _noted(shell, "pf") else [])

    def serve(self, request: Request) -> str:
        """The mock needs no privilege unless it has to listen at port 80."""
        if request.port == HTTP:
            hosts = "".join(f" --host {address}" for _, address in request.addresses)
            return f"sudo imds-mock serve{hosts} --port {HTTP}"
        hosts = "".join(f" --host {LOOPBACK[version]}" for version in request.versions)
        return f"imds-mock serve{hosts}{'' if request.port == DEFAULT_PORT else f' --port {request.port}'}"


def _note(version: int, endpoint: str) -> str:
    return f"address{version}" if (endpoint,) == EC2 else f"address{version}-{endpoint}"


def _address(version: int, endpoint: str) -> Setting:
    inet, address, note = _INET[version], ADDRESSES[endpoint][version], f"{NOTES}{_note(version, endpoint)}"
    up = f"""if ifconfig lo0 | grep -q '{inet} {address} '; then echo '{address} is on lo0 already' >&2; exit 1; fi
ifconfig lo0 {inet} {address} {_SIZES[version]} alias
echo set >{note}"""
    down = f"ifconfig lo0 {inet} {address} -alias\nrm {note}"
    request = Request("alias", HTTP, version != 4, (endpoint,))  # noqa: PLR2004 - IP version
    return Setting(_note(version, endpoint), up, down, request)


def _redirect(request: Request) -> Setting:
    rules = "\n".join(
        f"rdr pass on lo0 {_INET[version]} proto tcp from any to {address} port {HTTP}"
        f" -> {LOOPBACK[version]} port {request.port}"
        for version, address in request.addresses
    )
    words = "".join(f" {word}" for word in (*(("ipv6",) if request.ipv6 else ()), *_unless_ec2(request.endpoints)))
    note = f"{NOTES}redirect"
    up = f"pfctl -q -a {ANCHOR} -f - <<'EOF'\n{rules}\nEOF\necho {request.port}{words} >{note}"
    return Setting("redirect", up, f"pfctl -q -a {ANCHOR} -F nat\nrm {note}", request)


def _unless_ec2(endpoints: tuple[str, ...]) -> tuple[str, ...]:
    return () if endpoints == EC2 else endpoints


_TOKEN: Final = f"{NOTES}pf"
_SWITCHED_ON: Final = Setting(
    "pf",
    f"pfctl -E >{_TOKEN} 2>&1 || {{ cat {_TOKEN} >&2; rm {_TOKEN}; exit 1; }}",
    f"pfctl -q -X \"$(sed -n 's/^Token : //p' {_TOKEN})\"\nrm {_TOKEN}",
    Request("alias", HTTP, ipv6=False, endpoints=()),
)


def _noted(shell: Shell, name: str) -> str:
    return shell.read(f"cat {NOTES}{name}")[0]
