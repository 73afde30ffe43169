"""The compared implementations. Each takes a file and returns a JPEG of 720 x 960 with quality 90."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pyvips
import simplejpeg
from PIL import Image, ImageCms, ImageOps

from imaging import normalise

SHORT_SIDE, LONG_SIDE = 720, 960
QUALITY = 90

type Contender = Callable[[bytes], bytes]

pyvips.vips_lib.vips_concurrency_set(1)
pyvips.cache_set_max(0)


def run_facematch(data: bytes) -> bytes:
    """Normalise with this project's layer."""
    return normalise(data).jpeg


def run_plain_pillow(data: bytes) -> bytes:
    """Use Pillow as its handbook suggests: open, rotate, resize, save."""
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    return save_jpeg(upright.convert("RGB").resize((SHORT_SIDE, LONG_SIDE), Image.Resampling.LANCZOS))


def run_plain_pillow_to_srgb(data: bytes) -> bytes:
    """Use Pillow in the same way, and convert the colours of the small picture."""
    image = Image.open(BytesIO(data))
    profile = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
    upright = ImageOps.exif_transpose(image)
    small = upright.resize((SHORT_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    ImageCms.profileToProfile(small, profile, ImageCms.createProfile("sRGB"), inPlace=True)
    return save_jpeg(small)


def run_libvips(data: bytes) -> bytes:
    """Use libvips' thumbnail in one thread, with the same chroma subsampling as the others."""
    return _save_vips(_make_thumbnail(data))


def run_libvips_to_srgb(data: bytes) -> bytes:
    """Use the same thumbnail, and convert its colours."""
    return _save_vips(_make_thumbnail(data, output_profile="srgb"))


def run_libvips_shrink_4(data: bytes) -> bytes:
    """Decode at a quarter of the size and resize with libvips. This is a reference for similarity."""
    quarter = pyvips.Image.jpegload_buffer(data, shrink=4).autorot()
    return _save_vips(
        quarter.resize(SHORT_SIDE / quarter.width, vscale=LONG_SIDE / quarter.height, kernel="lanczos3")
    )


def make_libjpeg_turbo_limit(data: bytes) -> Contender:
    """Return the lower limit: decode at the scale that facematch uses, and encode the same picture."""
    picture = np.asarray(Image.open(BytesIO(run_facematch(data))))

    def run_libjpeg_turbo(data: bytes) -> bytes:
        simplejpeg.decode_jpeg(data, min_height=SHORT_SIDE, min_width=LONG_SIDE, min_factor=1)
        return bytes(simplejpeg.encode_jpeg(picture, quality=QUALITY, colorsubsampling="420", fastdct=False))

    return run_libjpeg_turbo


def save_jpeg(image: Image.Image) -> bytes:
    """Save with the quality and subsampling of all implementations."""
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, subsampling="4:2:0")
    return buffer.getvalue()


def _make_thumbnail(data: bytes, **options: str) -> pyvips.Image:
    return pyvips.Image.thumbnail_buffer(data, SHORT_SIDE, height=LONG_SIDE, size="down", **options)


def _save_vips(image: pyvips.Image) -> bytes:
    return bytes(image.jpegsave_buffer(Q=QUALITY, subsample_mode="on", keep="none"))
