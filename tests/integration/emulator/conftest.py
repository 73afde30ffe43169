from collections.abc import Iterator

import pytest

from facecompare_emulator import Addresses, Rules, run_emulator
from facecompare_emulator.endpoints import REGIONS
from tests.integration.emulator.clients import ControlClient, close_sdk_sessions


@pytest.fixture(scope="session", autouse=True)
def _closed_sdk_sessions() -> Iterator[None]:
    yield
    close_sdk_sessions()


@pytest.fixture(scope="session")
def running_emulator() -> Iterator[Addresses]:
    """One emulator for all tests that do not look at the quota."""
    with run_emulator(Rules(qps=dict.fromkeys(REGIONS, 1000))) as addresses:
        yield addresses


@pytest.fixture
def addresses(running_emulator: Addresses) -> Addresses:
    ControlClient(running_emulator.control.removeprefix("http://")).reset()
    return running_emulator


@pytest.fixture
def control(addresses: Addresses) -> ControlClient:
    return ControlClient(addresses.control.removeprefix("http://"))


@pytest.fixture
def singapore(addresses: Addresses) -> str:
    return addresses.address("singapore")
