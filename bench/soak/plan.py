"""The scenarios of the soak test, and their order."""

from typing import Final

from bench.soak.loads import burst, late_requests, mixed_requests, neighbour_throttled, warm_up
from facematch.domain.regions import Region
from harness.scenarios import (
    Scenario,
    client_disconnects,
    clock_skew,
    failing,
    faulty_pair,
    forbidden,
    incomplete_pair,
    killed_after_the_answer,
    killed_after_the_ledger_write,
    killed_before_the_call,
    killed_during_the_call,
    lease_expired,
    ledger_throttled,
    outage,
    photo_deleted,
    publish_fails,
    repeated_events,
    results_refused,
    same_key,
    same_millisecond,
    sent_again,
    source_replaced,
    throttled,
    unreadable_message,
)

_WINDOWS: Final = ("fixed", "sliding", "bucket")

# Each of these affects every region: it kills a process or changes a queue.
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
    Scenario(name="unreadable message", region=Region.HONG_KONG, run=unreadable_message(pairs=4)),
    Scenario(name="photo deleted before it is read", region=Region.SINGAPORE, run=photo_deleted),
)

# One lane per region. The scenarios of a lane run one after another. All lanes share the workers. Therefore,
# only a few pairs at a time are of a kind for which a worker waits.
LANES: Final = (
    (
        Scenario(
            name="outage of 5 min, 60 pairs",
            region=Region.SINGAPORE,
            run=outage(pairs=60, duration_s=300),
            settles_in_s=180,
        ),
        Scenario(
            name="50 requests, valid and invalid, and a backlog",
            region=Region.SINGAPORE,
            run=mixed_requests(connections=50, backlog=50),
        ),
    ),
    (
        Scenario(
            name="throttled for 30 s, with Retry-After",
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
        Scenario(name="incomplete pair", region=Region.INDONESIA, run=incomplete_pair),
        Scenario(name="sent again after the verdict", region=Region.INDONESIA, run=sent_again),
        Scenario(
            name="killed after the ledger write", region=Region.INDONESIA, run=killed_after_the_ledger_write
        ),
        Scenario(name="lease expired", region=Region.INDONESIA, run=lease_expired),
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
        Scenario(name="clocks 2 s apart", region=Region.MALAYSIA, run=clock_skew(pairs=20, qps=3)),
        Scenario(name="ledger throttled", region=Region.MALAYSIA, run=ledger_throttled(pairs=6, share=0.4)),
        Scenario(name="client disconnects", region=Region.MALAYSIA, run=client_disconnects),
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
            name="hang past the timeout",
            region=Region.HONG_KONG,
            run=failing(pairs=4, effect="hang", times=2),
        ),
        Scenario(name="same event 50 times at once", region=Region.HONG_KONG, run=repeated_events(times=50)),
        Scenario(
            name="both photos in one millisecond", region=Region.HONG_KONG, run=same_millisecond(pairs=20)
        ),
        Scenario(name="source replaced while compared", region=Region.HONG_KONG, run=source_replaced),
        Scenario(
            name="one Idempotency-Key 20 times at once", region=Region.HONG_KONG, run=same_key(times=20)
        ),
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
