"""Colours that a file names by numbers, without an ICC profile."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from harness.photos import (
    CORNERS,
    insert_png_chunk,
    is_near,
    make_file,
    make_picture,
    normalise_small,
    open_jpeg,
    read_corners,
    show_same_corners,
)
from imaging import normalise
from imaging.colour_space import ColourSpace, make_profile, name_colour_space

BT_709, BT_2020, DISPLAY_P3 = 1, 9, 12
SRGB, LINEAR, PQ, HLG = 13, 8, 16, 18
WHITE_NITS = 203
# From linear sRGB to the linear light of wider primaries: BT.2087 and its like for P3.
TO_PRIMARIES = {
    BT_709: np.eye(3),
    BT_2020: np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]),
    DISPLAY_P3: np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]]),
}


def _to_linear(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _from_linear(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _store_pq(light: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084, of light where 1 is a white sheet."""
    power = (light * WHITE_NITS / 10_000) ** (1305 / 8192)
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** (2523 / 32))


def _store_hlg(light: np.ndarray) -> np.ndarray:
    """ARIB STD-B67 with BT.2100's system gamma of 1.2, of light where 1 is a white sheet."""
    shown = light * WHITE_NITS / 1000
    luminance = shown @ np.array([0.2627, 0.6780, 0.0593])
    scene = shown * np.maximum(luminance, 1e-6)[..., None] ** (1 / 1.2 - 1)
    curve = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-6)) + 0.55991073
    return np.asarray(np.where(scene <= 1 / 12, np.sqrt(3 * scene), curve))


STORE = {SRGB: _from_linear, LINEAR: lambda light: light, PQ: _store_pq, HLG: _store_hlg}


def _store(picture: Image.Image, primaries: int, transfer: int) -> Image.Image:
    """Store a picture's light by other primaries and another curve."""
    light = _to_linear(np.asarray(picture.convert("RGB")) / 255) @ TO_PRIMARIES[primaries].T
    stored = STORE[transfer](light.clip(0, None))
    return Image.fromarray((stored * 255).round().clip(0, 255).astype(np.uint8))


