import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import boto3
import pytest
from moto import mock_aws

from facecompare_emulator import Addresses, Rules, run_emulator
from facecompare_emulator.endpoints import REGIONS
from facematch import bootstrap
from facematch.adapters import face_compare
from facematch.adapters.face_compare import FaceCompareProvider
from facematch.domain.regions import Region
from tests.factories import make_environment
from tests.fakes.clock import FakeClock
from tests.fakes.moto_stack import AWS_REGION
from tests.integration.aws_rules import honour_copy_conditions, refuse_invalid_requests, serialise_requests
from tests.integration.emulator.clients import ControlClient, close_sdk_sessions
from tests.integration.handlers.stack import HandlerStack

_PATIENCE_S = 60.0
"""How long a call waits for the emulator, on a machine however busy."""
_CLIENTS = {"_session", "_dynamodb", "_sqs", "_photo_store"}
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
def _resources(_aws_session: boto3.Session) -> Iterator[HandlerStack]:
    _forget_wiring(clients_too=True)
    with mock_aws(), serialise_requests():
        yield HandlerStack(_aws_session)
    _forget_wiring(clients_too=True)


@pytest.fixture
def provider(_emulator: Addresses) -> ControlClient:
    """The emulator's control port, with an empty log and no scenario."""
    control = ControlClient(_emulator.control.removeprefix("http://"))
    control.reset()
    return control


def _wait_patiently(monkeypatch: pytest.MonkeyPatch) -> None:
    make_provider = bootstrap._provider.__wrapped__

    @cache
    def make_patient_provider() -> FaceCompareProvider:
        return replace(make_provider(), connect_timeout_s=_PATIENCE_S, read_timeout_s=_PATIENCE_S)

    monkeypatch.setattr(bootstrap, "_provider", make_patient_provider)
    for name in ("_READY_TIMEOUT_S", "_PROBE_TIMEOUT_S"):
        monkeypatch.setattr(face_compare, name, _PATIENCE_S)


@pytest.fixture
def stack(
    _resources: HandlerStack, _emulator: Addresses, provider: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HandlerStack]:
    """A stack in moto with the emulator as its provider, and the environment of its functions.

    Its clock starts at the present and moves only when someone sleeps, so that no deadline passes by itself.
    """
    assert provider.comparisons() == []
    emulators = ",".join(
        f"{endpoint.region}.{endpoint.network}={address}" for endpoint, address in _emulator.endpoints
    )
    environment = {
        **make_environment(
            **_resources.environment,
            # Without Hong Kong, one region is not allowed.
            ALLOWED_REGIONS="singapore,indonesia,malaysia",
            CALLS_PER_SECOND=",".join(f"{region}=1000" for region in Region),
            LOCAL_STACK="true",
            PROVIDER_ENDPOINTS=emulators,
        ),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": AWS_REGION,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _resources.clear()
    _resources.clock = FakeClock(time.time_ns() // 1_000_000)
    monkeypatch.setattr(bootstrap, "clock", lambda: _resources.clock)
    _wait_patiently(monkeypatch)
    refuse_invalid_requests(bootstrap._dynamodb())
    honour_copy_conditions(bootstrap._photo_store().client)
    # A test may still change the environment: nothing of the settings that were just read may be left.
    _forget_wiring(clients_too=False)
    yield _resources
    _forget_wiring(clients_too=False)
