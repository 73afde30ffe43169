"""The last step of a cold start. The first one, in the package `handlers`, disables garbage collection."""

import gc
from collections.abc import Callable
from contextlib import suppress

from facematch.domain.errors import FacematchError
from facematch.settings import runs_as_function


def finish_start(*factories: Callable[[], object]) -> None:
    """Make the objects that events need, and enable garbage collection.

    A cold start gets more processor time than an event, and a snapshot of SnapStart contains its objects.
    Outside Lambda, such as in tests, the objects are made at their first use.
    """
    if runs_as_function():
        # A wrong setting is reported by each event.
        with suppress(FacematchError):
            for make in factories:
                make()
    gc.freeze()
    gc.enable()
