"""Network addresses as text."""

from __future__ import annotations


def host_and_port(host: str, port: int | str) -> str:
    """`127.0.0.1:80` or `[::1]:80`, as URLs and messages write an address with its port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
