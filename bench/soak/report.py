"""The soak's table: what each scenario came to, and what was not as promised."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.accounting import Audit, quantile
from harness.scenarios import Played

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
    played: Played
    found: Audit

    @property
    def shortfalls(self) -> list[str]:
        """What was not as promised, in words."""
        failed = self.found.failed - len(self.played.may_fail)
        told = [f"{pair_id}: {reason}" for pair_id, reason in self.found.lost.items()]
        told += [f"billed twice: {merchant_biz_id}" for merchant_biz_id in self.found.double_billed]
        told += self.played.findings
        if failed:
            told.append(f"{failed} pairs failed that should not, or did not fail that should")
        if self.found.waiting:
            told.append(f"{self.found.waiting} pairs are dead letters")
        traffic, latencies_s = self.played.traffic, self.played.latencies_s
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
        traffic, latencies_s = self.played.traffic, self.played.latencies_s
        return [
            self.name,
            str(self.found.pairs),
            str(self.found.verdicts - self.found.failed),
            str(self.found.failed),
            str(self.found.waiting),
            str(len(self.found.lost)),
            str(len(self.found.double_billed)),
            str(len(self.found.possibly_billed)),
            f"{traffic.throttled_share:.1%}" if traffic else "",
            f"{traffic.used:.1%}" if traffic and latencies_s else "",
            f"{quantile(latencies_s, 0.95):.2f} s" if latencies_s else "",
        ]


def format_table(rows: Sequence[Row]) -> str:
    """Return the table in Markdown."""
    lines = [f"| {' | '.join(HEADS)} |", f"|{' --- |' * len(HEADS)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row.cells)} |" for row in rows)])
