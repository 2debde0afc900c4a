"""Programs of AWS SDKs that print the credentials which their default chain finds in a container."""

from __future__ import annotations

BOTO3 = """
import boto3, json
found = boto3.Session().get_credentials()
frozen = found.get_frozen_credentials()
print(json.dumps([found.method, frozen.access_key, frozen.secret_key, frozen.token, frozen.account_id]))
"""
JAVASCRIPT = """
const { fromNodeProviderChain } = require("@aws-sdk/credential-providers");
fromNodeProviderChain()().then((found) => console.log(
  JSON.stringify(["", found.accessKeyId, found.secretAccessKey, found.sessionToken, found.accountId ?? null])));
"""
