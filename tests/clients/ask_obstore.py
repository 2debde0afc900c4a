"""obstore (object_store, Rust): who signs a listing."""

from __future__ import annotations

import json

import obstore
from obstore.store import S3Store
from s3_endpoint import s3_endpoint

with s3_endpoint() as signers:
    store = S3Store("bucket", endpoint=signers.url, client_options={"allow_http": True})
    list(obstore.list(store))
    print(json.dumps(signers.only()))
