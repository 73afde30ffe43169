"""Colour: any mode of any format becomes eight-bit sRGB or grey, on white where nothing covers it."""

import struct
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import cast

from PIL import Image, ImageChops, ImageCms, features

from imaging.colour_space import ColourSpace, make_profile
from imaging.hdr import is_hdr, make_tone_map

_GREY_MODES = {"1", "L", "LA", "La"}
_READY_MODES = {"L", "LA", "RGB", "RGBA", "CMYK", "I;16"}
_SIXTEEN_BIT_MAX = 65_535
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_LIGHT = 200
_VISIBLE_DIFFERENCE = 4
"""Of 255, in the channel that differs most; below it a profile is sRGB by another name."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An upright picture in L or RGB, and what was done to its colours."""

    image: Image.Image
    alpha_flattened: bool
    profile_converted: bool


def expand_mode(image: Image.Image) -> Image.Image:
    """Bring an image to a mode that can be resized: a palette's or a bitmap's pixels cannot be averaged."""
    if image.mode.startswith("I;16"):
        return _to_native_sixteen_bits(image)
    if image.mode in {"I", "F"}:
        return _to_eight_bits(image, _guess_white(image))
    if image.has_transparency_data:
        return _to_mode(image, "LA" if image.mode in _GREY_MODES else "RGBA")
    if image.mode in _READY_MODES:
        return image
    return image.convert("L" if image.mode in _GREY_MODES else "RGB")


def invert_grey(image: Image.Image) -> Image.Image:
    """Turn a negative of 16 bits into its positive."""
    return image.convert("I").point(lambda value: value * -1 + _SIXTEEN_BIT_MAX).convert("I;16")


def flatten(image: Image.Image, *, is_inverted: bool) -> Image.Image:
    """Turn an expanded image into plain L, RGB or CMYK: alpha goes on white, 16 bits become eight."""
    if is_inverted:
        return ImageChops.invert(image)
    if image.mode == "I;16":
        return _to_eight_bits(image.convert("I"), _SIXTEEN_BIT_MAX)
    if image.mode not in {"LA", "RGBA"}:
        return image
    opaque_mode = image.mode.removesuffix("A")
    ground = Image.new(opaque_mode, image.size, "white")
    ground.paste(image.convert(opaque_mode), mask=image.getchannel("A"))
    return ground


def finish_colours(image: Image.Image, colours: bytes | ColourSpace | None, *, is_inverted: bool) -> Picture:
    """Turn an expanded image into eight-bit sRGB or grey."""
    flat = flatten(image, is_inverted=is_inverted)
    converted = _convert_to_srgb(flat, colours)
    plain = converted or (flat if flat.mode in {"L", "RGB"} else flat.convert("RGB"))
    return Picture(
        plain, alpha_flattened=image.mode in {"LA", "RGBA"}, profile_converted=converted is not None
    )


def _convert_to_srgb(image: Image.Image, colours: bytes | ColourSpace | None) -> Image.Image | None:
    """
    Convert an L, RGB or CMYK image by its ICC profile or colour space.

    Returns
    -------
    Image.Image or None
        None where there is no usable profile, or the difference could not be seen.
    """
    if isinstance(colours, ColourSpace) and is_hdr(colours):
        return image.convert("RGB").filter(make_tone_map(colours)).convert(image.mode)
    if not colours or not features.check("littlecms2"):
        return None
    profile = _choose_profile(colours, image.mode) if isinstance(colours, ColourSpace) else colours
    transform = _build_transform(profile, image.mode) if profile else None
    if transform is None:
        return None
    converted = transform.apply(image)
    return converted.convert("L") if image.mode == "L" else converted


def _choose_profile(space: ColourSpace, mode: str) -> bytes | None:
    """Make a colour space's profile; None where its primaries make no sense."""
    try:
        return make_profile(space, is_grey=mode == "L")
    except (ArithmeticError, struct.error):
        return None


@lru_cache(maxsize=4)
def _build_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """
    Build what converts to sRGB; None where the profile is damaged or the difference could not be seen.

    Photos of one kind of phone embed the same profile, and building takes a tenth of a photo's time.
    """
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILE_SPACES[mode]:
            return None
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None
    if not _keeps_white(transform, mode):
        return None
    return transform if mode == "CMYK" or _changes_visibly(transform, mode) else None


def _keeps_white(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Tell whether white stays light; under a damaged profile that LittleCMS accepts it may not."""
    changed = transform.apply(Image.new(mode, (1, 1), "white"))
    return min(changed.tobytes()) >= _LIGHT


def _changes_visibly(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Try the transform on colours spread over the whole space: cheaper than on a photo, and decisive."""
    steps = range(0, 256, 51)
    colours = bytes(
        value for red in steps for green in steps for blue in steps for value in (red, green, blue)
    )
    probe = Image.frombytes("RGB", (len(colours) // 3, 1), colours).convert(mode)
    changed = transform.apply(probe)
    return max(ImageChops.difference(probe.convert("RGB"), changed).tobytes()) >= _VISIBLE_DIFFERENCE


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode:
        return image
    if image.mode in {"La", "RGBa"}:  # premultiplied converts to its plain twin only
        return image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    return image.convert(mode)


def _to_native_sixteen_bits(image: Image.Image) -> Image.Image:
    return image if image.mode == "I;16" else image.convert("I").convert("I;16")


def _to_eight_bits(image: Image.Image, white: float) -> Image.Image:
    """Scale values to 0..255; Pillow's own conversion would clip them."""
    scale = 255 / white
    return image.point(lambda value: value * scale + 0.5).convert("L")


def _guess_white(image: Image.Image) -> float:
    """Choose the usual range that holds all values (floats of 0..1, bytes, 16 bits), else the brightest."""
    _, brightest = cast("tuple[float, float]", image.getextrema())
    usual_whites = (*([1.0] if image.mode == "F" else []), 255.0, float(_SIXTEEN_BIT_MAX))
    return next((white for white in usual_whites if brightest <= white), brightest)
