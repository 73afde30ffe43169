import os
from pathlib import Path

import pytest

# Powertools reads these when a handler is first imported, whichever test that is.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "facematch")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tests")

SKIPPED = Path(__file__).parents[1] / ".local" / "skipped"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Collect why tests were skipped: `make test` prints that last, after all of its runs."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = {str(report.longrepr[-1]).removeprefix("Skipped: ") for report in reports}
    if reasons and SKIPPED.parent.is_dir():
        with SKIPPED.open("a", encoding="utf-8") as file:
            file.writelines(f"- {reason}\n" for reason in sorted(reasons))
