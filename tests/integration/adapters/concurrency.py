"""Tasks that start in several threads at the same moment."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor


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
