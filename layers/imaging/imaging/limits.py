"""The limits of a normalised photo."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """
    The limits of one normalised photo. The defaults are FaceCompare's.

    Source: the server-side API page of FaceCompare, "Input image format requirements": at most 1 MB in a
    request, hence 0.6 MB before Base64; "between 640 x 480 pixels (height x width) and 1920 x 1080 pixels";
    50 to 100 KB recommended; the shorter side scaled to 720 pixels "with a compression ratio greater than
    0.9", which we take as JPEG quality 90.

    Attributes
    ----------
    min_height, min_width, max_height, max_width
        The size of the normalised photo in pixels. The page says height by width, so portrait.
    target_short_side
        The shorter side after scaling down, in pixels.
    enlarge_up_to
        The largest factor by which a small photo is enlarged to the minimum size; 1 for none.
    frame_faces
        Whether the photo is cropped around its face, if the detector is installed.
    read_heic
        Whether HEIC is read, if its decoder is installed.
    find_faces
        Whether faces are searched and reported, even if the photo is not cropped.
    letterbox
        Whether a landscape photo that stays below `min_height` (such as 16:9) gets bars above and below.
        Otherwise it is too small.
    max_size_bytes
        The normalised photo is never larger.
    aim_size_bytes
        The page's recommendation. `best_quality` is used if the file stays below the upper bound, otherwise
        `min_quality_aimed`, because quality is worth more to a face matcher than a small file. A file may be
        smaller than the lower bound.
    best_quality, min_quality_aimed, floor_quality
        JPEG qualities: the best, the usual one, and the lowest if the file would exceed `max_size_bytes`.
    max_source_pixels
        A photo with more pixels is refused, before any pixel is decoded. A JPEG that is decoded row by row,
        at 1/8 of its size, may have four times as many (`max_jpeg_pixels`).
    max_source_size_bytes
        A larger file is refused.
    """

    min_height: int = 640
    min_width: int = 480
    max_height: int = 1920
    max_width: int = 1080
    target_short_side: int = 720
    enlarge_up_to: float = 2.0
    frame_faces: bool = False
    read_heic: bool = True
    find_faces: bool = False
    letterbox: bool = True
    max_size_bytes: int = 600_000
    aim_size_bytes: tuple[int, int] = (50_000, 100_000)
    best_quality: int = 95
    min_quality_aimed: int = 90
    floor_quality: int = 50
    max_source_pixels: int = 64_000_000
    max_source_size_bytes: int = 20_000_000

    @property
    def max_jpeg_pixels(self) -> int:
        """The most pixels of a baseline JPEG. Phones make 200 million."""
        return 4 * self.max_source_pixels


PROVIDER_LIMITS = Limits()
