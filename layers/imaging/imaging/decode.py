"""From a file's bytes to an upright picture of the planned size."""

from dataclasses import dataclass
from typing import Any, cast

from PIL import Image, ImageChops
from PIL.ImageFile import ImageFile

from imaging.colour import convert_to_srgb, expand_mode, flatten, invert_grey
from imaging.colour_space import ColourSpace
from imaging.contents import Contents
from imaging.errors import PhotoError, PhotoErrorCode, decoding, refuse_format
from imaging.exif import TURNS, read_orientation, swaps_sides
from imaging.faces import Box
from imaging.formats import GIF, HEIC, JPEG, JPEG_2000, open_image, read_contents, recognise_format
from imaging.jpeg import JpegPhoto, has_too_many_scans, is_decoded_by_rows, mend_end
from imaging.jpeg_2000 import read_codestream
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
    contents: Contents

    @property
    def is_heavy(self) -> bool:
        """Whether decoding takes so much memory that two at once may take more than a function has."""
        width, height = self.image.size
        return self.format != JPEG and width * height > _HEAVY_PIXELS


@dataclass(frozen=True, slots=True)
class Source:
    """An opened photo: its facts as the file states them, and its pixels, or the promise of them."""

    image: Image.Image
    pixels: bytes
    format: str
    width: int
    height: int
    mode: str
    orientation: int
    colours: bytes | ColourSpace | None
    is_inverted: bool

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height once turned upright."""
        return _swap((self.width, self.height), self.orientation)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A photo's pixels as stored, at the size that its decoder made, and the part that is the photo."""

    image: Image.Image
    extent: tuple[float, float, float, float]


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
    if source_format == HEIC and not limits.read_heic:
        raise refuse_format(HEIC)
    contents = read_contents(data, source_format)
    image = open_image(contents.pixels, source_format)
    _require_reasonable_pixels(image, source_format, data, limits)
    if source_format == JPEG_2000:
        _require_stated_size(image, contents.pixels)
    if source_format == JPEG:
        mended = _require_sound_jpeg(image, contents.pixels)
        image = image if mended is contents.pixels else open_image(mended, JPEG)
    return Opened(image, source_format, contents)


def learn_source(opened: Opened) -> Source:
    """
    Learn a photo's facts.

    Only a JPEG's pixels stay undecoded, since they are decoded at a reduced size.
    """
    image, mode, size = opened.image, opened.image.mode, opened.image.size
    pixels = image if opened.format == JPEG else _load(opened)
    orientation = opened.contents.orientation or read_orientation(image.info.get("exif") or b"")
    return Source(
        pixels,
        opened.contents.pixels,
        opened.format,
        *size,
        mode,
        orientation,
        colours=image.info.get("icc_profile") or opened.contents.colours,
        # Pillow takes every CMYK JPEG to be inverted, as Adobe's are.
        is_inverted=opened.format == JPEG and mode == "CMYK" and "adobe" not in image.info,
    )


def load_whole(source: Source) -> None:
    """Decode every pixel, to know that they are there."""
    with decoding(source.format):
        source.image.load()


def decode(source: Source, upright_size: tuple[int, int]) -> Decoded:
    """Decode a photo; a JPEG at the smallest scale (of 1, 2, 4 and 8) that has an upright size's pixels."""
    if not isinstance(source.image, JpegPhoto):
        return Decoded(expand_mode(source.image), (0, 0, *source.image.size))
    image = source.image if source.image.tile else open_image(source.pixels, JPEG)
    draft = image.draft(None, _swap(upright_size, source.orientation))
    with decoding(JPEG):
        image.load()
    return Decoded(expand_mode(image), draft[1] if draft else (0, 0, *image.size))


def read_picture(source: Source, decoded: Decoded, shape: Shape, crop: Box | None = None) -> Picture:
    """Reduce a decoded photo, or a part of it in pixels of the upright photo, to the planned size."""
    size = _swap((shape.picture_width, shape.picture_height), source.orientation)
    reduced = _reduce(source, decoded, size, crop)
    return _finish_colours(_turn(reduced, source.orientation), source)


