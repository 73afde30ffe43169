"""The registration of an uploaded pair, by the same rule whether the bucket or the API came first."""

from dataclasses import replace

from facematch.domain.comparison import Comparison, State, identify_after_erasure
from facematch.domain.ports import Ledger


def register_upload(ledger: Ledger, comparison: Comparison) -> Comparison:
    """Register the comparison of an uploaded pair; return what stands, which may be an older one.

    Where the same bytes were compared and erased before, they are registered anew, under an id of their own.
    """
    while (standing := ledger.register(comparison)).state is State.ERASED:
        comparison = replace(comparison, id=identify_after_erasure(standing))
    return standing
