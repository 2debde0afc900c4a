"""Tests of the worker. The fixture `imds` comes with the installed package imds-mock: nothing is imported for it."""

import pytest
from worker import is_interrupted, work


def test_the_worker_leaves_the_rest_after_a_spot_notice(imds):
    ran = []
    jobs = [lambda: ran.append(1), imds.spot.interrupt, lambda: ran.append(3)]
    assert len(list(work(jobs))) == 1
    assert ran == [1]
    imds.assert_no_imdsv1()


def test_a_notice_comes_when_it_is_due(imds):
    imds.spot.interrupt(in_seconds=3600)
    assert not is_interrupted()
    imds.clock.advance(hours=1)
    assert is_interrupted()


@pytest.mark.imds(http_tokens="required", spot="terminate")
def test_the_worker_uses_session_tokens(imds):
    assert is_interrupted()
    assert imds.requests.filter(version="v1") == ()


def test_the_worker_reports_a_failing_metadata_service(imds):
    with imds.faults.status(503), pytest.raises(OSError, match="503"):
        is_interrupted()