def _save(picture: Image.Image, file_format: str, primaries: int, transfer: int) -> bytes:
    """Save it in a file that names its colours by those numbers, and has no profile."""
    stored = _store(picture, primaries, transfer)
    if file_format == "PNG":
        coding = bytes((primaries, transfer, 0, 1))
        return insert_png_chunk(make_file(stored, "PNG"), b"cICP", coding, b"IDAT")
    options = (
        {"quality": 95, "subsampling": "4:4:4"} if file_format == "AVIF" else {"quality": 95, "chroma": 444}
    )
    data = bytearray(make_file(stored, file_format, **options))
    place = data.index(b"colrnclx") + 8
    data[place : place + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(data)


@pytest.mark.parametrize("file_format", ["AVIF", "HEIF", "PNG"])
@pytest.mark.parametrize(
    ("primaries", "transfer"), [(DISPLAY_P3, SRGB), (BT_2020, SRGB), (BT_709, LINEAR), (DISPLAY_P3, LINEAR)]
)
def test_colours_named_by_numbers_become_srgb(file_format: str, primaries: int, transfer: int) -> None:
    photo = normalise_small(_save(make_picture(96, 128), file_format, primaries, transfer))
    assert photo.report.profile_converted
    assert show_same_corners(photo.jpeg, 16)


@pytest.mark.parametrize("file_format", ["AVIF", "HEIF", "PNG"])
@pytest.mark.parametrize("primaries", [BT_709, DISPLAY_P3, BT_2020])
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_is_shown_as_browsers_show_it(file_format: str, primaries: int, transfer: int) -> None:
    photo = normalise_small(_save(make_picture(96, 128), file_format, primaries, transfer))
    found = read_corners(open_jpeg(photo.jpeg))
    for corner, colour in CORNERS.items():
        halved = _from_linear(_to_linear(np.array(colour) / 255) / 2) * 255
        assert is_near(found[corner], tuple(halved.round().astype(int).tolist()), 24), corner


def test_light_brighter_than_white_keeps_its_steps() -> None:
    ramp = np.tile(np.linspace(0, 255, 480).astype(np.uint8), (640, 1))
    png = insert_png_chunk(
        make_file(Image.fromarray(ramp).convert("RGB"), "PNG"), b"cICP", b"\x09\x10\0\1", b"IDAT"
    )
    row = np.asarray(open_jpeg(normalise(png).jpeg).convert("L"))[320].astype(int)
    assert (np.diff(row) >= -6).all()  # between the table's points
    assert row[0] <= 2
    assert row[480 * 194 // 255] >= 250  # 1000 nits, the peak


@pytest.mark.parametrize("numbers", [(1, 13), (1, 1), (2, 2), (1, 6), (0, 0), (99, 99), (2, 13)])
def test_srgb_by_numbers_is_left_alone(numbers: tuple[int, int]) -> None:
    assert name_colour_space(*numbers) is None


def test_a_profile_comes_before_numbers() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = make_file(make_picture(), "AVIF", quality=95, icc_profile=srgb)
    assert show_same_corners(normalise(data).jpeg, 20)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_a_pngs_gamma_is_applied(mode: str) -> None:
    stored = _store(make_picture(), BT_709, LINEAR)
    linear = stored.quantize(8, Image.Quantize.FASTOCTREE) if mode == "P" else stored.convert(mode)
    data = insert_png_chunk(
        make_file(linear, "PNG"), b"gAMA", struct.pack(">I", 100_000), b"PLTE" if mode == "P" else b"IDAT"
    )
    photo = normalise(data)
    assert photo.report.profile_converted
    if mode != "L":
        assert show_same_corners(photo.jpeg, 30)


def test_a_pngs_gamma_yields_to_what_says_more() -> None:
    gamma = struct.pack(">I", 100_000)
    plain = make_file(make_picture(), "PNG")
    with_srgb = insert_png_chunk(insert_png_chunk(plain, b"sRGB", b"\0", b"IDAT"), b"gAMA", gamma, b"IDAT")
    assert normalise(with_srgb).jpeg == normalise(plain).jpeg


def test_a_pngs_primaries_are_applied_with_its_gamma() -> None:
    points = struct.pack(">8I", *(31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
    stored = _store(make_picture(), DISPLAY_P3, SRGB)
    data = insert_png_chunk(make_file(stored, "PNG"), b"gAMA", struct.pack(">I", 45_455), b"IDAT")
    assert show_same_corners(normalise(insert_png_chunk(data, b"cHRM", points, b"IDAT")).jpeg, 16)


@pytest.mark.parametrize(
    "points", [(0,) * 8, (1,) * 8, (30_000,) * 8, (2**31,) * 8, (31270, 32900, 1, 1, 2, 2, 3, 3)]
)
@pytest.mark.parametrize("gamma", [0, 1, 45_455, 100_000, 2**32 - 1])
def test_senseless_primaries_and_gammas_do_no_harm(points: tuple[int, ...], gamma: int) -> None:
    data = insert_png_chunk(
        make_file(make_picture(48, 64), "PNG"), b"gAMA", struct.pack(">I", gamma), b"IDAT"
    )
    assert normalise_small(insert_png_chunk(data, b"cHRM", struct.pack(">8I", *points), b"IDAT")).width == 48


def test_the_usual_gamma_is_not_seen() -> None:
    data = insert_png_chunk(make_file(make_picture(), "PNG"), b"gAMA", struct.pack(">I", 45_455), b"IDAT")
    assert show_same_corners(normalise(data).jpeg, 6)


def test_a_profile_made_here_agrees_with_littlecms_own_srgb() -> None:
    ours = ImageCms.ImageCmsProfile(BytesIO(make_profile(ColourSpace(), is_grey=False)))
    changed = ImageCms.profileToProfile(make_picture(), ours, ImageCms.createProfile("sRGB"))
    assert changed is not None
    assert np.abs(np.asarray(changed).astype(int) - np.asarray(make_picture())).max() <= 1
