"""What can be said about a role's credentials: where they come from, and for how long they are good.

As in `settings`, annotations are evaluated at once.
"""

from typing import Annotated, Literal

from msgspec import Meta

from imds_mock.config import shapes
from imds_mock.config.secrets import A_SECRET, PRIVILEGED, PRIVILEGED_VALUES, WITH_SECRETS, WithSecrets


class CredentialSettings(WithSecrets, frozen=True, forbid_unknown_fields=True):
    """The role's credentials."""

    source: Annotated[
        Literal["generated", "static", "profile", "assume-role"],
        Meta(
            description="Where they come from.",
            extra={
                PRIVILEGED: "the mock then uses the AWS configuration files, variables and programs of its own user",
                PRIVILEGED_VALUES: ("profile", "assume-role"),
            },
        ),
    ] = "generated"
    seed: Annotated[
        str | None,
        Meta(description="Generated ones follow from it and the time; null: from the instance.", extra=A_SECRET),
    ] = None
    renew_seconds: Annotated[
        shapes.Seconds, Meta(description="New ones appear after this time; working ones earlier where they end sooner.")
    ] = 3600.0
    lifetime_seconds: Annotated[
        shapes.Seconds | None,
        Meta(description="Life of generated and static ones; null: 6 h 19 min to 6 h 26 min, as on real instances."),
    ] = None
    access_key_id: Annotated[
        shapes.Line | None, Meta(description="Of the static source; or what `assume-role` calls STS with.")
    ] = None
    secret_access_key: Annotated[
        shapes.Line | None, Meta(description="Belongs to the access key id.", extra=A_SECRET)
    ] = None
    session_token: Annotated[shapes.Line | None, Meta(description="Belongs to the access key id.", extra=A_SECRET)] = (
        None
    )
    profile: Annotated[
        shapes.Line | None,
        Meta(
            description="Profile of the AWS configuration files, for `profile` and for what `assume-role` calls STS "
            "with; null: whatever the variables and files of the mock's container say.",
            extra={PRIVILEGED: "it names a profile of the mock's own user, which may run a program"},
        ),
    ] = None
    role_arn: Annotated[
        shapes.RoleArn | None,
        Meta(description="Role that `assume-role` assumes; null: the instance's role in its account."),
    ] = None
    session_name: Annotated[
        shapes.SessionName | None,
        Meta(description="Session name of the assumed role; null: the caller's instance id, as on EC2."),
    ] = None
    duration_seconds: Annotated[
        shapes.SessionDuration, Meta(description="Life asked of STS; the role may allow less.")
    ] = 3600
    external_id: Annotated[
        shapes.ExternalId | None, Meta(description="External id that the role asks for.", extra=A_SECRET)
    ] = None
    endpoint_url: Annotated[
        shapes.Url | None,
        Meta(
            description="STS, such as LocalStack's or moto's; null: AWS's in the region.",
            extra={PRIVILEGED: "it names the address that credentials are sent to", **WITH_SECRETS},
        ),
    ] = None
    wait_seconds: Annotated[
        shapes.GraceSeconds,
        Meta(
            description="How long the start waits for the first working ones; much longer, and a health check gives up."
        ),
    ] = 10.0
    failure: Annotated[
        Literal["AssumeRoleUnauthorizedAccess", "InstanceProfileNotFound"] | None,
        Meta(description="The error that the metadata shows in their place, with status 200; null: none."),
    ] = None
    extended: Annotated[
        bool, Meta(description="Whether `iam/security-credentials-extended/` is there (with the account id).")
    ] = False
