"""From a file's bytes to an upright picture of the planned size."""

from dataclasses import dataclass

from PIL import Image, ImageChops
from PIL.ImageFile import ImageFile

from imaging.colour import convert_to_srgb, expand_mode, flatten
from imaging.errors import PhotoError, PhotoErrorCode, decoding
from imaging.exif import TURNS, UPRIGHT, read_orientation, swaps_sides
from imaging.formats import JPEG, TIFF, open_image, recognise_format
from imaging.jpeg import has_end, has_too_many_scans
from imaging.limits import Limits
from imaging.shape import Shape

_HEAVY_PIXELS = 16_000_000
"""All but JPEGs are decoded whole: WebP takes 16 bytes a pixel, AVIF 9."""
# Whole steps by averages, as a JPEG's decoder takes them, and a filter for what is left.
_REDUCING_GAP = 1.0
_SMALL_REDUCTION = 1.25
"""After a whole step, BICUBIC does as well as LANCZOS up to here (Y-SSIM differs by 0.001), in less time."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A photo of which only the header has been read."""

    image: ImageFile
    format: str

    @property
    def is_heavy(self) -> bool:
        """Whether decoding takes so much memory that two at once may take more than a function has."""
        width, height = self.image.size
        return self.format != JPEG and width * height > _HEAVY_PIXELS


@dataclass(frozen=True, slots=True)
class Source:
    """An opened photo: its facts as the file states them, and its pixels, or the promise of them."""

    image: ImageFile
    format: str
    width: int
    height: int
    mode: str
    orientation: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height once turned upright."""
        return _swap((self.width, self.height), self.orientation)

    @property
    def pending_orientation(self) -> int:
        """The orientation that is still to be acted on: Pillow turns a TIFF by itself on loading."""
        return UPRIGHT if self.format == TIFF else self.orientation


@dataclass(frozen=True, slots=True)
class Picture:
    """An upright picture in L or RGB, and what was done to its colours."""

    image: Image.Image
    alpha_flattened: bool
    profile_converted: bool


def open_photo(data: bytes, limits: Limits) -> Opened:
    """Open a photo by its header, and refuse what is not to be decoded."""
    _require_reasonable_file(data, limits)
    source_format = recognise_format(data)
    with decoding(source_format):
        image = open_image(data, source_format)
        _require_reasonable_pixels(image, limits)
        if source_format == JPEG:
            _require_sound_jpeg(image, data)
        return Opened(image, source_format)


def learn_source(opened: Opened) -> Source:
    """
    Learn a photo's facts.

    Only a JPEG's pixels stay undecoded, since they are decoded at a reduced size; a PNG may keep its
    orientation behind them.
    """
    with decoding(opened.format):
        return _learn(opened.image, opened.format)


def load_whole(source: Source) -> None:
    """Decode every pixel, to know that they are there."""
    with decoding(source.format):
        source.image.load()


def read_picture(source: Source, shape: Shape) -> Picture:
    """Decode a photo at the planned size, upright, in L or RGB."""
    size = _swap((shape.picture_width, shape.picture_height), source.pending_orientation)
    with decoding(source.format):
        reduced = _reduce(source.image, size)
        upright = _turn(reduced, source.pending_orientation)
        return _finish_colours(upright, source)


def _require_reasonable_file(data: bytes, limits: Limits) -> None:
    if not data:
        raise PhotoError(PhotoErrorCode.EMPTY, "The file is empty.")
    if len(data) > limits.max_source_size_bytes:
        raise PhotoError(
            PhotoErrorCode.TOO_LARGE,
            f"The file has {len(data)} bytes, and at most {limits.max_source_size_bytes} are accepted.",
        )


def _require_reasonable_pixels(image: ImageFile, limits: Limits) -> None:
    """Refuse a bomb from its header, before a pixel is decoded."""
    width, height = image.size
    if width * height > limits.max_source_pixels:
        raise PhotoError(
            PhotoErrorCode.TOO_MANY_PIXELS,
            f"The photo has {width * height} pixels ({width} x {height}), and at most "
            f"{limits.max_source_pixels} are accepted.",
        )


def _require_sound_jpeg(image: ImageFile, data: bytes) -> None:
    """Refuse what Pillow would decode to half a picture, or for minutes."""
    if not has_end(data):
        raise PhotoError(PhotoErrorCode.UNREADABLE, "The JPEG is cut off: its end is missing.")
    if "progressive" in image.info and has_too_many_scans(data):
        raise PhotoError(
            PhotoErrorCode.UNREADABLE,
            "The progressive JPEG has so many scans that it is made to waste time.",
        )


def _learn(image: ImageFile, source_format: str) -> Source:
    mode = image.mode
    tiff_orientation = _read_tiff_orientation(image) if source_format == TIFF else UPRIGHT
    if source_format != JPEG:
        image.load()
    stored_size = _swap(image.size, tiff_orientation)  # Pillow states a TIFF's size as turned
    orientation = (
        tiff_orientation if source_format == TIFF else read_orientation(image.info.get("exif") or b"")
    )
    return Source(image, source_format, *stored_size, mode, orientation)


def _read_tiff_orientation(image: ImageFile) -> int:
    orientation = getattr(image, "tag_v2", {}).get(0x0112, UPRIGHT)
    return orientation if orientation in TURNS else UPRIGHT


def _swap(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    width, height = size
    return (height, width) if swaps_sides(orientation) else size


def _reduce(image: ImageFile, size: tuple[int, int]) -> Image.Image:
    """Take whole steps first, of a JPEG in its decoder (2, 4 or 8), and let a filter do what is left."""
    reduction = image.width / size[0]
    draft = image.draft(None, size) if image.format == JPEG else None
    expanded = expand_mode(image)
    expanded.load()
    box = draft[1] if draft else (0, 0, *expanded.size)
    gap = None if expanded.mode == "I;16" else _REDUCING_GAP  # Pillow averages no 16-bit pixels
    return expanded.resize(size, _choose_filter(reduction, (box[2] - box[0]) / size[0]), box, gap)


def _choose_filter(reduction: float, decoded: float) -> Image.Resampling:
    """Choose by the whole reduction, and by what of it is left once the file is decoded."""
    left = decoded / max(1, int(decoded))
    has_whole_step = left <= reduction / 2
    return (
        Image.Resampling.BICUBIC if has_whole_step and left <= _SMALL_REDUCTION else Image.Resampling.LANCZOS
    )


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _finish_colours(image: Image.Image, source: Source) -> Picture:
    flat = flatten(image)
    if source.format == JPEG and flat.mode == "CMYK" and "adobe" not in source.image.info:
        flat = ImageChops.invert(flat)  # Pillow takes every CMYK JPEG to be inverted, as Adobe's are
    converted = convert_to_srgb(flat, source.image.info.get("icc_profile"))
    plain = converted or (flat if flat.mode == "L" else flat.convert("RGB"))
    return Picture(
        plain, alpha_flattened=image.mode in {"LA", "RGBA"}, profile_converted=converted is not None
    )
