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
"""The owner of the local cloud's key."""


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    """A separate stack that enforces permissions. Its SDK logs what it sends."""
    parameters = {
        "PairDeadlineSeconds": str(PAIR_DEADLINE_S),
        "WorkerConcurrency": "2",
        "LogLevel": "DEBUG",
        "AdminPrincipals": ADMINISTRATOR,
    }
    with pytest.MonkeyPatch.context() as patch:
        # The functions get the environment of the local cloud.
        patch.setitem(os.environ, "DEBUG", "sdk")
        with run_stack(Ports(cloud=0, emulator=0), FOLDER, parameters) as stack:
            yield Driver(stack)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the reports of the audit."""
    for title, lines in REPORTS.items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
