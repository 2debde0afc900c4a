"""AWS SDK for C++, as DuckDB's extension ships it: the credentials and the region of its default chain.

`python ask.py CASE` prints one JSON object; a failure is {"error", "message"} and exit code 1.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import duckdb

NAMES = ("AccessKeyId", "SecretAccessKey", "Token", "Region")


def load_aws_credentials() -> dict[str, str]:
    """What the SDK finds; without credentials, DuckDB returns null for each value."""
    connection = duckdb.connect(config={"allow_unredacted_secrets": "true"})
    for extension in ("httpfs", "aws"):
        package = Path(importlib.import_module(f"duckdb_extension_{extension}").__file__).parent
        (file,) = package.glob(f"extensions/*/{extension}.duckdb_extension")
        connection.load_extension(str(file))
    found = connection.sql("CALL load_aws_credentials(redact_secret=false)").fetchone()
    return dict(zip(NAMES, found, strict=True))


def read(case: str) -> dict[str, str]:
    """The object to print for a case."""
    if case in {"imds-credentials", "container-credentials"}:
        # Without a region, the SDK would request that first, also in a container.
        os.environ["AWS_REGION"] = "us-east-1"
    elif case != "region":
        return {"error": "ValueError", "message": f"unknown case {case}"}
    try:
        found = load_aws_credentials()
    except duckdb.Error as error:
        return {"error": type(error).__name__, "message": str(error)}
    if not found["AccessKeyId"]:
        return {"error": "no credentials", "message": "load_aws_credentials returned null"}
    return found


printed = read(sys.argv[1])
print(json.dumps(printed))
sys.exit("error" in printed)
