"""Configurations of callers: shared where nothing differs, limited in number, and never an error at a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from imds_mock.build.ec2 import Ec2Builder
from imds_mock.build.loading import from_document
from imds_mock.callers.caller import Announced, Caller, Interface
from imds_mock.config.settings import Config
from imds_mock.events.armed import ArmedEvents
from imds_mock.events.kinds import RebalanceRecommendation
from imds_mock.signing.signer import Signer
from imds_mock.state.caller_configs import CallerConfigs
from support.mockserver import STARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Sized
    from pathlib import Path

    from imds_mock.build.built_config import BuiltConfig


def caller_of(address: str) -> Caller:
    """A container `app-N` for each address 172.18.0.N; no one at other addresses."""
    if not address:
        return Caller("", ())
    name = f"app-{address.rpartition('.')[2]}"
    return Caller(name, (address,), name, "app", None, ("net",), (Interface(address, (), "172.18.0.0/16"),))


class Containers:
    """The callers of `caller_of`, of which none has announced anything."""

    announcements: Sized = ()

    def __init__(self, caller: Callable[[str], Caller] = caller_of) -> None:
        self.caller = caller


def caller_configs(folder: Path, document: dict[str, Any], said: list[str] | None = None) -> CallerConfigs:
    """The configurations of callers under an unchecked configuration."""
    config = msgspec.convert(document, Config, strict=False)
    build = Ec2Builder(STARTED, Signer(folder)).build
    return CallerConfigs(config, build, Containers(), ([] if said is None else said).append)


def test_callers_with_the_same_variants_share_what_they_are(tmp_path: Path) -> None:
    variant = {"match": {"name": "app-1?"}, "instance": {"role": "other"}}
    shared = caller_configs(tmp_path, {"variants": [variant]})
    assert shared.of("172.18.0.11") is shared.of("172.18.0.12")
    assert shared.of("172.18.0.11") is not shared.of("172.18.0.3")
    assert shared.of("172.18.0.3").config.instance.role == "my-role"


def test_each_container_is_made_once_and_nobody_is_the_configured_instance(tmp_path: Path) -> None:
    own = caller_configs(tmp_path, {"identity": "per-container"})
    assert own.of("172.18.0.3") is own.of("172.18.0.3")
    assert own.of("172.18.0.3").config.instance.instance_id != own.of("172.18.0.4").config.instance.instance_id
    assert own.of("").config.instance.instance_id == "i-1234567890abcdef0"


def test_three_variants_that_do_not_go_together_are_said_and_the_request_is_answered(tmp_path: Path) -> None:
    said: list[str] = []
    own = caller_configs(
        tmp_path,
        {
            "variants": [
                {"match": {"service": "app"}, "instance": {"role": "kept"}},
                {"match": {"network": "net"}, "instance": {"region": "eu-west-1"}},
                {"match": {"name": "app-*"}, "instance": {"availability_zone": "us-east-1a"}},
            ]
        },
        said,
    )
    found = own.of("172.18.0.3")
    assert (found.config.instance.role, found.config.instance.region, found.variants) == ("kept", "eu-west-1", (0, 1))
    assert own.of("172.18.0.3") is found
    assert len(said) == 1
    assert "variants[0], variants[1], variants[2]" in said[0]
    assert "us-east-1a is not in the region eu-west-1" in said[0]


def test_callers_with_their_own_credentials_never_get_the_common_ones(tmp_path: Path) -> None:
    keys = {"access_key_id": "AKIA", "secret_access_key": "of-all", "session_token": "of-all"}
    own = {"match": {"service": "app"}, "instance": {"region": "eu-west-1"}, "credentials": {"source": "generated"}}
    clashing = {"match": {"service": "app-3"}, "instance": {"availability_zone": "us-east-1b"}}
    document: dict[str, Any] = {"credentials": {"source": "static", **keys}, "variants": [clashing, own]}
    # A service's name and a container's do not tell that they are one caller's, so these two are not checked.
    from_document(document)
    said: list[str] = []
    both = caller_configs(tmp_path, document, said).of("172.18.0.3")
    assert (both.config.instance.availability_zone, both.config.credentials.source) == ("us-east-1b", "generated")
    assert len(said) == 1
    assert "us-east-1b is not in the region eu-west-1" in said[0]


def test_what_is_kept_for_a_container_is_bounded(tmp_path: Path) -> None:
    cache = caller_configs(tmp_path, {"identity": "per-container"}).cache_of("172.18.0.3")
    timeline = ArmedEvents()
    for _ in range(20):
        timeline = timeline.arm(RebalanceRecommendation(), STARTED)
        cache.under(timeline.events[-1:])
    assert len(cache._known) <= 2


def test_nothing_is_sent_again_after_fetched_credentials_have_changed(tmp_path: Path) -> None:
    variant = {"match": {"name": "app-1?"}, "instance": {"role": "other"}}
    own = caller_configs(tmp_path, {"identity": "per-container", "variants": [variant]})
    addresses = ("", "172.18.0.3", "172.18.0.11")
    before = [own.cache_of(address).under(()).enabled for address in addresses]
    own.end_kept()
    for address, old in zip(addresses, before, strict=True):
        new = own.cache_of(address).under(()).enabled
        assert new.tree is old.tree, "it is not built again"
        assert new.mark is not old.mark
        assert new.responses is not old.responses


def test_nothing_is_kept_for_a_container_that_another_one_has_followed(tmp_path: Path) -> None:
    build = Ec2Builder(STARTED, Signer(tmp_path)).build
    here = caller_of("172.18.0.3")
    config = msgspec.convert({"identity": "per-container"}, Config)
    said: list[str] = []
    own = CallerConfigs(config, build, Containers(lambda _address: here), said.append)
    before = len(own._known)
    for number in range(20):
        here = here._replace(key=f"run-{number}")
        own.forget({"172.18.0.3"})
        own.of("172.18.0.3")
    assert len(own._known) == before + 1


def test_the_other_variant_leaves_all_callers_alike(tmp_path: Path) -> None:
    alike = caller_configs(tmp_path, {"compatibility": "aemm", "identity": "per-container"})
    assert not alike.need_names
    assert alike.of("172.18.0.3") is alike.of("172.18.0.4")


def test_many_variants_are_prepared_one_in_a_step(tmp_path: Path) -> None:
    document = {"variants": [{"match": {"service": f"s{n}"}, "instance": {"role": f"r{n}"}} for n in range(3)]}
    config = msgspec.convert(document, Config, strict=False)
    build, described = Ec2Builder(STARTED, Signer(tmp_path)).build, list[Config]()

    def counted(one: Config) -> BuiltConfig:
        described.append(one)
        return build(one)

    own = CallerConfigs(config, counted, Containers(), lambda _said: None, in_steps=True)
    assert [len(described) for _ in own.prepare()] == [2, 3, 4]
    assert list(own.prepare()) == []


class AnnouncedContainers(Containers):
    """Containers that have all announced the same."""

    announcements = (None,)

    def __init__(self, facts: str) -> None:
        super().__init__(
            lambda address: caller_of(address)._replace(announced=Announced("worker", facts), key="worker")
        )


def announced_configs(folder: Path, document: dict[str, Any], facts: str, said: list[str]) -> CallerConfigs:
    """The configurations of callers that have announced facts."""
    config = msgspec.convert(document, Config, strict=False)
    return CallerConfigs(config, Ec2Builder(STARTED, Signer(folder)).build, AnnouncedContainers(facts), said.append)


def test_a_container_that_announces_itself_is_an_instance_of_its_own(tmp_path: Path) -> None:
    own = announced_configs(tmp_path, {}, '{"role": "a"}', [])
    assert own.of("172.18.0.3").config.instance.role == "a"
    assert own.of("172.18.0.3").config.instance.instance_id != "i-1234567890abcdef0"
    given = announced_configs(tmp_path, {}, '{"instance_id": "i-0aaaaaaaaaaaaaaaa", "local_ipv4": "10.1.2.3"}', [])
    instance = given.of("172.18.0.3").config.instance
    assert (instance.instance_id, instance.local_ipv4) == ("i-0aaaaaaaaaaaaaaaa", "10.1.2.3")


def test_while_announcements_are_off_those_made_before_change_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    document = {"identity": "per-container", "callers": {"announced": "off"}}
    own = announced_configs(tmp_path, document, '{"role": "a"}', said)
    assert (own.of("172.18.0.3").config.instance.role, said) == ("my-role", [])


def test_an_announcement_that_no_longer_fits_leaves_the_variants_of_its_container(tmp_path: Path) -> None:
    said: list[str] = []
    variant = {"match": {"service": "app"}, "instance": {"role": "of-variant"}}
    document = {"variants": [variant], "callers": {"announced": "named"}}
    found = announced_configs(tmp_path, document, '{"role": "gone"}', said).of("172.18.0.3")
    assert (found.config.instance.role, found.variants) == ("of-variant", (0,))
    assert "what app-3 has announced conflicts" in said[0]
