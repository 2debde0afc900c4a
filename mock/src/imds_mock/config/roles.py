"""The schema of the role's credentials: their source and their lifetime; see `settings` for annotations."""

from typing import Annotated, Literal

from msgspec import Meta

from imds_mock.config import shapes
from imds_mock.config.marks import A_SECRET, PRIVILEGED, PRIVILEGED_VALUES, WITH_SECRETS, WithSecrets


class CredentialSettings(WithSecrets, frozen=True, forbid_unknown_fields=True):
    """The role's credentials."""

    source: Annotated[
        Literal["generated", "static", "profile", "assume-role"],
        Meta(
            description="Source of the credentials.",
            extra={
                PRIVILEGED: "the mock then uses the AWS configuration files, variables and programs of its own user",
                PRIVILEGED_VALUES: ("profile", "assume-role"),
            },
        ),
    ] = "generated"
    seed: Annotated[
        str | None,
        Meta(
            description="Seed of generated credentials (they also depend on the time); null: from the instance.",
            extra=A_SECRET,
        ),
    ] = None
    renew_seconds: Annotated[
        shapes.Seconds,
        Meta(description="Time between renewals; fetched credentials are renewed earlier if they expire sooner."),
    ] = 3600.0
    lifetime_seconds: Annotated[
        shapes.Seconds | None,
        Meta(description="Lifetime of generated and static credentials; null: 6 h 19 min to 6 h 26 min, as on EC2."),
    ] = None
    access_key_id: Annotated[
        shapes.Line | None,
        Meta(description="Access key id that `static` serves, or that `assume-role` calls STS with."),
    ] = None
    secret_access_key: Annotated[
        shapes.Line | None, Meta(description="Secret of the access key id.", extra=A_SECRET)
    ] = None
    session_token: Annotated[
        shapes.Line | None, Meta(description="Session token of the access key id.", extra=A_SECRET)
    ] = None
    profile: Annotated[
        shapes.Line | None,
        Meta(
            description="Profile of the AWS configuration files, for `profile` and for the STS calls of "
            "`assume-role`; null: the variables and files of the mock's container decide.",
            extra={PRIVILEGED: "it names a profile of the mock's own user, which may run a program"},
        ),
    ] = None
    role_arn: Annotated[
        shapes.RoleArn | None,
        Meta(description="Role that `assume-role` assumes; null: the instance's role in the instance's account."),
    ] = None
    session_name: Annotated[
        shapes.SessionName | None,
        Meta(description="Session name of the assumed role; null: the caller's instance id, as on EC2."),
    ] = None
    duration_seconds: Annotated[
        shapes.SessionDuration, Meta(description="Session duration requested from STS; the role may allow less.")
    ] = 3600
    external_id: Annotated[
        shapes.ExternalId | None, Meta(description="External id that the role's trust policy requires.", extra=A_SECRET)
    ] = None
    endpoint_url: Annotated[
        shapes.Url | None,
        Meta(
            description="Address of STS, such as LocalStack or moto; null: AWS STS in the region.",
            extra={PRIVILEGED: "it names the address that credentials are sent to", **WITH_SECRETS},
        ),
    ] = None
    wait_seconds: Annotated[
        shapes.GraceSeconds,
        Meta(description="Time that the start waits for fetched credentials; if far longer, health checks fail."),
    ] = 10.0
    failure: Annotated[
        Literal["AssumeRoleUnauthorizedAccess", "InstanceProfileNotFound"] | None,
        Meta(description="Error that the metadata shows instead of credentials, with status 200; null: none."),
    ] = None
    extended: Annotated[
        bool, Meta(description="Whether `iam/security-credentials-extended/` exists (it includes the account id).")
    ] = False
