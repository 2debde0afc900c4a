"""Run a program with an S3 endpoint and print who signed its requests: `sign.py PROGRAM ARGUMENT...`.

The program gets the endpoint in `AWS_ENDPOINT_URL`, and in place of `{url}` in its arguments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from s3_endpoint import s3_endpoint

with s3_endpoint() as signers:
    argv = [word.replace("{url}", signers.url) for word in sys.argv[1:]]
    done = subprocess.run(
        argv,
        env=os.environ | {"AWS_ENDPOINT_URL": signers.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    if len(signers.seen) != 1:
        sys.exit(f"{argv} ended with {done.returncode}, signed by {signers.seen}: {done.stdout}")
    print(json.dumps(signers.only()))
