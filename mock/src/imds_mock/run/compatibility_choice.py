"""Whether amazon-ec2-metadata-mock's data and events are wanted in place of the real service's, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imds_mock.config.settings import Config


def aemm_reason(config: Config, environ: Mapping[str, str]) -> str | None:
    """Say why they are wanted; None when they are not.

    Args:
        config: The configuration.
        environ: The environment.
    """
    if config.compatibility == "aemm":
        return "the setting compatibility"
    if config.compatibility is None and any(name.startswith("AEMM_") for name in environ):
        from imds_mock.aemm.settings import set_by  # noqa: PLC0415 - the real service needs none of it

        return next((f"the variable {variable} is set" for variable in set_by(environ)), None)
    return None
