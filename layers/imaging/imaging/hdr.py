# ruff: noqa: PLR2004 - the numbers are those of the standards
"""Maps high dynamic range (PQ and HLG) to sRGB."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from math import exp

from PIL import ImageFilter

from imaging.colour_space import HLG, PQ, ColourSpace, find_matrix, from_linear

_PEAK_NITS, _WHITE_NITS = 1000, 203
"""The peak of an image, and a white sheet in it: ITU-R BT.2408."""
_SYSTEM_GAMMA = 1.2
_STEPS = 33


def is_hdr(space: ColourSpace) -> bool:
    """Return whether a colour space can contain light brighter than white."""
    return space.transfer in {PQ, HLG}


@lru_cache(maxsize=4)
def make_tone_map(space: ColourSpace) -> ImageFilter.Color3DLUT:
    """Return the lookup table from the stored RGB of an HDR space to sRGB."""
    return ImageFilter.Color3DLUT(_STEPS, list(_fill_table(space)))


def _fill_table(space: ColourSpace) -> Iterator[float]:
    to_srgb, luminance = find_matrix(space)
    read = _read_pq if space.transfer == PQ else _read_hlg
    steps = [read(step / (_STEPS - 1)) for step in range(_STEPS)]
    for blue, green, red in product(steps, repeat=3):
        stored = (red, green, blue)
        # HLG stores scene light. Displayed light is a power of its luminance (BT.2100).
        bright = sum(part * value for part, value in zip(luminance, stored, strict=True))
        shown = max(bright, 1e-9) ** (_SYSTEM_GAMMA - 1) * _PEAK_NITS if space.transfer == HLG else 10_000
        brightest = max(stored) * shown / _WHITE_NITS
        scale = shown / _WHITE_NITS * (_map_tone(brightest) / brightest if brightest > 1 else 0.5)
        for row in to_srgb:
            light = sum(part * value for part, value in zip(row, stored, strict=True)) * scale
            yield from_linear(min(max(light, 0.0), 1.0))


def _read_pq(value: float) -> float:
    """SMPTE ST 2084: convert a stored value to a part of 10,000 nits, clipped at the peak."""
    power: float = value ** (32 / 2523)
    light = (max(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (8192 / 1305)
    return min(float(light), _PEAK_NITS / 10_000)


def _read_hlg(value: float) -> float:
    """ARIB STD-B67: convert a stored value to a part of the scene's brightest light."""
    return value * value / 3 if value <= 0.5 else (exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12


def _map_tone(light: float) -> float:
    """
    Map light brighter than a white sheet (1) to SDR.

    As in browsers, light up to the sheet is halved. The other half of the range is for brighter light. The
    curve continues with the same slope, and is flat at the peak.
    """
    room = _PEAK_NITS / _WHITE_NITS - 1
    return float(1 - 0.5 * max(0.0, 1 - (light - 1) / room) ** room)
