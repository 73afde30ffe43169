import pickle
import struct
import sys
import time
import warnings
from collections.abc import Callable
from io import BytesIO
from types import SimpleNamespace
from typing import Self

import pytest
from PIL import Image

from harness.photos import SMALL_LIMITS, make_file, make_noise, make_picture, make_png_bomb
from imaging import Limits, PhotoError, PhotoErrorCode, normalise

FORMATS = ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF", "JPEG2000"]


def _refusal(data: bytes, limits: Limits | None = None) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        normalise(data, limits or Limits())
    return caught.value


def test_an_empty_file_is_empty() -> None:
    assert _refusal(b"").code is PhotoErrorCode.EMPTY


@pytest.mark.parametrize(
    "data", [b"\0", b"hello, world", b"<html></html>", bytes(1000), b"RIFF\0\0\0\0WAVEfmt "]
)
def test_what_is_no_image_is_said_not_to_be_one(data: bytes) -> None:
    assert _refusal(data).code is PhotoErrorCode.NOT_AN_IMAGE


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.7", "PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\xff\x0a\0\0", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp42", "video"),
    ],
)
def test_an_unsupported_format_is_named(data: bytes, name: str) -> None:
    error = _refusal(data)
    assert error.code is PhotoErrorCode.UNSUPPORTED_FORMAT
    assert name in error.message