def read_luma(source: Source, decoded: Decoded, least_side: int) -> Image.Image:
    """Return a decoded photo's luma, upright, reduced in one step to no less than a longer side."""
    image = decoded.image
    factor = max(image.size) // least_side
    if factor > 1:
        image = image.resize((image.width // factor, image.height // factor), Image.Resampling.BOX)
    flat = flatten(_turn(image, source.orientation))
    return (ImageChops.invert(flat) if source.is_inverted else flat).convert("L")


def _require_reasonable_file(data: bytes, limits: Limits) -> None:
    if not data:
        raise PhotoError(PhotoErrorCode.EMPTY, "The file is empty.")
    if len(data) > limits.max_source_size_bytes:
        raise PhotoError(
            PhotoErrorCode.TOO_LARGE,
            f"The file has {len(data)} bytes, and at most {limits.max_source_size_bytes} are accepted.",
        )


def _require_reasonable_pixels(image: ImageFile, source_format: str, data: bytes, limits: Limits) -> None:
    """Refuse a bomb from its header, before a pixel is decoded."""
    width, height = image.size
    pixels, accepted = width * height, limits.max_source_pixels
    if pixels > accepted and source_format == JPEG and is_decoded_by_rows(data):
        accepted = limits.max_jpeg_pixels
    if pixels > accepted:
        raise PhotoError(
            PhotoErrorCode.TOO_MANY_PIXELS,
            f"The photo has {pixels} pixels ({width} x {height}), and at most {accepted} are accepted.",
        )


def _require_stated_size(image: ImageFile, pixels: bytes) -> None:
    """Refuse a JPEG 2000 whose pixels have another size than the header that was found reasonable."""
    codestream = read_codestream(pixels)
    if (codestream.width, codestream.height) != image.size:
        raise PhotoError(PhotoErrorCode.UNREADABLE, "The JPEG 2000 file is damaged: it states two sizes.")


def _require_sound_jpeg(image: ImageFile, pixels: bytes) -> bytes:
    """Refuse what Pillow would decode to half a picture, or for minutes; return it with its end."""
    if "progressive" in image.info and has_too_many_scans(pixels):
        raise PhotoError(
            PhotoErrorCode.UNREADABLE,
            "The progressive JPEG has so many scans that it is made to waste time.",
        )
    return mend_end(pixels)


def _load(opened: Opened) -> Image.Image:
    """Decode all pixels, and correct what the decoder does not know."""
    image = opened.image
    if opened.format == JPEG_2000:
        cast("Any", image).reduce = read_codestream(opened.contents.pixels).choose_reduction()
    covered = image.tile[0][1] if image.tile else None
    with decoding(opened.format):
        image.load()
    if opened.contents.is_negative:
        return invert_grey(image)
    if opened.format == GIF and covered and covered != (0, 0, *image.size):
        return _cover_canvas(image, covered)
    return image


def _cover_canvas(image: Image.Image, covered: tuple[int, int, int, int]) -> Image.Image:
    """Put white where a GIF's first frame does not reach, which its decoder leaves in some colour."""
    expanded = expand_mode(image)
    canvas = Image.new(expanded.mode, expanded.size, "white")
    canvas.paste(expanded.crop(covered), covered)
    return canvas


def _swap(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    width, height = size
    return (height, width) if swaps_sides(orientation) else size


def _reduce(source: Source, decoded: Decoded, size: tuple[int, int], crop: Box | None) -> Image.Image:
    """Let a filter do what the decoder has left, in whole steps first."""
    extent, reduction = decoded.extent, source.width / size[0]
    if crop:
        stored = _to_stored(crop, source)
        extent = _place_in(decoded, stored, source)
        reduction = stored.width / size[0]
    gap = None if decoded.image.mode == "I;16" else _REDUCING_GAP  # Pillow averages no 16-bit pixels
    method = _choose_filter(reduction, (extent[2] - extent[0]) / size[0])
    return decoded.image.resize(size, method, extent, gap)


def _place_in(decoded: Decoded, stored: Box, source: Source) -> tuple[float, float, float, float]:
    """Return a box of the stored photo in pixels of the decoded one."""
    x_factor = decoded.extent[2] / source.width
    y_factor = decoded.extent[3] / source.height
    return (
        max(0, stored.left * x_factor),
        max(0, stored.top * y_factor),
        min(decoded.image.width, stored.right * x_factor),
        min(decoded.image.height, stored.bottom * y_factor),
    )


def _to_stored(box: Box, source: Source) -> Box:
    """Return a box of the upright photo in pixels of the stored one."""
    width, height = source.upright_size
    turned_left, turned_top = width - box.right, height - box.bottom
    turned_right, turned_bottom = width - box.left, height - box.top
    across = {
        1: (box.left, box.top, box.right, box.bottom),
        2: (turned_left, box.top, turned_right, box.bottom),
        3: (turned_left, turned_top, turned_right, turned_bottom),
        4: (box.left, turned_top, box.right, turned_bottom),
        5: (box.top, box.left, box.bottom, box.right),
        6: (box.top, turned_left, box.bottom, turned_right),
        7: (turned_top, turned_left, turned_bottom, turned_right),
        8: (turned_top, box.left, turned_bottom, box.right),
    }
    return Box(*across[source.orientation])


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
    if source.is_inverted:
        flat = ImageChops.invert(flat)
    converted = convert_to_srgb(flat, source.colours)
    plain = converted or (flat if flat.mode == "L" else flat.convert("RGB"))
    return Picture(
        plain, alpha_flattened=image.mode in {"LA", "RGBA"}, profile_converted=converted is not None
    )
