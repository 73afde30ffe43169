"""Regions by the names that users write."""

import difflib
from typing import Final

from facematch.domain.errors import InvalidInputError
from facematch.domain.reasons import Reason
from facematch.domain.regions import Region, RegionPolicy

_SIMILAR_FROM: Final = 0.6


def suggest_region(text: str) -> str:
    """Return a question with the region that is similar to `text`, or an empty text."""
    written = text.strip().casefold().replace("_", "-").replace(" ", "-")
    similar = difflib.get_close_matches(written, list(Region), n=1, cutoff=_SIMILAR_FROM)
    return f" Did you mean {similar[0]}?" if similar else ""


def choose_region(policy: RegionPolicy, requested: str | None) -> Region:
    """Return the region for a pair. The error for an unknown name suggests a similar one.

    Raises
    ------
    InvalidInputError
        `region_required`, `unknown_region` or `region_not_allowed`.
    """
    try:
        return policy.choose(requested)
    except InvalidInputError as error:
        suggestion = suggest_region(requested or "") if error.code == Reason.UNKNOWN_REGION else ""
        raise InvalidInputError(error.code, error.message + suggestion, field=error.field) from None