@pytest.mark.parametrize(
    "brands", [b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1heic", b"heix\0\0\0\0mif1heix"]
)
def test_heic_without_its_decoder_is_named(brands: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    error = _refusal(struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + bytes(100))
    assert error.code is PhotoErrorCode.UNSUPPORTED_FORMAT
    assert "HEIC" in error.message


def test_heic_is_refused_without_its_decoder_and_read_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_file(make_picture(), "HEIF")
    assert normalise(data).report.source_format == "HEIC"
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert _refusal(data).code is PhotoErrorCode.UNSUPPORTED_FORMAT


def test_avif_under_a_general_brand_is_still_avif() -> None:
    avif = make_file(make_picture(), "AVIF", speed=10)
    assert avif[8:12] == b"avif"
    assert normalise(avif[:8] + b"mif1" + avif[12:]).report.source_format == "AVIF"


def test_a_decoder_that_pillow_was_built_without_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_file(make_picture(), "AVIF", speed=10)
    monkeypatch.setattr("PIL.features.check", lambda _: False)
    assert _refusal(data).code is PhotoErrorCode.UNSUPPORTED_FORMAT


def test_a_file_of_too_many_bytes_is_not_looked_at() -> None:
    error = _refusal(bytes(20_000_001))
    assert error.code is PhotoErrorCode.FILE_TOO_LARGE
    assert "20000000" in error.message
    assert _refusal(b"123456", Limits(max_source_size_bytes=5)).code is PhotoErrorCode.FILE_TOO_LARGE


@pytest.mark.parametrize("size", [(239, 320), (320, 239), (300, 300), (1, 1), (400, 4000)])
def test_a_small_photo_is_too_small(size: tuple[int, int]) -> None:
    assert _refusal(make_file(make_picture(*size))).code is PhotoErrorCode.TOO_SMALL


def test_a_bomb_is_refused_at_once_and_without_a_warning() -> None:
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        error = _refusal(make_png_bomb(30_000, 30_000))
    assert time.perf_counter() - started < 0.1
    assert not caught
    assert error.code is PhotoErrorCode.TOO_MANY_PIXELS
    assert "64000000" in error.message


@pytest.mark.parametrize("pixels", [65_000_000, 120_000_000, 2_000_000_000])
def test_bombs_of_every_size_are_refused(pixels: int) -> None:
    assert _refusal(make_png_bomb(pixels // 10_000, 10_000)).code is PhotoErrorCode.TOO_MANY_PIXELS


def test_bombs_of_other_formats_are_refused() -> None:
    bmp = bytearray(make_file(make_picture(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 30_000, 30_000)
    gif = bytearray(make_file(make_picture(), "GIF"))
    gif[6:10] = struct.pack("<HH", 60_000, 60_000)
    jpeg = bytearray(make_file(make_picture()))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    webp = (
        b"RIFF"
        + struct.pack("<I", 22)
        + b"WEBPVP8X"
        + struct.pack("<I", 10)
        + bytes(4)
        + b"\xfe\x3f\0\xfe\x3f\0"
    )
    for bomb in (bytes(bmp), bytes(gif), bytes(jpeg), webp):
        assert _refusal(bomb).code is PhotoErrorCode.TOO_MANY_PIXELS


def test_the_pixel_limit_can_be_set() -> None:
    data = make_file(make_picture(1000, 1000), "PNG")
    assert _refusal(data, Limits(max_source_pixels=999_999)).code is PhotoErrorCode.TOO_MANY_PIXELS
    assert normalise(data, Limits(max_source_pixels=1_000_000)).width == 720


@pytest.mark.parametrize("hidden", [b"", b"junk", b"\xff\xff", b"\xff\xd0"])
def test_a_progressive_jpeg_of_endless_scans_is_refused_at_once(hidden: bytes) -> None:
    data = make_file(make_picture(2000, 2000), progressive=True)
    last_scan = data[data.rindex(b"\xff\xda") : -2]
    bomb = data[:20] + hidden + data[20:-2] + last_scan * 5_000 + data[-2:]
    started = time.perf_counter()
    assert "scans" in _refusal(bomb, Limits(max_source_size_bytes=100_000_000)).message
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_cut_off_anywhere_is_refused_and_never_half_grey(file_format: str) -> None:
    options = {"speed": 10} if file_format == "AVIF" else {}
    data = make_file(make_noise(120, 160, 30), file_format, **options)
    for cut in {*range(1, 64, 3), *(len(data) * tenth // 10 for tenth in range(1, 10))}:
        error = _refusal(data[:cut], SMALL_LIMITS)
        assert error.code in {PhotoErrorCode.NOT_AN_IMAGE, PhotoErrorCode.UNREADABLE}, cut


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(48, 64), (144, 192)])
def test_a_jpeg_whose_end_is_missing_is_unreadable(size: tuple[int, int], progressive: bool) -> None:  # noqa: FBT001
    data = make_file(make_noise(*size, 30), progressive=progressive)
    for missing in (10, 1000, len(data) // 2):
        assert _refusal(data[:-missing], SMALL_LIMITS).code is PhotoErrorCode.UNREADABLE
        assert _refusal(data[:-missing] + bytes(missing), SMALL_LIMITS).code is PhotoErrorCode.UNREADABLE


def test_an_untouched_candidate_is_decoded_before_it_is_let_through() -> None:
    data = make_file(make_noise(480, 640, 30))
    assert _refusal(data[: len(data) // 2]).code is PhotoErrorCode.UNREADABLE


def test_damage_inside_a_jpeg_that_leaves_its_end_is_not_noticed() -> None:
    """Pillow does not pass on libjpeg's warnings: a known limit, described in `normalise`."""
    data = bytearray(make_file(make_noise(960, 1280, 30)))
    middle = len(data) // 2
    data[middle : middle + 500] = bytes(500)
    photo = normalise(bytes(data))
    assert (photo.width, photo.height) == (720, 960)


class _FailingDecoder:
    """A decoder of HEIC that raises an error where it opens a file, or where it decodes it."""

    size, mode, tile = (480, 640), "RGB", ()

    def __init__(self, failure: Exception, step: str) -> None:
        self.failure, self.step = failure, step

    def __call__(self, _file: object) -> Self:
        self._fail_at("open")
        return self

    def load(self) -> None:
        self._fail_at("load")

    def _fail_at(self, step: str) -> None:
        if step == self.step:
            raise self.failure


@pytest.fixture(params=["open", "load"])
def fail_decoder(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Exception], None]:
    """Put a failing decoder in the place of the one for HEIC."""

    def fail(failure: Exception) -> None:
        decoder = SimpleNamespace(HeifImageFile=_FailingDecoder(failure, request.param))
        monkeypatch.setitem(sys.modules, "pillow_heif", decoder)

    return fail


HEIC = make_file(make_picture(), "HEIF")


@pytest.mark.parametrize(
    "failure",
    [OSError, SyntaxError, ValueError, EOFError, struct.error, ZeroDivisionError, IndexError, MemoryError],
)
def test_what_a_decoder_raises_for_a_bad_file_becomes_a_photo_error(
    failure: type[Exception], fail_decoder: Callable[[Exception], None]
) -> None:
    fail_decoder(failure())
    error = _refusal(HEIC)
    assert error.code is PhotoErrorCode.UNREADABLE
    assert isinstance(error.__cause__, failure)


def test_a_decoder_may_find_too_many_pixels_itself(fail_decoder: Callable[[Exception], None]) -> None:
    fail_decoder(Image.DecompressionBombError())
    assert _refusal(HEIC).code is PhotoErrorCode.TOO_MANY_PIXELS


@pytest.mark.parametrize("bug", [TypeError, AttributeError, KeyError, NameError, AssertionError])
def test_a_bug_is_not_reported_as_a_damaged_photo(
    bug: type[Exception], fail_decoder: Callable[[Exception], None]
) -> None:
    fail_decoder(bug())
    with pytest.raises(bug):
        normalise(HEIC)


def test_a_palette_that_is_missing_makes_a_photo_unreadable() -> None:
    png = make_file(make_picture().quantize(4, Image.Quantize.FASTOCTREE), "PNG")
    start = png.index(b"PLTE") - 4
    end = png.index(b"IDAT") - 4
    assert _refusal(png[:start] + png[end:]).code is PhotoErrorCode.UNREADABLE


def test_a_scan_without_a_header_makes_a_photo_unreadable() -> None:
    jpeg = make_file(make_picture())
    start = jpeg.index(b"\xff\xda")
    assert _refusal(jpeg[: start + 2] + b"\0\2" + jpeg[start + 4 : -2]).code is PhotoErrorCode.UNREADABLE


def test_an_error_shows_its_sentence_and_survives_pickling() -> None:
    error = _refusal(b"")
    assert str(error) == error.message == "The file is empty."
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (copy.code, copy.message) == (error.code, error.message)
    assert f"{error.code}" == "empty"


def test_limits_of_pillow_itself_are_left_alone() -> None:
    before = Image.MAX_IMAGE_PIXELS
    _refusal(make_png_bomb(30_000, 30_000))
    assert before == Image.MAX_IMAGE_PIXELS
    with Image.open(BytesIO(make_file(make_picture()))) as image:
        assert image.format == "JPEG"
