from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from facecompare_emulator import Addresses, Rules, run_emulator
from facecompare_emulator.endpoints import REGIONS
from facematch import bootstrap
from facematch.domain.regions import Region
from tests.factories import make_environment
from tests.integration.aws_rules import honour_copy_conditions, refuse_invalid_requests
from tests.integration.emulator.clients import ControlClient, close_sdk_sessions
from tests.integration.handlers.cloud import AWS_REGION, Cloud

_CLIENTS = {"_session", "_dynamodb", "_sqs", "_ledger", "_rate_limiter", "_photo_store"}
"""What holds nothing but clients, which are slow to make, and names, which are the same in every test."""


def _forget_wiring(*, clients_too: bool) -> None:
    for name, made in vars(bootstrap).items():
        if hasattr(made, "cache_clear") and (clients_too or name not in _CLIENTS):
            made.cache_clear()


@pytest.fixture(scope="session")
def _emulator() -> Iterator[Addresses]:
    with run_emulator(Rules(qps=dict.fromkeys(REGIONS, 1000))) as addresses:
        yield addresses
    close_sdk_sessions()


@pytest.fixture(scope="session")
def _aws_session() -> boto3.Session:
    return boto3.Session("testing", "testing", region_name=AWS_REGION)


@pytest.fixture(scope="module")
def _resources(_aws_session: boto3.Session) -> Iterator[Cloud]:
    _forget_wiring(clients_too=True)
    with mock_aws():
        yield Cloud(_aws_session)
    _forget_wiring(clients_too=True)


@pytest.fixture
def provider(_emulator: Addresses, monkeypatch: pytest.MonkeyPatch) -> ControlClient:
    """The emulator's control port, with an empty log and no scenario."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    control = ControlClient(_emulator.control.removeprefix("http://"))
    control.reset()
    return control


@pytest.fixture
def cloud(
    _resources: Cloud, _emulator: Addresses, provider: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cloud]:
    """A stack in moto with the emulator as its provider, and the environment of its functions."""
    assert provider.comparisons() == []
    stand_ins = ",".join(
        f"{endpoint.region}.{endpoint.network}={address}" for endpoint, address in _emulator.endpoints
    )
    environment = {
        **make_environment(
            **_resources.environment,
            # Without Hong Kong, one region is not allowed.
            ALLOWED_REGIONS="singapore,indonesia,malaysia",
            CALLS_PER_SECOND=",".join(f"{region}=1000" for region in Region),
            LOCAL_STACK="true",
            PROVIDER_ENDPOINTS=stand_ins,
        ),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": AWS_REGION,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _resources.clear()
    _forget_wiring(clients_too=False)
    refuse_invalid_requests(bootstrap._dynamodb())
    honour_copy_conditions(bootstrap._photo_store().client)
    yield _resources
    _forget_wiring(clients_too=False)
