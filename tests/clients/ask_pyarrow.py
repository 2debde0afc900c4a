"""pyarrow's S3 file system (the AWS SDK for C++): who signs a listing, and the region that it finds."""

from __future__ import annotations

import json

from pyarrow.fs import FileSelector, S3FileSystem
from s3_endpoint import s3_endpoint

with s3_endpoint() as signers:
    system = S3FileSystem(endpoint_override=signers.url.removeprefix("http://"), scheme="http")
    system.get_file_info(FileSelector("bucket"))
    print(json.dumps({**signers.only(), "region": system.region}))
