"""The table of the soak test: the result of each scenario, and broken guarantees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.accounting import Audit, quantile
from harness.scenarios import ScenarioResult

HEADS: Final = (
    "scenario",
    "pairs",
    "completed",
    "failed",
    "dead letters",
    "lost",
    "double-billed",
    "possibly billed",
    "throttled share",
    "quota used",
    "p95",
)

_THROTTLED_LIMIT: Final = 0.01
_USED_LIMIT: Final = 0.95
_INTERACTIVE_LIMIT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    name: str
    result: ScenarioResult
    audit: Audit

    @property
    def violations(self) -> list[str]:
        """The broken guarantees, in words."""
        failed = self.audit.failed - len(self.result.may_fail)
        violations = [f"{pair_id}: {reason}" for pair_id, reason in self.audit.lost.items()]
        violations += [f"billed twice: {merchant_biz_id}" for merchant_biz_id in self.audit.double_billed]
        violations += self.result.findings
        if failed:
            violations.append(f"{failed} more pairs failed than expected")
        if self.audit.dead_letters:
            violations.append(f"{self.audit.dead_letters} pairs are dead letters")
        traffic, latencies_s = self.result.traffic, self.result.latencies_s
        if traffic and latencies_s and traffic.throttled_share > _THROTTLED_LIMIT:
            violations.append(f"{traffic.throttled_share:.1%} of the calls were throttled")
        if traffic and latencies_s and traffic.used < _USED_LIMIT:
            violations.append(f"{traffic.used:.1%} of the quota was used")
        if latencies_s and quantile(latencies_s, 0.95) > _INTERACTIVE_LIMIT_S:
            violations.append(f"requests took {quantile(latencies_s, 0.95):.1f} s at p95")
        return violations

    @property
    def cells(self) -> list[str]:
        """The cells in the order of `HEADS`."""
        traffic, latencies_s = self.result.traffic, self.result.latencies_s
        return [
            self.name,
            str(self.audit.pairs),
            str(self.audit.verdicts - self.audit.failed),
            str(self.audit.failed),
            str(self.audit.dead_letters),
            str(len(self.audit.lost)),
            str(len(self.audit.double_billed)),
            str(len(self.audit.possibly_billed)),
            f"{traffic.throttled_share:.1%}" if traffic else "",
            f"{traffic.used:.1%}" if traffic and latencies_s else "",
            f"{quantile(latencies_s, 0.95):.2f} s" if latencies_s else "",
        ]


def format_table(rows: Sequence[Row]) -> str:
    """Return the table in Markdown."""
    lines = [f"| {' | '.join(HEADS)} |", f"|{' --- |' * len(HEADS)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row.cells)} |" for row in rows)])
