"""Which settings are secrets, and sections that keep them out of what is printed."""

from typing import Final

from msgspec import Struct

SECRET_KEYS: Final = (
    ("control", "token"),
    ("credentials", "seed"),
    ("credentials", "secret_access_key"),
    ("credentials", "session_token"),
    ("credentials", "external_id"),
    ("eks", "token"),
    ("aemm", "metadata.values.iam-security-credentials.secretaccesskey"),
    ("aemm", "metadata.values.iam-security-credentials.token"),
)
"""Keys whose values are never shown."""


class WithSecrets(Struct, frozen=True, forbid_unknown_fields=True):
    """A section whose secrets do not show when it is printed, in a traceback say."""

    def __repr__(self) -> str:
        secrets = {key for _, key in SECRET_KEYS}
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in secrets)
        return f"{type(self).__name__}({', '.join(shown)})"
