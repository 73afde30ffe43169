"""Every load and fault, one after another, on a stack of its own: `python -m bench.soak [NAME]`.

Takes about 26 minutes on two cores. It prints a table, which is also written to `.local/soak.md`, and exits
with 1 if a promise was not kept. With a part of a scenario's name, only those scenarios run.
"""

import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

from bench.soak_scenarios import (
    Played,
    Scenario,
    burst,
    client_gone,
    clocks_apart,
    failing,
    faulty_pair,
    forbidden,
    half_a_pair,
    killed_after_the_answer,
    killed_after_the_ledger_write,
    killed_before_the_call,
    killed_during_the_call,
    late_requests,
    lease_outlived,
    ledger_throttled,
    mixed_requests,
    neighbour_throttled,
    outage,
    photo_deleted,
    poison,
    publish_fails,
    repeated_events,
    results_refused,
    same_key,
    same_millisecond,
    sent_again,
    source_replaced,
    throttled,
    warm_up,
)
from facematch.domain.regions import Region
from facematch.use_cases.sweep import UNPUBLISHED_AFTER_S
from local.processes import LOCAL, Ports
from local.stack import run_stack
from tests.e2e.accounting import Audit, Books, audit, quantile
from tests.e2e.driver import Driver
from tests.e2e.faults import Cloud, Emulator, Site, settle

REPORT: Final = LOCAL / "soak.md"
_FOLDER: Final = LOCAL / "soak"
_PAIR_DEADLINE_S: Final = 15
_SETTLED_AFTER_S: Final = 150
_WINDOWS: Final = ("fixed", "sliding", "bucket")

