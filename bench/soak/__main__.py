"""The soak test: runs every load and fault on a separate stack: `python -m bench.soak [NAME]`.

It takes about 26 minutes on two cores. It prints a table, also writes it to `.local/soak.md`, and exits with
1 if a guarantee is broken. With NAME, only the scenarios whose names contain it run.
"""

import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

from bench.soak.plan import ALONE, BURSTS, LANES
from bench.soak.report import HEADS, Row, format_table
from facematch.use_cases.sweep import UNPUBLISHED_AFTER_S
from harness.accounting import StackState, audit_pairs
from harness.driver import Driver
from harness.faults import Cloud, Emulator, ScenarioContext, settle
from harness.scenarios import Scenario, ScenarioResult
from local.processes import LOCAL, Ports
from local.stack import run_stack

REPORT: Final = LOCAL / "soak.md"
_FOLDER: Final = LOCAL / "soak"
_PAIR_DEADLINE_S: Final = 15
_SETTLED_AFTER_S: Final = 150
_PRINTED_AT_ONCE: Final = {"pairs", "completed", "failed", "throttled share", "quota used", "p95"}


@dataclass(slots=True)
class Soak:
    """One run: its stack, and the results so far."""

    cloud: Cloud
    emulator: Emulator
    folder: Path
    name_filter: str
    results: dict[str, ScenarioResult] = field(default_factory=dict)
    started_at_s: float = field(default_factory=time.monotonic)

    def play_all(self) -> list[Row]:
        """Run all scenarios, wait until the stack has settled, and return the rows of the table."""
        for scenario in ALONE:
            self._play(scenario)
        refused_at_s = time.monotonic()
        with ThreadPoolExecutor(len(LANES)) as pool:
            list(pool.map(self._play_lane, LANES))
        for scenario in BURSTS:
            self._play(scenario)
        self._sweep(not_before_s=refused_at_s + UNPUBLISHED_AFTER_S)
        state = self._settle()
        return [
            Row(name, result, audit_pairs(state, result.accepted)) for name, result in self.results.items()
        ]

    def _play_lane(self, lane: Iterable[Scenario]) -> None:
        for scenario in lane:
            self._play(scenario)

    def _play(self, scenario: Scenario) -> None:
        if self.name_filter not in scenario.name:
            return
        context = self._make_context(scenario)
        started_at_s = time.monotonic()
        try:
            result = scenario.run(context)
            audit = settle(self.cloud, result.accepted, limit_s=scenario.settles_in_s)
        except Exception as error:  # noqa: BLE001 - the other scenarios still run
            self.results[scenario.name] = ScenarioResult(
                accepted={}, findings=[f"{type(error).__name__}: {error}"]
            )
            self._log(f"{scenario.name}: {type(error).__name__}: {error}")
            return
        self.results[scenario.name] = result
        cells = zip(HEADS, Row(scenario.name, result, audit).cells, strict=True)
        # Losses are only in the table: until the end, a missing pair can still complete.
        parts = [f"{head} {cell}" for head, cell in cells if cell and head in _PRINTED_AT_ONCE]
        parts += [*result.findings, *result.notes]
        self._log(f"{scenario.name} ({time.monotonic() - started_at_s:.0f} s): {'; '.join(parts)}")

    def _make_context(self, scenario: Scenario) -> ScenarioContext:
        prefix = "".join(letter if letter.isalnum() else "-" for letter in scenario.name.lower())
        return ScenarioContext(
            cloud=self.cloud,
            emulator=self.emulator,
            region=scenario.region,
            prefix=prefix,
            folder=self.folder,
        )

    def _sweep(self, *, not_before_s: float) -> None:
        """Invoke the sweep when the unpublished results are old enough."""
        if not any(scenario.name in self.results for scenario in ALONE):
            return
        self._log("waiting until the results in the outbox are old enough for the sweep")
        time.sleep(max(not_before_s - time.monotonic(), 0))
        self.cloud.client("lambda").invoke(FunctionName=self.cloud.find_function("Sweep"), Payload=b"{}")

    def _settle(self) -> StackState:
        accepted = dict(chain.from_iterable(result.accepted.items() for result in self.results.values()))
        settle(self.cloud, accepted, limit_s=_SETTLED_AFTER_S)
        return self.cloud.read_state()

    def _log(self, text: str) -> None:
        print(f"{time.monotonic() - self.started_at_s:4.0f} s  {text}", flush=True)


def main() -> int:
    """Run the soak test; return 1 if a guarantee is broken."""
    name_filter = sys.argv[1] if len(sys.argv) > 1 else ""
    parameters = {"PairDeadlineSeconds": str(_PAIR_DEADLINE_S)}
    with run_stack(Ports(cloud=0, emulator=0), _FOLDER, parameters) as stack:
        rows = Soak(Cloud(Driver(stack)), Emulator(stack.emulator_url), _FOLDER, name_filter).play_all()
    table = format_table(rows)
    REPORT.write_text(f"{table}\n")
    print(f"\n{table}\n")
    violations = [f"{row.name}: {violation}" for row in rows for violation in row.violations]
    print("\n".join(violations) or "All guarantees were kept.")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
