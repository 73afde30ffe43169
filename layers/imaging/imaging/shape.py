"""Geometry: which size a photo gets, and whether it can have one. No pixels here."""

from dataclasses import dataclass
from math import ceil

from imaging.errors import PhotoError, PhotoErrorCode
from imaging.limits import Limits


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of the picture after scaling, in pixels, and the rows added above and below it together."""

    picture_width: int
    picture_height: int
    padded_rows: int = 0

    @property
    def height(self) -> int:
        """Height of the whole photo, bars included."""
        return self.picture_height + self.padded_rows

    def keeps(self, width: int, height: int) -> bool:
        """Tell whether a photo of this size needs no change at all."""
        return (self.picture_width, self.picture_height, self.padded_rows) == (width, height, 0)


def plan_shape(width: int, height: int, limits: Limits) -> Shape:
    """
    Fit an upright photo into the limits, its aspect kept: scaled down, or up to the minimum size.

    Raises
    ------
    PhotoError
        `too_small`, when the photo is so from the start or once its longer side fits.
    """
    _require_enough_pixels(width, height, limits)
    return (
        _plan_portrait(width, height, limits) if height >= width else _plan_landscape(width, height, limits)
    )


def _plan_portrait(width: int, height: int, limits: Limits) -> Shape:
    shape = _scale(width, height, limits)
    if shape.picture_width < limits.min_width:
        raise PhotoError(
            PhotoErrorCode.TOO_SMALL,
            f"The photo is {width} x {height} pixels (width x height), too narrow: scaled to the "
            f"{limits.max_height} pixels of height allowed it is {shape.picture_width} wide, "
            f"and {limits.min_width} are needed.",
        )
    return shape


def _plan_landscape(width: int, height: int, limits: Limits) -> Shape:
    shape = _scale(width, height, limits)
    missing_rows = max(0, limits.min_height - shape.picture_height)
    # Bars make up for height only where the picture itself is as large as the shorter side must be.
    needed_height = limits.min_width if limits.letterbox else limits.min_height
    if shape.picture_height < needed_height:
        raise PhotoError(
            PhotoErrorCode.TOO_SMALL,
            f"The photo is {width} x {height} pixels (width x height), too wide: within the "
            f"{limits.max_width} pixels of width allowed it is {shape.picture_height} high, "
            f"and {needed_height} are needed.",
        )
    return Shape(shape.picture_width, shape.picture_height, missing_rows)


def _scale(width: int, height: int, limits: Limits) -> Shape:
    scale = min(
        max(1.0, _find_enlargement(width, height, limits)),
        limits.target_short_side / min(width, height),
        limits.max_width / width,
        limits.max_height / height,
    )
    return Shape(max(1, round(width * scale)), max(1, round(height * scale)))


def _find_enlargement(width: int, height: int, limits: Limits) -> float:
    """Return the factor to the minimum size; below 1 the photo exceeds it."""
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
            f"The photo is {width} x {height} pixels (width x height); its shorter side needs at least "
            f"{least_short} pixels and its longer side {least_long}.",
        )
