"""Checks the deployed packages for known vulnerabilities: `python -m audit.dependencies`.

This needs a database of vulnerabilities. If none can be reached, the result is neither a pass nor a failure.
"""

import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from audit.bundles import LAYERS, find_requirements
from audit.tools import TOOLS, ToolResult, run_tool

NOT_AUDITED: Final = 75
"""The exit code for neither a pass nor a failure: EX_TEMPFAIL of sysexits.h."""
_CONNECTION_ERRORS: Final = (
    "connect",
    "connection",
    "timed out",
    "name resolution",
    "ssl",
    "proxy",
    "max retries",
)


class Outcome(StrEnum):
    """How an audit of one layer ended."""

    CLEAN = "no known vulnerabilities"
    PARTIAL = "no known vulnerabilities in the packages that the database contains"
    VULNERABLE = "vulnerable"
    UNREACHED = "cannot reach a database, not audited"
    BROKEN = "the tool failed, not audited"


@dataclass(frozen=True, slots=True)
class LayerAudit:
    """The audit of one layer: the number of audited packages, and messages to print."""

    outcome: Outcome
    packages: int = 0
    messages: tuple[str, ...] = ()


def classify(result: ToolResult) -> LayerAudit:
    """Return the audit that the output of pip-audit describes.

    Only a package that the database contains counts as audited. pip-audit itself reports no vulnerabilities
    even if it found none of the packages.
    """
    try:
        listed: Any = json.loads(result.output)["dependencies"]
        skipped = tuple(str(package["skip_reason"]) for package in listed if "skip_reason" in package)
        vulnerabilities = tuple(
            f"{package['name']} {package['version']}: {known['id']}, "
            f"fixed in {', '.join(known['fix_versions']) or 'no version'}"
            for package in listed
            for known in package.get("vulns", ())
        )
    except (ValueError, KeyError, TypeError):
        errors = result.errors.lower()
        unreached = any(word in errors for word in _CONNECTION_ERRORS)
        last = tuple(result.errors.splitlines()[-1:])
        return LayerAudit(Outcome.UNREACHED if unreached else Outcome.BROKEN, messages=last)
    packages = len(listed) - len(skipped)
    if vulnerabilities:
        return LayerAudit(Outcome.VULNERABLE, packages, vulnerabilities + skipped)
    if not packages:
        return LayerAudit(Outcome.UNREACHED if skipped else Outcome.BROKEN, messages=skipped[:1])
    return LayerAudit(Outcome.PARTIAL if skipped else Outcome.CLEAN, packages, skipped)


def audit_layer(layer: str) -> LayerAudit:
    """Look up the packages that a layer pins, without installing them."""
    options = [
        "--require-hashes",
        "--disable-pip",
        "--no-deps",
        "--progress-spinner",
        "off",
        "--format",
        "json",
    ]
    return classify(run_tool([TOOLS / "pip-audit", "--requirement", find_requirements(layer), *options]))


def main() -> int:
    """Audit every layer; return 1 for a vulnerability or a failed tool, otherwise `NOT_AUDITED` or 0."""
    outcomes = set()
    for layer in LAYERS:
        audited = audit_layer(layer)
        print(f"layer {layer}: {audited.packages} packages audited; {audited.outcome}")
        for line in audited.messages:
            print(f"  {line}")
        outcomes.add(audited.outcome)
    if outcomes & {Outcome.VULNERABLE, Outcome.BROKEN}:
        return 1
    return NOT_AUDITED if Outcome.UNREACHED in outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
