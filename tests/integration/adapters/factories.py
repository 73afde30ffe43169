"""What the adapters are given in these tests."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Ending,
    Options,
    Origin,
    Outcome,
    PhotoKind,
    State,
    StoredPhoto,
    make_merchant_biz_id,
)
from facematch.domain.ports import ArrivedPhoto
from facematch.domain.verdict import Bounds, Decision, Role, Verdict

AWS_REGION: Final = "ap-southeast-1"
NOW_MS: Final = 1_760_000_000_000
PAIR_ID: Final = "customer-0815"
PHOTOS: Final = {
    Role.SOURCE: StoredPhoto(key=f"inbox/singapore/{PAIR_ID}/source.jpg", etag="aaaa"),
    Role.TARGET: StoredPhoto(key=f"inbox/singapore/{PAIR_ID}/target.png", etag="bbbb"),
}


def make_comparison(comparison_id: str = "c1", **fields: Any) -> Comparison:
    given = {
        "id": comparison_id,
        "region": "singapore",
        "origin": Origin.UPLOAD,
        "created_at_ms": NOW_MS,
        "photos": PHOTOS,
        "pair_id": PAIR_ID,
    }
    return Comparison(**{**given, **fields})


def make_full_comparison(comparison_id: str = "full") -> Comparison:
    """Everything set that a record can hold, but the time of its publication."""
    return make_comparison(
        comparison_id,
        region="hong-kong",
        origin=Origin.API,
        caller="arn:aws:iam::123456789012:user/ann",
        fingerprint="f" * 64,
        photos={
            Role.SOURCE: StoredPhoto(key="requests/full/source-1", kind=PhotoKind.URL),
            Role.TARGET: StoredPhoto(key="inbox/hong-kong/ü +%/target.jpg", etag="bbbb"),
        },
        options=Options(bounds=Bounds(match_from=80.25, no_match_up_to=40), face_quality_check=True),
        state=State.COMPLETED,
        attempts=(
            make_attempt(1, outcome=Outcome.THROTTLED, code="Throttling.Api", request_id="R1", duration_ms=7),
            make_attempt(2, outcome=Outcome.UNKNOWN, code="timeout", duration_ms=10_000),
            make_attempt(3, outcome=Outcome.ANSWERED, code="Success", request_id="R3", duration_ms=412),
        ),
        ending=make_ending(),
    )


def make_attempt(number: int = 1, comparison_id: str = "c1", **fields: Any) -> Attempt:
    given = {
        "number": number,
        "merchant_biz_id": make_merchant_biz_id(comparison_id, number),
        "started_at_ms": NOW_MS + number,
    }
    return Attempt(**{**given, **fields})


def make_ending(decision: Decision = Decision.MATCH, **fields: Any) -> Ending:
    verdict = Verdict(
        decision=decision,
        message="Both photos show one person.",
        reason="between_bounds",
        photo=Role.TARGET,
        passed=True,
        score=99.57,
        provider_code="Success",
        request_id="R3",
        transaction_id="T3",
        face_quality={"FaceQualityScore": 88.125, "TargetSharpnessScore": 100.0},
    )
    given = {
        "verdict": verdict,
        "ended_at_ms": NOW_MS + 5000,
        "photos": {
            Role.SOURCE: {"url": True},
            Role.TARGET: {
                "width": 720,
                "steps": ["rotated", "scaled"],
                "quality": None,
                "ratio": 0.1,
                "before": {"size": [3024, 4032], "format": "HEIC", "alpha": False},
            },
        },
        "timings_ms": {"wait_for_worker": 0, "call": 412},
    }
    return Ending(**{**given, **fields})


def make_arrived(
    role: Role = Role.SOURCE, sequencer: str = "01", arrived_at_ms: int = NOW_MS, **photo: str
) -> ArrivedPhoto:
    given: dict[str, Any] = {"key": PHOTOS[role].key, "etag": f"{role}-{sequencer}", **photo}
    return ArrivedPhoto(photo=StoredPhoto(**given), sequencer=sequencer, arrived_at_ms=arrived_at_ms)


def run_at_once[T](tasks: Iterable[Callable[[], T]]) -> list[T | Exception]:
    """Start every task in a thread of its own at the same instant; return what each returned or raised."""
    tasks = list(tasks)
    barrier = threading.Barrier(len(tasks), timeout=10)

    def run(task: Callable[[], T]) -> T | Exception:
        barrier.wait()
        try:
            return task()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error

    with ThreadPoolExecutor(max_workers=len(tasks)) as pool:
        return list(pool.map(run, tasks))
