"""Zones: their regions and ids. `test_mock_instance` tests the other values derived from a region."""

from __future__ import annotations

import pytest

from imds_mock.metadata.regions import region_of, zone_id_of


@pytest.mark.parametrize(
    ("zone", "region", "zone_id"),
    [
        ("us-east-1a", "us-east-1", "use1-az1"),
        ("us-east-2c", "us-east-2", "use2-az3"),
        ("us-west-1b", "us-west-1", "usw1-az2"),
        ("eu-central-1a", "eu-central-1", "euc1-az1"),
        ("ap-southeast-2c", "ap-southeast-2", "apse2-az3"),
        ("ap-northeast-1d", "ap-northeast-1", "apne1-az4"),
        ("ap-south-1a", "ap-south-1", "aps1-az1"),
        ("ca-west-1a", "ca-west-1", "caw1-az1"),
        ("cn-north-1b", "cn-north-1", "cnn1-az2"),
        ("cn-northwest-1a", "cn-northwest-1", "cnnw1-az1"),
        ("us-gov-west-1a", "us-gov-west-1", "usgw1-az1"),
        ("us-gov-east-1c", "us-gov-east-1", "usge1-az3"),
        ("us-west-2-lax-1a", "us-west-2", "usw2-lax1-az1"),
        ("us-east-1-wl1-bos-wlz-1", "us-east-1", "use1-wl1-bos-wlz1"),
    ],
)
def test_zones(zone: str, region: str, zone_id: str) -> None:
    assert region_of(zone) == region
    assert zone_id_of(zone) == zone_id


@pytest.mark.parametrize("zone", ["", "us-east-1", "useast1a", "us-east-1A", "us-east-a"])
def test_an_invalid_zone_has_no_region(zone: str) -> None:
    assert region_of(zone) is None
    assert zone_id_of(zone) is None
