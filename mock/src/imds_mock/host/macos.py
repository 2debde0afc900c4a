"""macOS: the addresses on lo0, and packet filter rules if the mock's port is not 80.

Neither an address nor the state of the packet filter can be marked, so each setting has a file below /var/run. macOS
empties this folder at boot, when it also loses the settings. The rules are in their own anchor below com.apple, which
the default /etc/pf.conf evaluates. The packet filter is enabled by reference (`pfctl -E`), and the reference is
released afterwards (`-X`), as that file requires.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.host.errors import OptionsError
from imds_mock.host.setting import ADDRESSES, EC2, HTTP, IPV6, LOOPBACK, Method, Redirect, Setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imds_mock.host.setting import Shell

ANCHOR: Final = "com.apple/imds-mock"
FILES: Final = "/var/run/imds-mock."

_INET: Final = {4: "inet", 6: "inet6"}
_SIZES: Final = {4: "netmask 255.255.255.255", 6: "prefixlen 128"}


class MacOS:
    """Redirects with ifconfig and pfctl."""

    methods: Sequence[Method] = ("alias",)

    def settings(self, redirect: Redirect) -> list[Setting]:
        """See `Platform`."""
        if redirect.method != "alias":
            raise OptionsError("--way dnat is not available on macOS; omit --way")
        addresses = [_address(version, each) for version in redirect.versions for each in redirect.of_version(version)]
        return addresses if redirect.port == HTTP else [*addresses, _redirect(redirect), _ENABLED]

    def installed(self, shell: Shell) -> list[Setting]:
        """See `Platform`; read from the files."""
        found = [
            _address(version, endpoint)
            for version in _INET
            for endpoint in ADDRESSES
            if version in ADDRESSES[endpoint] and _read(shell, _file(version, endpoint))
        ]
        words = _read(shell, "redirect").split()
        if words:
            endpoints = tuple(endpoint for endpoint in ADDRESSES if endpoint in words) or EC2
            found.append(_redirect(Redirect("alias", int(words[0]), "ipv6" in words, endpoints)))
        return found + ([_ENABLED] if _read(shell, "pf") else [])


def _file(version: int, endpoint: str) -> str:
    return f"address{version}" if (endpoint,) == EC2 else f"address{version}-{endpoint}"


def _address(version: int, endpoint: str) -> Setting:
    inet, address, file = _INET[version], ADDRESSES[endpoint][version], f"{FILES}{_file(version, endpoint)}"
    up = f"""if ifconfig lo0 | grep -q '{inet} {address} '; then echo '{address} is on lo0 already' >&2; exit 1; fi
ifconfig lo0 {inet} {address} {_SIZES[version]} alias
echo set >{file}"""
    down = f"ifconfig lo0 {inet} {address} -alias\nrm {file}"
    redirect = Redirect("alias", HTTP, version == IPV6, (endpoint,))
    return Setting(_file(version, endpoint), up, down, redirect)


def _redirect(redirect: Redirect) -> Setting:
    rules = "\n".join(
        f"rdr pass on lo0 {_INET[version]} proto tcp from any to {address} port {HTTP}"
        f" -> {LOOPBACK[version]} port {redirect.port}"
        for version, address in redirect.addresses
    )
    endpoints = () if redirect.endpoints == EC2 else redirect.endpoints
    words = " ".join([str(redirect.port), *(["ipv6"] if redirect.ipv6 else []), *endpoints])
    file = f"{FILES}redirect"
    up = f"pfctl -q -a {ANCHOR} -f - <<'EOF'\n{rules}\nEOF\necho {words} >{file}"
    return Setting("redirect", up, f"pfctl -q -a {ANCHOR} -F nat\nrm {file}", redirect)


_TOKEN: Final = f"{FILES}pf"
_ENABLED: Final = Setting(
    "pf",
    f"pfctl -E >{_TOKEN} 2>&1 || {{ cat {_TOKEN} >&2; rm {_TOKEN}; exit 1; }}",
    f"pfctl -q -X \"$(sed -n 's/^Token : //p' {_TOKEN})\"\nrm {_TOKEN}",
    Redirect("alias", HTTP, ipv6=False, endpoints=()),
)


def _read(shell: Shell, name: str) -> str:
    return shell.read(f"cat {FILES}{name}")[0]
