"""What a file holds besides its pixels, and the bytes that its decoder is given."""

from dataclasses import dataclass

from imaging.colour_space import ColourSpace


@dataclass(frozen=True, slots=True)
class Contents:
    """
    A file, parted into what its decoder needs and what it must not see.

    Decoders refuse a whole photo for a fault in metadata that no pixel depends on, so these are left out.

    Attributes
    ----------
    pixels
        The file for the decoder.
    orientation
        By EXIF, 1 to 8; None where only the decoder knows.
    colours
        An ICC profile or a colour space; None for sRGB, or where only the decoder knows.
    is_negative
        Whether the values of a 16-bit grey picture count from white to black, and the decoder does not know.
    """

    pixels: bytes
    orientation: int | None = None
    colours: bytes | ColourSpace | None = None
    is_negative: bool = False
