"""What the EC2 API says of an instance, read with botocore from the places where any AWS client is configured."""

from __future__ import annotations

import base64
from typing import Any, Final

import botocore.session
from botocore import exceptions
from botocore.config import Config
from msgspec import field

from imds_mock.errors import EX_CONFIG, EX_DATAERR, EX_NOPERM, EX_UNAVAILABLE, MockError
from imds_mock.records import Record

_CLIENT: Final = Config(connect_timeout=10, read_timeout=30, retries={"total_max_attempts": 3, "mode": "standard"})
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_UNREACHABLE: Final = (exceptions.HTTPClientError, exceptions.ConnectionError)
_UNKNOWN: Final = "InvalidInstanceID"  # with `.NotFound` or `.Malformed`


class ImportFailedError(MockError):
    """An instance that cannot be read from the EC2 API."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


class Description(Record, frozen=True):
    """What the EC2 API says of an instance; the values are documents of the API.

    Attributes:
        region: Region of the calls.
        account_id: Owner of the reservation.
        reservation_id: Id of the reservation.
        instance: The instance.
        subnets: Subnets by id.
        vpcs: VPCs by id.
        zone_id: Id of the availability zone; None if unknown.
        role: Name of the role in the instance profile; None if it has no profile or the role is unknown.
        public_key: Public key of the key pair; None if it is unknown.
        user_data: The user data; None if it was not requested or there is none.
        notes: Sentences about what could not be read.
    """

    region: str
    account_id: str
    reservation_id: str
    instance: dict[str, Any]
    subnets: dict[str, dict[str, Any]]
    vpcs: dict[str, dict[str, Any]]
    zone_id: str | None = None
    role: str | None = None
    public_key: str | None = None
    user_data: bytes | None = None
    notes: list[str] = field(default_factory=list)


def describe(
    instance_id: str, region: str | None = None, profile: str | None = None, *, include_user_data: bool = False
) -> Description:
    """Read an instance.

    Args:
        instance_id: Its id.
        region: Its region; None for the configured one.
        profile: Profile of the AWS configuration files; None for the default.
        include_user_data: Whether to read user data too.

    Raises:
        ImportFailedError: It does not exist, or the API cannot be called.
    """
    try:
        session = botocore.session.Session(profile=profile)
        return _Reader(session, region).read(instance_id, include_user_data=include_user_data)
    except exceptions.ClientError as error:
        raise _refusal(error, instance_id) from error
    except _UNREACHABLE as error:
        raise ImportFailedError(f"the EC2 API cannot be reached: {error}", EX_UNAVAILABLE) from error
    except exceptions.NoRegionError as error:
        raise ImportFailedError("no region is configured; add --region", EX_CONFIG) from error
    except exceptions.BotoCoreError as error:
        sentence = f"cannot call the EC2 API: {error}; check --profile and your AWS configuration files"
        raise ImportFailedError(sentence, EX_CONFIG) from error


class _Reader:
    def __init__(self, session: botocore.session.Session, region: str | None) -> None:
        self._ec2 = session.create_client("ec2", region_name=region, config=_CLIENT)
        self._iam = session.create_client("iam", region_name=region, config=_CLIENT)
        self._notes: list[str] = []

    def read(self, instance_id: str, *, include_user_data: bool) -> Description:
        reservations = self._ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        reservation = reservations[0]
        instance = reservation["Instances"][0]
        interfaces = instance.get("NetworkInterfaces", [])
        subnets = sorted({each["SubnetId"] for each in interfaces})
        vpcs = sorted({each["VpcId"] for each in interfaces})
        subnet_list = self._ec2.describe_subnets(SubnetIds=subnets)["Subnets"] if subnets else []
        vpc_list = self._ec2.describe_vpcs(VpcIds=vpcs)["Vpcs"] if vpcs else []
        return Description(
            region=self._ec2.meta.region_name,
            account_id=reservation["OwnerId"],
            reservation_id=reservation["ReservationId"],
            instance=instance,
            subnets={each["SubnetId"]: each for each in subnet_list},
            vpcs={each["VpcId"]: each for each in vpc_list},
            zone_id=next((each.get("AvailabilityZoneId") for each in subnet_list), None),
            role=self._role(instance),
            public_key=self._public_key(instance),
            user_data=self._user_data(instance_id) if include_user_data else None,
            notes=self._notes,
        )

    def _role(self, instance: dict[str, Any]) -> str | None:
        arn = instance.get("IamInstanceProfile", {}).get("Arn")
        if arn is None:
            return None
        name = str(arn).rpartition("/")[2]
        profile = self._optional(
            lambda: self._iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"],
            f"the role of the instance profile {name}, so the role has the profile's name",
        )
        roles = [] if profile is None else profile["Roles"]
        return str(roles[0]["RoleName"]) if roles else name

    def _public_key(self, instance: dict[str, Any]) -> str | None:
        name = instance.get("KeyName")
        if name is None:
            return None
        pairs = self._optional(
            lambda: self._ec2.describe_key_pairs(KeyNames=[name], IncludePublicKey=True)["KeyPairs"],
            f"the key pair {name}, so the instance has no public key",
        )
        return None if not pairs else pairs[0].get("PublicKey")

    def _user_data(self, instance_id: str) -> bytes | None:
        attribute = self._ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
        value = attribute.get("UserData", {}).get("Value")
        return None if value is None else base64.b64decode(value)

    def _optional(self, call: Any, what: str) -> Any:
        """The result of a call; None with a note if it is refused or finds nothing."""
        try:
            return call()
        except exceptions.ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown error")
            self._notes.append(f"cannot read {what} ({code})")
            return None


def _refusal(error: exceptions.ClientError, instance_id: str) -> ImportFailedError:
    code = str(error.response.get("Error", {}).get("Code", "unknown error"))
    operation = error.operation_name
    if code.startswith(_UNKNOWN):
        sentence = f"the instance {instance_id} does not exist in this region and account; check --region and --profile"
        return ImportFailedError(sentence, EX_DATAERR)
    if code in _DENIED:
        return ImportFailedError(f"{operation} was refused ({code}); allow ec2:{operation} to the caller", EX_NOPERM)
    return ImportFailedError(f"{operation} failed ({code})", EX_UNAVAILABLE)
