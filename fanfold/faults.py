"""What AWS and its libraries say when they do not work, as problems with the next step."""

from __future__ import annotations

import os
import re

from boto3.exceptions import Boto3Error
from botocore import exceptions as aws
from botocore.exceptions import BotoCoreError, ClientError

from fanfold.problems import EnvironmentFault

_SIGN_IN = "sign in again ('aws sso login', 'aws login', or new keys in the environment)"
# By type, the more particular ones first.
_LIBRARY: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        (aws.ProfileNotFound,),
        "{error}: 'aws configure list-profiles' lists them; set AWS_PROFILE to one, or unset it",
    ),
    ((aws.NoRegionError,), "no AWS Region is set: set AWS_REGION, or 'region' in your AWS profile"),
    (
        (aws.NoCredentialsError,),
        "no AWS credentials: sign in ('aws sso login', 'aws configure'), or set AWS_PROFILE; 'fanfold local' and runs "
        "over directories need none",
    ),
    ((aws.PartialCredentialsError,), "the AWS credentials are incomplete ({error}): 'aws configure' sets them"),
    (
        (
            aws.UnauthorizedSSOTokenError, aws.SSOTokenLoadError, aws.TokenRetrievalError, aws.NoAuthTokenError,
            aws.LoginError, aws.CredentialRetrievalError,
        ),
        f"the AWS credentials have expired or cannot be had ({{error}}): {_SIGN_IN}",
    ),
    (
        (aws.ConnectionError, aws.HTTPClientError, aws.IncompleteReadError),
        "AWS does not answer: {error}. {endpoint}",
    ),
)  # fmt: skip
_EXPIRED = frozenset({
    "ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "InvalidToken",
})  # fmt: skip
_UNKNOWN = frozenset({
    "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch",
    "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken", "AuthFailure",
})  # fmt: skip
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "403"})
_MISSING = frozenset({
    "StateMachineDoesNotExist", "NoSuchBucket", "ResourceNotFoundException", "StateMachineDeleting",
})  # fmt: skip
_SLOW = frozenset({
    "Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown",
})  # fmt: skip
# What IAM calls the operations of S3 that are not actions by themselves.
_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
}


def explain(error: BotoCoreError | ClientError | Boto3Error) -> EnvironmentFault:
    """Return what is said of an error, with what to do about it."""
    if isinstance(error, ClientError):
        return EnvironmentFault(_of_service(error))
    for types, said in _LIBRARY:
        if isinstance(error, types):
            return EnvironmentFault(said.format(error=str(error).rstrip("."), endpoint=_endpoint()))
    return EnvironmentFault(f"AWS: {error}")


def _endpoint() -> str:
    """Say what to look after when nobody answers."""
    if url := os.environ.get("AWS_ENDPOINT_URL"):
        return f"AWS_ENDPOINT_URL is {url}: is 'fanfold local' still running there? Unset it for AWS itself"
    return "Look after the network, the proxy (HTTPS_PROXY) and the Region (AWS_REGION)"


def _of_service(error: ClientError) -> str:
    told = error.response.get("Error", {})
    code, message = told.get("Code", ""), told.get("Message", "").rstrip(".")
    if code in _EXPIRED:
        return f"the AWS credentials have expired ({code}): {_SIGN_IN}"
    if code in _UNKNOWN:
        return (
            f"AWS does not know these credentials ({code}: {message}): look after AWS_PROFILE and the keys in the "
            "environment, and the clock of this machine"
        )
    if code in _DENIED:
        return (
            f"not permitted: {_action(error)} ({message}). Ask whoever manages the account to allow this action, or "
            "use another AWS_PROFILE"
        )
    if code in _MISSING:
        what = told.get("BucketName") or message
        return (
            f"not there: {what} ({error.operation_name}). Is the stack deployed in this account and Region? "
            "'sam deploy' deploys it; --stack or FANFOLD_STACK names it, AWS_REGION the Region"
        )
    if code in _SLOW:
        return f"AWS asks for fewer requests ({error.operation_name}: {code}): run the command again in a minute"
    return f"AWS: {error}"


def _action(error: ClientError) -> str:
    """Return the IAM action that is missing: the one that AWS names, else that of the operation."""
    named = re.search(r"not authorized to perform:? (\S+)", error.response["Error"].get("Message", ""))
    return named[1] if named else _ACTIONS.get(error.operation_name, error.operation_name)
