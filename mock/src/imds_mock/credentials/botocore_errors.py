"""What went wrong with botocore, in a sentence for a user: why, and what to do; never what a program or a file said.

Messages of STS are passed on where they name what is refused; those that repeat the request (a wrong signature) are
not, because it holds the session token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore import exceptions

if TYPE_CHECKING:
    from imds_mock.credentials.requests import CredentialRequest, Problem

_LONGEST: Final = 400
_SERVER_ERRORS: Final = 500
_SILENT: Final = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"})
_UNKNOWN: Final = "the access key that it was called with is not known there"
_WRONG: Final = "the secret access key is not that of the access key id"
_ENDED: Final = "the credentials that it was called with have ended; renew them"
_OTHER_TIME: Final = "the clock here differs too much from theirs; set it right"
_REFUSALS: Final = {
    "InvalidClientTokenId": _UNKNOWN,
    "UnrecognizedClientException": _UNKNOWN,
    "InvalidAccessKeyId": _UNKNOWN,
    "SignatureDoesNotMatch": _WRONG,
    "InvalidSignatureException": _WRONG,
    "ExpiredToken": _ENDED,
    "ExpiredTokenException": _ENDED,
    "RequestExpired": _OTHER_TIME,
    "RequestTimeTooSkewed": _OTHER_TIME,
    "RequestInTheFuture": _OTHER_TIME,
}
# How AWS says with a wrong signature that it is the time in it that is wrong.
_TIME_IN_SIGNATURE: Final = ("Signature expired", "Signature not yet current")
_TOLD: Final = frozenset(
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


def explained(error: Exception, order: CredentialRequest) -> tuple[Problem, str]:
    """Explain an error.

    Args:
        error: What was raised.
        order: What was ordered.
    """
    problem, sentence = _explain(error, order)
    line = " ".join(sentence.split())
    return problem, line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _explain(error: Exception, order: CredentialRequest) -> tuple[Problem, str]:
    profile = f"profile {order.profile}" if order.profile else "default profile"
    login = "aws sso login" + (f" --profile {order.profile}" if order.profile else "")
    answer: tuple[Problem, str]
    if isinstance(error, exceptions.ClientError):
        answer = _explain_answer(error)
    elif isinstance(error, _SSO):
        answer = "other", f"the sign-in of the {profile} is over: `{login}` where your ~/.aws is"
    elif isinstance(error, _UNREACHABLE):
        asked = order.endpoint_url or f"AWS in {order.region}"
        answer = (
            "unreachable",
            f"{asked} cannot be reached ({type(error).__name__}); check endpoint_url and the network",
        )
    elif isinstance(error, exceptions.ProfileNotFound):
        answer = "other", f"there is no {profile}; mount your ~/.aws into the mock's container, or correct the name"
    elif isinstance(error, exceptions.CredentialRetrievalError):
        answer = "other", f"what the {profile} names as its source gave nothing (`credential_process`?); try it by hand"
    elif isinstance(error, exceptions.ConfigParseError):
        answer = "other", "the AWS configuration file cannot be read as one"
    elif isinstance(error, EOFError | exceptions.RefreshWithMFAUnsupportedError):
        answer = (
            "other",
            f"the {profile} wants an MFA code, which nobody can type here; use a session that has it already",
        )
    elif isinstance(error, OSError):
        answer = "other", f"{error.filename or 'a file'}: {error.strerror or type(error).__name__}"
    else:
        answer = "other", f"the {profile} cannot be used: {type(error).__name__}"
    return answer


def _explain_answer(error: exceptions.ClientError) -> tuple[Problem, str]:
    told = error.response.get("Error", {})
    code, message = str(told.get("Code", "")), str(told.get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    operation = error.operation_name
    if code in _DENIED:
        if operation in {"GetRoleCredentials", "CreateToken"}:
            return "other", f"the sign-in does not give these credentials: {message}"
        return "refused", f"{operation} is refused: {message}; check whom the role trusts and what the caller may do"
    if code in _REFUSALS:
        why = _OTHER_TIME if message.startswith(_TIME_IN_SIGNATURE) else _REFUSALS[code]
        return "other", f"{operation} is refused ({code}): {why}"
    if code in _SILENT or status >= _SERVER_ERRORS:
        return "unreachable", f"{operation} failed ({code or status})"
    return "other", f"{operation} failed ({code or status})" + (f": {message}" if code in _TOLD else "")
