"""The soak's table: what each scenario came to, and what was not as promised."""

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
    """One line of the table."""

    name: str
    result: ScenarioResult
    audit: Audit

    @property
    def shortfalls(self) -> list[str]:
        """What was not as promised, in words."""
        failed = self.audit.failed - len(self.result.may_fail)
        told = [f"{pair_id}: {reason}" for pair_id, reason in self.audit.lost.items()]
        told += [f"billed twice: {merchant_biz_id}" for merchant_biz_id in self.audit.double_billed]
        told += self.result.findings
        if failed:
            told.append(f"{failed} pairs failed that should not, or did not fail that should")
        if self.audit.waiting:
            told.append(f"{self.audit.waiting} pairs are dead letters")
        traffic, latencies_s = self.result.traffic, self.result.latencies_s
        if traffic and latencies_s and traffic.throttled_share > _THROTTLED_LIMIT:
            told.append(f"{traffic.throttled_share:.1%} of the calls were throttled")
        if traffic and latencies_s and traffic.used < _USED_LIMIT:
            told.append(f"{traffic.used:.1%} of the quota was used")
        if latencies_s and quantile(latencies_s, 0.95) > _INTERACTIVE_LIMIT_S:
            told.append(f"requests took {quantile(latencies_s, 0.95):.1f} s at p95")
        return told

    @property
    def cells(self) -> list[str]:
        """The line as text, by the table's heads."""
        traffic, latencies_s = self.result.traffic, self.result.latencies_s
        return [
            self.name,
            str(self.audit.pairs),
            str(self.audit.verdicts - self.audit.failed),
            str(self.audit.failed),
            str(self.audit.waiting),
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
