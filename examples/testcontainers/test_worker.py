"""Tests of a worker in a container, whose image stays as it is. They need Docker, and the image imds-mock."""

from pathlib import Path

import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.image import DockerImage

from imds_mock.testcontainers import ImdsContainer


@pytest.fixture(scope="module")
def image():
    with DockerImage(path=Path(__file__).parent / "worker") as built:
        yield str(built)


@pytest.fixture(scope="module")
def imds():
    with ImdsContainer(region="eu-west-1", http_tokens="required") as running:
        yield running


@pytest.fixture
def worker(imds, image):
    imds.reset()
    with imds.attach(DockerContainer(image)) as started:
        yield started


def test_the_worker_takes_no_more_jobs_after_a_spot_notice(imds, worker):
    imds.assert_requested("meta-data/spot/*", by=imds.address_of(worker), at_least=2, within=20)
    notice = imds.spot.interrupt(target=imds.address_of(worker))
    assert notice.wait_until_seen(timeout=20).status == 200
    assert worker.get_wrapped_container().wait(timeout=20)["StatusCode"] == 0
    assert worker.get_logs()[0].endswith(b"the instance is interrupted: no more jobs\n")
    imds.assert_no_imdsv1()


def test_the_worker_goes_on_after_errors_of_the_metadata_service(imds, worker):
    fault = imds.faults.status(503, path="meta-data/*", count=3)
    imds.assert_requested("meta-data/spot/*", at_least=5, within=20)
    assert fault.hits == 3
    worker.reload()
    assert worker.status == "running"
