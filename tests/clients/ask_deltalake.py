"""deltalake with the AWS SDK for Rust looks for a table. Run it with `sign.py`: it blocks all other threads."""

from __future__ import annotations

import os

from deltalake import DeltaTable

url = os.environ["AWS_ENDPOINT_URL"]
options = {"endpoint_url": url, "allow_http": "true", "aws_force_credential_load": "true"}
found = DeltaTable.is_deltatable("s3://bucket/table", options)
if found:
    raise SystemExit("found a table in an empty bucket")
