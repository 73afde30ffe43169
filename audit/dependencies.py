"""What is known against the packages that are deployed: `python -m audit.dependencies`.

Needs a database of vulnerabilities. Where none can be reached it says so: neither a pass nor a failure.
"""

import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from audit.bundles import LAYERS, find_requirements
from audit.tools import TOOLS, ToolResult, run_tool

NOT_AUDITED: Final = 75
"""The exit code for what is neither a pass nor a failure: sysexits.h, come again later."""
_UNREACHED: Final = ("connect", "connection", "timed out", "name resolution", "ssl", "proxy", "max retries")


class Outcome(StrEnum):
    """How an audit of one layer ended."""

    CLEAN = "nothing is known against them"
    PARTIAL = "nothing is known against those that the database has"
    VULNERABLE = "vulnerable"
    UNREACHED = "no database reached, not audited"
    BROKEN = "the tool failed, not audited"


@dataclass(frozen=True, slots=True)
class LayerAudit:
    """What came of the audit of one layer; `packages` were looked up, `told` says what is to be said."""

    outcome: Outcome
    packages: int = 0
    told: tuple[str, ...] = ()


def classify(said: ToolResult) -> LayerAudit:
    """Return what the tool's words come to.

    Only a package that the database has counts as audited. The tool itself says that nothing is known where
    it found no package at all.
    """
    try:
        listed: Any = json.loads(said.output)["dependencies"]
        skipped = tuple(str(one["skip_reason"]) for one in listed if "skip_reason" in one)
        found = tuple(
            f"{one['name']} {one['version']}: {known['id']}, "
            f"mended in {', '.join(known['fix_versions']) or 'nothing yet'}"
            for one in listed
            for known in one.get("vulns", ())
        )
    except (ValueError, KeyError, TypeError):
        told = said.errors.lower()
        unreached = any(word in told for word in _UNREACHED)
        last = tuple(said.errors.splitlines()[-1:])
        return LayerAudit(Outcome.UNREACHED if unreached else Outcome.BROKEN, told=last)
    packages = len(listed) - len(skipped)
    if found:
        return LayerAudit(Outcome.VULNERABLE, packages, found + skipped)
    if not packages:
        return LayerAudit(Outcome.UNREACHED if skipped else Outcome.BROKEN, told=skipped[:1])
    return LayerAudit(Outcome.PARTIAL if skipped else Outcome.CLEAN, packages, skipped)


def audit_layer(layer: str) -> LayerAudit:
    """Ask what is known against the packages that a layer pins, without installing any of them."""
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
    """Audit every layer; return 1 where something is known or the tool failed, else `NOT_AUDITED` or 0."""
    outcomes = set()
    for layer in LAYERS:
        audited = audit_layer(layer)
        print(f"layer {layer}: {audited.packages} packages looked at; {audited.outcome}")
        for line in audited.told:
            print(f"  {line}")
        outcomes.add(audited.outcome)
    if outcomes & {Outcome.VULNERABLE, Outcome.BROKEN}:
        return 1
    return NOT_AUDITED if Outcome.UNREACHED in outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
