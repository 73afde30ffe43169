"""What a normalised photo must be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """
    The bounds of one normalised photo; the default is FaceCompare's.

    Source: the server-side API page of FaceCompare, "Input image format requirements": at most 1 MB in a
    request, hence 0.6 MB before Base64; "between 640 x 480 pixels (height x width) and 1920 x 1080 pixels";
    50 to 100 KB recommended; the shorter side scaled to 720 pixels "with a compression ratio greater than
    0.9", which is taken as JPEG quality 90.

    Attributes
    ----------
    min_height, min_width, max_height, max_width
        Bounds of the normalised photo in pixels, as the page words them: height by width, so upright.
    target_short_side
        What the shorter side is scaled down to, in pixels.
    enlarge_up_to
        The largest factor by which a small photo is enlarged, to the minimum size and no further; 1 for none.
    frame_faces
        Whether the photo is cropped around its face, where the detector is installed.
    read_heic
        Whether HEIC is read, where its decoder is installed.
    find_faces
        Whether faces are looked for and reported, also where the photo is not cropped.
    letterbox
        Whether a landscape that would stay below `min_height` (16:9 is the common one) gets bars above and
        below. If not, it is too small.
    max_size_bytes
        The normalised photo never exceeds this.
    aim_size_bytes
        The page's recommendation. Where `best_quality` stays under the upper bound it is taken; above it
        `min_quality_aimed` is kept, for quality is worth more to a face matcher than few bytes. Nothing is
        inflated to reach the lower bound.
    best_quality, min_quality_aimed, floor_quality
        JPEG qualities: of a small picture, of any that fits `max_size_bytes` so, and the least there is.
    max_source_pixels
        More than this is refused from the header, before any pixel is decoded. A JPEG that is decoded row by
        row, at an eighth of its size, may have four times as many (`max_jpeg_pixels`).
    max_source_size_bytes
        A longer file is not looked at.
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
        """The most pixels of a baseline JPEG; phones make 200 million."""
        return 4 * self.max_source_pixels


PROVIDER_LIMITS = Limits()
