# ruff: noqa: PLR2004 - the numbers are those of the format
"""Colour spaces that files describe with numbers instead of an ICC profile, and their profiles."""

import struct
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

type Chromaticity = tuple[float, float]
type Matrix = tuple[tuple[float, ...], ...]

_D65: Chromaticity = (0.3127, 0.3290)
_D50_XYZ = (0.9642, 1.0, 0.8249)
_BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_SRGB_PRIMARIES = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
# ITU-T H.273, table 2: red, green, blue and white, as x and y.
_PRIMARIES = {
    1: _SRGB_PRIMARIES,
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
# H.273, table 3. The curves of cameras (such as BT.709) are treated as sRGB's, as in browsers.
_GAMMA_22, _GAMMA_28, _LINEAR, PQ, HLG = 4, 5, 8, 16, 18
_CURVE_STEPS = 255 * 16 + 1
"""Each of 256 values is on a step."""


@dataclass(frozen=True, slots=True)
class ColourSpace:
    """
    A colour space: its primaries and its curve.

    Attributes
    ----------
    primaries
        Red, green, blue and white as CIE x and y.
    transfer
        The curve's number in ITU-T H.273. Unsupported numbers are treated as sRGB's.
    gamma
        The exponent from stored values to light, if the file states one instead of a number.
    """

    primaries: tuple[Chromaticity, ...] = _SRGB_PRIMARIES
    transfer: int = 13
    gamma: float | None = None

    def to_linear(self, value: float) -> float:
        """Convert a stored value to light, both 0 to 1. For HDR, see `imaging.hdr`."""
        exponent = self.gamma or {_GAMMA_22: 2.2, _GAMMA_28: 2.8, _LINEAR: 1.0}.get(self.transfer)
        if exponent:
            return float(value**exponent)
        return float(((value + 0.055) / 1.055) ** 2.4) if value > 0.04045 else value / 12.92


def name_colour_space(primaries: int, transfer: int) -> ColourSpace | None:
    """Return the colour space of two numbers of ITU-T H.273, or None for sRGB and unknown numbers."""
    space = ColourSpace(_PRIMARIES.get(primaries, _SRGB_PRIMARIES), transfer)
    is_srgb_curve = transfer not in {_GAMMA_22, _GAMMA_28, _LINEAR, PQ, HLG}
    return None if space.primaries == _SRGB_PRIMARIES and is_srgb_curve else space


def from_linear(light: float) -> float:
    """Convert light to a stored value with sRGB's curve, both 0 to 1."""
    return float(1.055 * light ** (1 / 2.4) - 0.055) if light > 0.0031308 else light * 12.92


def find_matrix(space: ColourSpace) -> tuple[Matrix, tuple[float, ...]]:
    """Return the matrix from a space's linear RGB to sRGB's, and its luminance weights."""
    to_xyz = _adapt_primaries(space.primaries)
    return _multiply(_invert(_adapt_primaries(_SRGB_PRIMARIES)), to_xyz), to_xyz[1]


@lru_cache(maxsize=8)
def make_profile(space: ColourSpace, *, is_grey: bool) -> bytes:
    """
    Return an ICC profile of version 2: primaries and curve for RGB, only the curve for grey.

    Raises
    ------
    ZeroDivisionError
        The primaries are on one line.
    """
    steps = (
        round(65_535 * min(1.0, space.to_linear(step / (_CURVE_STEPS - 1)))) for step in range(_CURVE_STEPS)
    )
    curve = struct.pack(f">4sII{_CURVE_STEPS}H", b"curv", 0, _CURVE_STEPS, *steps)
    tags = {b"wtpt": _pack_xyz(_D50_XYZ)}
    if is_grey:
        tags[b"kTRC"] = curve
    else:
        columns = zip(*_adapt_primaries(space.primaries), strict=True)
        tags |= {
            name: _pack_xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
        }
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return _pack_profile(b"GRAY" if is_grey else b"RGB ", tags)


def _adapt_primaries(primaries: tuple[Chromaticity, ...]) -> Matrix:
    """Return the matrix from linear RGB to XYZ under D50, with Bradford's adaptation."""
    *colours, white = (_to_xyz(*point) for point in primaries)
    columns = tuple(zip(*colours, strict=True))
    strengths = _multiply(_invert(columns), tuple((part,) for part in white))
    to_xyz = tuple(
        tuple(part * strength[0] for part, strength in zip(row, strengths, strict=True)) for row in columns
    )
    cones_from, cones_to = (
        _multiply(_BRADFORD, tuple((part,) for part in point)) for point in (white, _D50_XYZ)
    )
    scale = tuple(
        tuple(cones_to[row][0] / cones_from[row][0] if row == column else 0.0 for column in range(3))
        for row in range(3)
    )
    return _multiply(_multiply(_invert(_BRADFORD), _multiply(scale, _BRADFORD)), to_xyz)


def _to_xyz(x: float, y: float) -> tuple[float, float, float]:
    return x / y, 1.0, (1 - x - y) / y


def _multiply(one: Matrix, other: Matrix) -> Matrix:
    return tuple(
        tuple(sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*other, strict=True))
        for row in one
    )


def _invert(matrix: Matrix) -> Matrix:
    """Invert a 3 x 3 matrix by its cofactors."""
    cofactors = tuple(
        tuple(
            matrix[(row + 1) % 3][(column + 1) % 3] * matrix[(row + 2) % 3][(column + 2) % 3]
            - matrix[(row + 1) % 3][(column + 2) % 3] * matrix[(row + 2) % 3][(column + 1) % 3]
            for row in range(3)
        )
        for column in range(3)
    )
    determinant = sum(matrix[0][column] * cofactors[column][0] for column in range(3))
    return tuple(tuple(part / determinant for part in row) for row in cofactors)


def _pack_xyz(xyz: tuple[float, ...]) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *(round(part * 65_536) for part in xyz))


def _pack_profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return the header, the tag table and the tags: ICC.1:2001-04, clauses 6.1 and 6.2."""
    padded = [content + bytes(-len(content) % 4) for content in tags.values()]
    start = 128 + 4 + 12 * len(tags)
    starts = accumulate((len(content) for content in padded[:-1]), initial=start)
    table = b"".join(
        struct.pack(">4sII", name, at, len(content))
        for (name, content), at in zip(tags.items(), starts, strict=True)
    )
    body = struct.pack(">I", len(tags)) + table + b"".join(padded)
    header = struct.pack(
        ">II4s4s4s4s12x4s28x3i48x",
        *(128 + len(body), 0, b"\x02\x40\0\0", b"mntr", space, b"XYZ ", b"acsp"),
        *(round(part * 65_536) for part in _D50_XYZ),
    )
    return header + body
