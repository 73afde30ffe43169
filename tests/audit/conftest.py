import os
from collections.abc import Iterator

import pytest

from harness.driver import Driver
from local.processes import Ports
from local.stack import run_stack
from tests.audit.locations import FOLDER
from tests.audit.report import REPORTS

PAIR_DEADLINE_S = 10
ADMINISTRATOR = "arn:aws:iam::000000000000:root"
"""Who the local cloud's own key belongs to."""


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    """A stack of its own that enforces permissions, with the SDK told to log what it sends."""
    parameters = {
        "PairDeadlineSeconds": str(PAIR_DEADLINE_S),
        "WorkerConcurrency": "2",
        "LogLevel": "DEBUG",
        "AdminPrincipals": ADMINISTRATOR,
    }
    with pytest.MonkeyPatch.context() as patch:
        # The local cloud hands its own environment on to the functions.
        patch.setitem(os.environ, "DEBUG", "sdk")
        with run_stack(Ports(cloud=0, emulator=0), FOLDER, parameters) as stack:
            yield Driver(stack)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was looked at and found."""
    for title, lines in REPORTS.items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
