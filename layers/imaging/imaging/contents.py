"""A file, split into its pixels and its metadata."""

from dataclasses import dataclass

from imaging.colour_space import ColourSpace


@dataclass(frozen=True, slots=True)
class Contents:
    """
    The pixels and the metadata of a file.

    Decoders refuse a whole photo because of damaged metadata, so they get the file without it.

    Attributes
    ----------
    pixels
        The file for the decoder, without metadata.
    orientation
        The EXIF orientation, 1 to 8; None if only the decoder reads it.
    colours
        An ICC profile or a colour space; None for sRGB, or if only the decoder reads it.
    is_negative
        Whether 0 is white in a 16-bit grey image. The decoder does not know that.
    """

    pixels: bytes
    orientation: int | None = None
    colours: bytes | ColourSpace | None = None
    is_negative: bool = False
