"""cloud-init's EC2 data source: everything that it finds at the given address."""

from __future__ import annotations

import base64
import json
import logging
import sys
from unittest import mock

from cloudinit import distros, dmi, helpers
from cloudinit.sources import DataSourceEc2

logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
# The hardware identifiers of an instance, in place of this machine's.
HARDWARE = {
    "system-uuid": "ec2e1916-9099-7caf-fd21-012345abcdef",
    "system-serial-number": "ec2e1916-9099-7caf-fd21-012345abcdef",
    "chassis-asset-tag": "Amazon EC2",
    "system-product-name": "c6i.large",
    "system-manufacturer": "Amazon EC2",
    "system-vendor": "Amazon EC2",
}


def plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode() if value[:1] == b"\xff" else value.decode()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return value


configuration = {"datasource": {"Ec2": {"metadata_urls": sys.argv[1:], "max_wait": 10, "timeout": 5}}}
paths = helpers.Paths({"run_dir": "/nonexistent"})
distro = distros.fetch("debian")("debian", {}, paths)
with mock.patch.object(dmi, "read_dmi_data", HARDWARE.get):
    source = DataSourceEc2.DataSourceEc2(configuration, distro, paths)
    found = source._get_data()  # get_data would write below /run
    seen = {
        "found": found,
        "cloud": source.cloud_name,
        "metadata": source.metadata,
        "user_data": source.userdata_raw,
        "identity": source.identity,
        "instance_id": source.get_instance_id(),
        "region": source.region,
        "availability_zone": source.availability_zone,
        "hostname": source.get_hostname().hostname,
        "public_keys": source.get_public_ssh_keys(),
        "launch_index": source.launch_index,
    }
print(json.dumps({name: plain(value) for name, value in seen.items()}))