_HEADS: Final = (
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
_SEEN_AT_ONCE: Final = {"pairs", "completed", "failed", "throttled share", "quota used", "p95"}

_THROTTLED_LIMIT: Final = 0.01
_USED_LIMIT: Final = 0.95
_INTERACTIVE_LIMIT_S: Final = 3.0

# Each of these disturbs every region: a process is killed, a queue delivers sooner or refuses.
ALONE: Final = (
    Scenario(
        name="results queue refuses", region=Region.MALAYSIA, run=results_refused(pairs=4), settles_in_s=0
    ),
    Scenario(
        name="killed before the call", region=Region.SINGAPORE, run=killed_before_the_call, settles_in_s=0
    ),
    Scenario(
        name="killed during the call", region=Region.INDONESIA, run=killed_during_the_call, settles_in_s=0
    ),
    Scenario(
        name="killed after the answer", region=Region.MALAYSIA, run=killed_after_the_answer, settles_in_s=0
    ),
    Scenario(name="message that nobody can read", region=Region.HONG_KONG, run=poison(pairs=4)),
    Scenario(name="photo deleted before it is read", region=Region.SINGAPORE, run=photo_deleted),
)

# One lane a region; what stands in a lane is played one after another. All lanes share the workers, so that
# only a few pairs at once are of a kind that keeps its worker waiting.
LANES: Final = (
    (
        Scenario(
            name="outage of 5 min, 60 pairs",
            region=Region.SINGAPORE,
            run=outage(pairs=60, duration_s=300),
            settles_in_s=180,
        ),
        Scenario(
            name="50 requests, good and bad, and a backlog",
            region=Region.SINGAPORE,
            run=mixed_requests(connections=50, backlog=50),
        ),
    ),
    (
        Scenario(
            name="throttled for 30 s, told how long",
            region=Region.INDONESIA,
            run=throttled(pairs=3, duration_s=30, retry_after_ms=2000),
        ),
        Scenario(
            name="connection reset after the comparison",
            region=Region.INDONESIA,
            run=failing(pairs=6, effect="reset", after_compare=True, times=2),
        ),
        Scenario(
            name="broken JSON",
            region=Region.INDONESIA,
            run=failing(pairs=6, effect="broken_json", after_compare=True, times=2),
        ),
        Scenario(name="half a pair", region=Region.INDONESIA, run=half_a_pair),
        Scenario(name="sent again after the verdict", region=Region.INDONESIA, run=sent_again),
        Scenario(
            name="killed after the ledger write", region=Region.INDONESIA, run=killed_after_the_ledger_write
        ),
        Scenario(name="lease outlived", region=Region.INDONESIA, run=lease_outlived),
    ),
    (
        Scenario(
            name="outage of 5 min, 4 pairs",
            region=Region.MALAYSIA,
            run=outage(pairs=4, duration_s=300),
            settles_in_s=180,
        ),
        Scenario(
            name="throttled for 30 s",
            region=Region.MALAYSIA,
            run=throttled(pairs=3, duration_s=30, retry_after_ms=None),
        ),
        Scenario(
            name="HTML 502",
            region=Region.MALAYSIA,
            run=failing(pairs=6, effect="html", http_status=502, times=2),
        ),
        Scenario(
            name="200 with a failing code",
            region=Region.MALAYSIA,
            run=failing(pairs=6, effect="refuse", code="InternalError", http_status=200, times=2),
        ),
        Scenario(name="clocks 2 s apart", region=Region.MALAYSIA, run=clocks_apart(pairs=20, qps=3)),
        Scenario(name="ledger throttled", region=Region.MALAYSIA, run=ledger_throttled(pairs=6, share=0.4)),
        Scenario(name="the client goes away", region=Region.MALAYSIA, run=client_gone),
    ),
    (
        Scenario(
            name="account refused for 3 min, 60 pairs, no redrive",
            region=Region.HONG_KONG,
            run=forbidden(pairs=60, duration_s=180),
            settles_in_s=300,
        ),
        Scenario(
            name="one faulty pair among 50",
            region=Region.HONG_KONG,
            run=faulty_pair(pairs=51, duration_s=45),
            settles_in_s=150,
        ),
        Scenario(
            name="publish function fails for 60 s",
            region=Region.HONG_KONG,
            run=publish_fails(pairs=20, duration_s=60),
        ),
        Scenario(
            name="20 % InternalError",
            region=Region.HONG_KONG,
            run=failing(pairs=40, effect="refuse", code="InternalError", share=0.2, for_s=60),
        ),
        Scenario(
            name="latency of 0.2 to 8 s",
            region=Region.HONG_KONG,
            run=failing(pairs=12, effect="answer", latency_ms=[200, 8000], times=12),
        ),
        Scenario(
            name="hang past the time-out",
            region=Region.HONG_KONG,
            run=failing(pairs=4, effect="hang", times=2),
        ),
        Scenario(name="same event 50 times at once", region=Region.HONG_KONG, run=repeated_events(times=50)),
        Scenario(
            name="both photos in one millisecond", region=Region.HONG_KONG, run=same_millisecond(pairs=20)
        ),
        Scenario(name="source replaced while compared", region=Region.HONG_KONG, run=source_replaced),
        Scenario(name="one key 20 times at once", region=Region.HONG_KONG, run=same_key(times=20)),
    ),
)

BURSTS: Final = (
    Scenario(name="all workers started, for the bursts", region=Region.SINGAPORE, run=warm_up),
    Scenario(
        name="Indonesia throttled with 300 pairs, Singapore receives 100",
        region=Region.SINGAPORE,
        run=neighbour_throttled(pairs=100, throttled_pairs=300, neighbour=Region.INDONESIA, qps=10),
        settles_in_s=240,
    ),
    Scenario(
        name="20 API requests behind 300 bulk pairs, 10 QPS",
        region=Region.SINGAPORE,
        run=late_requests(backlog=300, requests=20),
        settles_in_s=90,
    ),
    *(
        Scenario(
            name=f"burst of 300 and API, {qps} QPS, {window}",
            region=region,
            run=burst(pairs=300, qps=qps, window=window, request_interval_s=interval_s),
        )
        for qps, region, interval_s in ((10, Region.SINGAPORE, 1.0), (3, Region.INDONESIA, 2.0))
        for window in _WINDOWS
    ),
)


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


@dataclass(slots=True)
class Soak:
    """A run: its stack, and what was played so far."""

    cloud: Cloud
    emulator: Emulator
    folder: Path
    chosen: str
    played: dict[str, Played] = field(default_factory=dict)
    started_at_s: float = field(default_factory=time.monotonic)

    def play_all(self) -> list[Row]:
        """Play everything, let the stack settle, and return the table's lines."""
        for scenario in ALONE:
            self._play(scenario)
        refused_at_s = time.monotonic()
        with ThreadPoolExecutor(len(LANES)) as pool:
            list(pool.map(self._play_lane, LANES))
        for scenario in BURSTS:
            self._play(scenario)
        self._sweep(not_before_s=refused_at_s + UNPUBLISHED_AFTER_S)
        books = self._settle()
        return [Row(name, played, audit(books, played.accepted)) for name, played in self.played.items()]

    def _play_lane(self, lane: Iterable[Scenario]) -> None:
        for scenario in lane:
            self._play(scenario)

    def _play(self, scenario: Scenario) -> None:
        if self.chosen not in scenario.name:
            return
        site = self._open_site(scenario)
        started_at_s = time.monotonic()
        try:
            played = scenario.run(site)
            found = settle(self.cloud, played.accepted, limit_s=scenario.settles_in_s)
        except Exception as error:  # noqa: BLE001 - what goes wrong in one scenario is told, and the others are played
            self.played[scenario.name] = Played(accepted={}, findings=[f"{type(error).__name__}: {error}"])
            self._say(f"{scenario.name}: {type(error).__name__}: {error}")
            return
        self.played[scenario.name] = played
        cells = zip(_HEADS, Row(scenario.name, played, found).cells, strict=True)
        # What is not settled yet is no loss: that is for the table to say.
        told = [f"{head} {cell}" for head, cell in cells if cell and head in _SEEN_AT_ONCE]
        told += [*played.findings, *played.notes]
        self._say(f"{scenario.name} ({time.monotonic() - started_at_s:.0f} s): {'; '.join(told)}")

    def _open_site(self, scenario: Scenario) -> Site:
        prefix = "".join(letter if letter.isalnum() else "-" for letter in scenario.name.lower())
        return Site(
            cloud=self.cloud,
            emulator=self.emulator,
            region=scenario.region,
            prefix=prefix,
            folder=self.folder,
        )

    def _sweep(self, *, not_before_s: float) -> None:
        """Invoke the sweep, once what is stuck is old enough for it."""
        if not any(scenario.name in self.played for scenario in ALONE):
            return
        self._say("waiting for what is stuck in the outbox to be old enough for the sweep")
        time.sleep(max(not_before_s - time.monotonic(), 0))
        self.cloud.client("lambda").invoke(FunctionName=self.cloud.find_function("Sweep"), Payload=b"{}")

    def _settle(self) -> Books:
        accepted = dict(chain.from_iterable(played.accepted.items() for played in self.played.values()))
        settle(self.cloud, accepted, limit_s=_SETTLED_AFTER_S)
        return self.cloud.read_books()

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self.started_at_s:4.0f} s  {text}", flush=True)


def format_table(rows: Sequence[Row]) -> str:
    """Return the table in Markdown."""
    lines = [f"| {' | '.join(_HEADS)} |", f"|{' --- |' * len(_HEADS)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row.cells)} |" for row in rows)])


def main() -> int:
    """Run the soak; return 1 where a promise was not kept."""
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    parameters = {"PairDeadlineSeconds": str(_PAIR_DEADLINE_S)}
    with run_stack(Ports(cloud=0, emulator=0), _FOLDER, parameters) as stack:
        rows = Soak(Cloud(Driver(stack)), Emulator(stack.emulator_url), _FOLDER, chosen).play_all()
    table = format_table(rows)
    REPORT.write_text(f"{table}\n")
    print(f"\n{table}\n")
    shortfalls = [f"{row.name}: {shortfall}" for row in rows for shortfall in row.shortfalls]
    print("\n".join(shortfalls) or "Every promise was kept.")
    return 1 if shortfalls else 0


if __name__ == "__main__":
    sys.exit(main())
