"""One photo, normalised for face comparison, step by step."""

from contextlib import nullcontext
from threading import Lock

from imaging.colour import finish_colours
from imaging.decode import decode
from imaging.encode import Encoding, encode
from imaging.inspect import inspect_photo
from imaging.limits import PROVIDER_LIMITS, Limits
from imaging.open import open_photo
from imaging.plan import plan_photo
from imaging.report import NormalisedPhoto, describe

_HEAVY_WORK = Lock()


def normalise(data: bytes, limits: Limits = PROVIDER_LIMITS) -> NormalisedPhoto:
    """
    Make a photo fit for comparison: a baseline JPEG, upright, within the limits, without metadata.

    Threads may call it at once; photos that take much memory are worked on one after another. A JPEG damaged
    among its pixels, but whole at its end, is normalised as libjpeg mends it, for Pillow does not pass on
    libjpeg's warnings.

    Raises
    ------
    PhotoError
        The photo cannot be used. Any other error is a bug, and says nothing about the photo.
    """
    opened = open_photo(data, limits)
    with _HEAVY_WORK if opened.is_heavy else nullcontext():
        photo = inspect_photo(opened)
        plan = plan_photo(photo, limits)
        image = decode(photo, plan.kept, plan.shape, plan.preview)
        picture = finish_colours(image, photo.colours, is_inverted=photo.is_inverted)
        untouched = Encoding(data, quality=None, passes=0) if plan.is_untouched else None
        encoding = untouched or encode(picture.image, plan.shape, limits)
        return describe(photo, plan, picture, encoding)
