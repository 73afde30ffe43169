"""The end of a function's start, which the package `handlers` began by pausing the collector of garbage."""

import gc
from collections.abc import Callable
from contextlib import suppress

from facematch.domain.errors import FacematchError
from facematch.settings import runs_as_function


def end_start(*wirings: Callable[[], object]) -> None:
    """Make the function ready for its first event, and look for garbage from now on.

    Lambda lends a start more processor than its events get, and takes a snapshot after it where SnapStart is
    on, so what an event needs is wired here; elsewhere (in a test, say) it is when first asked for.
    """
    if runs_as_function():
        # A fault of the settings is told by each event, which has a way to tell it.
        with suppress(FacematchError):
            for wire in wirings:
                wire()
    gc.freeze()
    gc.enable()
