"""Calculates the size of a normalised photo. This is only geometry."""

from dataclasses import dataclass
from math import ceil

from imaging.errors import PhotoError, PhotoErrorCode
from imaging.limits import Limits


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of the image after scaling, in pixels, and the number of rows added above and below it."""

    image_width: int
    image_height: int
    padded_rows: int = 0

    @property
    def height(self) -> int:
        """Height of the whole photo, with bars."""
        return self.image_height + self.padded_rows

    def keeps(self, width: int, height: int) -> bool:
        """Return whether a photo of this size needs no change."""
        return (self.image_width, self.image_height, self.padded_rows) == (width, height, 0)


def plan_shape(width: int, height: int, limits: Limits) -> Shape:
    """
    Fit an upright photo into the limits: scale it down, or up to the minimum size. The aspect ratio is kept.

    Raises
    ------
    PhotoError
        `too_small`: the photo has too few pixels, or is too small after its longer side fits.
    """
    _require_enough_pixels(width, height, limits)
    return (
        _plan_portrait(width, height, limits) if height >= width else _plan_landscape(width, height, limits)
    )


def _plan_portrait(width: int, height: int, limits: Limits) -> Shape:
    shape = _scale(width, height, limits)
    if shape.image_width < limits.min_width:
        raise PhotoError(
            PhotoErrorCode.TOO_SMALL,
            f"The photo is {width} x {height} pixels (width x height), too narrow. Scaled to the maximum "
            f"height of {limits.max_height} pixels, it is {shape.image_width} pixels wide, and "
            f"{limits.min_width} are needed.",
        )
    return shape


def _plan_landscape(width: int, height: int, limits: Limits) -> Shape:
    shape = _scale(width, height, limits)
    missing_rows = max(0, limits.min_height - shape.image_height)
    # Bars are added only if the image itself is as high as the minimum of the shorter side.
    needed_height = limits.min_width if limits.letterbox else limits.min_height
    if shape.image_height < needed_height:
        raise PhotoError(
            PhotoErrorCode.TOO_SMALL,
            f"The photo is {width} x {height} pixels (width x height), too wide. Scaled to the maximum "
            f"width of {limits.max_width} pixels, it is {shape.image_height} pixels high, and "
            f"{needed_height} are needed.",
        )
    return Shape(shape.image_width, shape.image_height, missing_rows)


def _scale(width: int, height: int, limits: Limits) -> Shape:
    scale = min(
        max(1.0, _find_enlargement(width, height, limits)),
        limits.target_short_side / min(width, height),
        limits.max_width / width,
        limits.max_height / height,
    )
    return Shape(max(1, round(width * scale)), max(1, round(height * scale)))


def _find_enlargement(width: int, height: int, limits: Limits) -> float:
    """Return the factor to the minimum size. It is below 1 if the photo is larger."""
    least_short, least_long = sorted((limits.min_width, limits.min_height))
    if width > height and not limits.letterbox:
        least_short = limits.min_height
    return max(least_short / min(width, height), least_long / max(width, height))


def _require_enough_pixels(width: int, height: int, limits: Limits) -> None:
    if _find_enlargement(width, height, limits) > limits.enlarge_up_to:
        least_short, least_long = (
            ceil(side / limits.enlarge_up_to) for side in sorted((limits.min_width, limits.min_height))
        )
        raise PhotoError(
            PhotoErrorCode.TOO_SMALL,
            f"The photo is {width} x {height} pixels (width x height). Its shorter side needs at least "
            f"{least_short} pixels, and its longer side {least_long}.",
        )
