from collections.abc import Iterator

import pytest

from harness.driver import FOLDER, Driver
from local.processes import Ports
from local.stack import run_stack

PAIR_DEADLINE_S = 10


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    """One stack for all end-to-end tests, on ports that the system chooses."""
    parameters = {"HeicPhotos": "true", "PairDeadlineSeconds": str(PAIR_DEADLINE_S), "WorkerConcurrency": "3"}
    with run_stack(Ports(cloud=0, emulator=0), FOLDER, parameters) as stack:
        yield Driver(stack)
