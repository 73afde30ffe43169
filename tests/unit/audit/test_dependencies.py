import json
from typing import Any

import pytest

from audit.dependencies import Outcome, classify
from audit.tools import ToolResult

URLLIB3 = {"name": "urllib3", "version": "2.8.0", "vulns": []}
MISSING = {
    "name": "six",
    "skip_reason": "Dependency not found and could not be audited: six",
}


def make_result(*packages: dict[str, Any], code: int = 0, errors: str = "") -> ToolResult:
    return ToolResult(code, json.dumps({"dependencies": packages, "fixes": []}), errors)


def test_packages_without_known_vulnerabilities_are_clean() -> None:
    audited = classify(make_result(URLLIB3, errors="No known vulnerabilities found"))
    assert (audited.outcome, audited.packages, audited.messages) == (Outcome.CLEAN, 1, ())


def test_a_vulnerability_is_reported_with_the_version_that_fixes_it() -> None:
    known = {"id": "PYSEC-2026-1", "fix_versions": ["2.8.1"], "aliases": [], "description": "Long."}
    audited = classify(make_result(URLLIB3 | {"vulns": [known]}, code=1))
    assert audited.outcome is Outcome.VULNERABLE
    assert audited.messages == ("urllib3 2.8.0: PYSEC-2026-1, fixed in 2.8.1",)


def test_a_vulnerability_without_a_fix_says_so() -> None:
    known = {"id": "PYSEC-2026-1", "fix_versions": []}
    assert (
        classify(make_result(URLLIB3 | {"vulns": [known]}, code=1))
        .messages[0]
        .endswith("fixed in no version")
    )


def test_packages_that_the_database_does_not_have_are_reported_and_not_counted() -> None:
    audited = classify(make_result(URLLIB3, MISSING))
    assert (audited.outcome, audited.packages) == (Outcome.PARTIAL, 1)
    assert audited.messages == (MISSING["skip_reason"],)


def test_a_database_that_has_none_of_them_was_not_reached_whatever_the_tool_says() -> None:
    audited = classify(make_result(MISSING, MISSING, errors="No known vulnerabilities found"))
    assert (audited.outcome, audited.packages) == (Outcome.UNREACHED, 0)


@pytest.mark.parametrize(
    "errors",
    [
        "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed",
        "requests.exceptions.ConnectionError: Max retries exceeded",
        "socket.gaierror: Temporary failure in name resolution",
    ],
)
def test_without_a_database_nothing_is_called_audited(errors: str) -> None:
    audited = classify(ToolResult(1, "", errors))
    assert audited.outcome is Outcome.UNREACHED
    assert (audited.packages, audited.messages) == (0, (errors,))


@pytest.mark.parametrize(
    "result",
    [
        ToolResult(0, "", ""),
        ToolResult(2, "", "usage: pip-audit [-h]"),
        ToolResult(0, "[]", ""),
        ToolResult(0, "{}", ""),
        ToolResult(0, '{"dependencies": []}', ""),
        ToolResult(1, "", "PackageNotFoundError"),
    ],
)
def test_a_tool_that_fails_otherwise_is_a_failure_and_no_pass(result: ToolResult) -> None:
    assert classify(result).outcome is Outcome.BROKEN
