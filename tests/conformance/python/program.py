"""The SDKs for Python: `boto3`, `aiobotocore` and `awscrt`, one per environment."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = dict[str, str]


def keys(access_key: str, secret_key: str, token: str) -> Answer:
    return {"AccessKeyId": access_key, "SecretAccessKey": secret_key, "Token": token}


def boto3_credentials() -> Answer:
    import boto3
    from botocore.exceptions import NoCredentialsError

    found = boto3.Session().get_credentials()
    if found is None:
        raise NoCredentialsError
    return keys(*found.get_frozen_credentials()[:3])


def boto3_region() -> Answer:
    import botocore.session
    import botocore.utils

    return {"Region": botocore.utils.IMDSRegionProvider(botocore.session.get_session()).provide()}


async def aiobotocore_credentials() -> Answer:
    from aiobotocore.session import get_session
    from botocore.exceptions import NoCredentialsError

    found = await get_session().get_credentials()
    if found is None:
        raise NoCredentialsError
    return keys(*(await found.get_frozen_credentials())[:3])


async def aiobotocore_region() -> Answer:
    from aiobotocore.session import get_session
    from aiobotocore.utils import AioIMDSRegionProvider

    return {"Region": await AioIMDSRegionProvider(get_session()).provide()}


def awscrt_credentials() -> Answer:
    from awscrt.auth import AwsCredentialsProvider
    from awscrt.io import ClientBootstrap, DefaultHostResolver, EventLoopGroup

    group = EventLoopGroup(1)
    provider = AwsCredentialsProvider.new_default_chain(ClientBootstrap(group, DefaultHostResolver(group)))
    found = provider.get_credentials().result()
    return keys(found.access_key_id, found.secret_access_key, found.session_token)


CASES: dict[str, Callable[[], Answer]] = {
    "boto3 imds-credentials": boto3_credentials,
    "boto3 container-credentials": boto3_credentials,
    "boto3 region": boto3_region,
    "aiobotocore imds-credentials": lambda: asyncio.run(aiobotocore_credentials()),
    "aiobotocore container-credentials": lambda: asyncio.run(aiobotocore_credentials()),
    "aiobotocore region": lambda: asyncio.run(aiobotocore_region()),
    "awscrt imds-credentials": awscrt_credentials,
    "awscrt container-credentials": awscrt_credentials,
}


def main() -> None:
    answer = CASES[" ".join(sys.argv[1:3])]
    try:
        print(json.dumps(answer()))
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises is the result
        print(json.dumps({"error": getattr(error, "name", None) or type(error).__name__, "message": str(error)}))
        sys.exit(1)


if __name__ == "__main__":
    main()
