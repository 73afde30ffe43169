"""What the adapters are given in these tests."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from facematch.domain.comparison import Ending, StoredPhoto
from facematch.domain.pair import ArrivedPhoto
from facematch.domain.verdict import Decision, Role
from tests.factories import make_verdict
from tests.fakes.clock import START_MS

AWS_REGION: Final = "ap-southeast-1"
NOW_MS: Final = START_MS
FOLDER: Final = "customer-0815"


def make_ending(decision: Decision = Decision.MATCH, **changes: Any) -> Ending:
    """Make an ending with every kind of value that a report can hold."""
    fields: dict[str, Any] = {
        "verdict": make_verdict(decision, face_quality={"FaceQualityScore": 88.125, "Sharpness": 100.0}),
        "ended_at_ms": NOW_MS + 5000,
        "photos": {
            Role.SOURCE: {"url": True},
            Role.TARGET: {"width": 720, "steps": ["rotated"], "quality": None, "ratio": 0.1},
        },
        "timings_ms": {"wait_for_worker": 0, "call": 412},
    }
    return Ending(**(fields | changes))


def make_arrived(
    role: Role = Role.SOURCE, sequencer: str = "01", arrived_at_ms: int = NOW_MS, **photo: str
) -> ArrivedPhoto:
    stored = {"key": f"inbox/singapore/{FOLDER}/{role}.jpg", "etag": f"{role}-{sequencer}"} | photo
    return ArrivedPhoto(photo=StoredPhoto(**stored), sequencer=sequencer, arrived_at_ms=arrived_at_ms)  # type: ignore[arg-type] # only texts are given


def run_at_once[T](tasks: Iterable[Callable[[], T]]) -> list[T | Exception]:
    """Start every task in its own thread at the same moment; return what each returned or raised."""
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
