"""boto3, unconfigured: the credentials of its default chain, the region that botocore finds, and who signs."""

from __future__ import annotations

import json

import boto3
import botocore.session
import botocore.utils
from botocore.config import Config
from s3_endpoint import s3_endpoint

with s3_endpoint() as signers:
    session = boto3.Session()
    credentials = session.get_credentials()
    frozen = credentials.get_frozen_credentials()
    region = botocore.utils.IMDSRegionProvider(botocore.session.get_session()).provide()
    # With this mode botocore compares its region with the one of the instance.
    client = session.client("s3", region, endpoint_url=signers.url, config=Config(defaults_mode="auto"))
    client.list_objects_v2(Bucket="bucket")
    seen = {
        "method": credentials.method,
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "session_token": frozen.token,
        "region": region,
        "connect_timeout": client.meta.config.connect_timeout,
        "signer": signers.only(),
    }
print(json.dumps(seen))
