"""Explains botocore's errors to the user: why a fetch failed and what to do, without quoting programs or files.

Messages from STS are quoted only if they name what is refused. Others may repeat the request (wrong signature), which
contains the session token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore import exceptions

if TYPE_CHECKING:
    from imds_mock.credentials.requests import CredentialRequest, FetchProblem

_MAX_CHARACTERS: Final = 400
_SERVER_ERRORS: Final = 500
_THROTTLED: Final = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"})
_UNKNOWN_KEY: Final = "the service does not know the access key; check its id"
_KEY_MISMATCH: Final = "the secret access key does not match the key id; correct it"
_EXPIRED: Final = "the credentials for the call have expired; renew them"
_CLOCK_SKEW: Final = "the mock's clock differs too much from AWS's; correct it"
_REFUSALS: Final = {
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "UnrecognizedClientException": _UNKNOWN_KEY,
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": _KEY_MISMATCH,
    "InvalidSignatureException": _KEY_MISMATCH,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": _CLOCK_SKEW,
    "RequestTimeTooSkewed": _CLOCK_SKEW,
    "RequestInTheFuture": _CLOCK_SKEW,
}
# AWS reports clock skew as a wrong signature with one of these messages.
_CLOCK_SKEW_MESSAGES: Final = ("Signature expired", "Signature not yet current")
_QUOTED: Final = frozenset(
    {"ValidationError", "MalformedPolicyDocument", "PackedPolicyTooLarge", "RegionDisabledException"}
)
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedException"})
_SSO: Final = (
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    exceptions.NoAuthTokenError,
    exceptions.LoginError,
)
_UNREACHABLE: Final = (exceptions.HTTPClientError, exceptions.ConnectionError)


def explain(error: Exception, request: CredentialRequest) -> tuple[FetchProblem, str]:
    """The kind of problem and one line that explains it.

    Args:
        error: The error raised by botocore.
        request: The request that failed.
    """
    problem, message = _explain(error, request)
    line = " ".join(message.split())
    return problem, line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}..."


def _explain(error: Exception, request: CredentialRequest) -> tuple[FetchProblem, str]:
    profile = f"profile {request.profile}" if request.profile else "default profile"
    if isinstance(error, exceptions.ClientError):
        return _explain_response(error)
    if isinstance(error, _UNREACHABLE):
        endpoint = request.endpoint_url or f"AWS in {request.region}"
        return (
            "unreachable",
            f"{endpoint} cannot be reached ({type(error).__name__}); check endpoint_url and the network",
        )
    if isinstance(error, _SSO):
        login = "aws sso login" + (f" --profile {request.profile}" if request.profile else "")
        message = f"the sign-in of the {profile} has expired; run `{login}` where your ~/.aws is"
    elif isinstance(error, exceptions.ProfileNotFound):
        message = f"{profile} does not exist; mount your ~/.aws into the mock's container, or correct its name"
    elif isinstance(error, exceptions.CredentialRetrievalError):
        message = f"the source of the {profile} (such as `credential_process`) failed; run it by hand to see why"
    elif isinstance(error, exceptions.ConfigParseError):
        message = "the AWS configuration file is invalid; correct its syntax"
    elif isinstance(error, EOFError | exceptions.RefreshWithMFAUnsupportedError):
        message = f"the {profile} requires an MFA code, which the mock cannot ask for; use a session that has one"
    elif isinstance(error, OSError):
        message = f"{error.filename or 'a file'}: {error.strerror or type(error).__name__}"
    else:
        message = f"the {profile} cannot be used: {type(error).__name__}"
    return "other", message


def _explain_response(error: exceptions.ClientError) -> tuple[FetchProblem, str]:
    details = error.response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    operation = error.operation_name
    if code in _DENIED:
        if operation in {"GetRoleCredentials", "CreateToken"}:
            return "other", f"the sign-in does not grant these credentials: {message}"
        advice = "check the role's trust policy and the caller's permissions"
        return "refused", f"{operation} was refused: {message}; {advice}"
    if code in _REFUSALS:
        reason = _CLOCK_SKEW if message.startswith(_CLOCK_SKEW_MESSAGES) else _REFUSALS[code]
        return "other", f"{operation} was refused ({code}): {reason}"
    if code in _THROTTLED or status >= _SERVER_ERRORS:
        return "unreachable", f"{operation} failed ({code or status})"
    return "other", f"{operation} failed ({code or status})" + (f": {message}" if code in _QUOTED else "")
