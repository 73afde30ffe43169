"""JPEG 2000, as passport chips store portraits."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from harness.photos import (
    make_file,
    make_mode,
    make_picture,
    make_swapped_profile,
    open_jpeg,
    read_corners,
    show_same_corners,
)
from imaging import PhotoError, PhotoErrorCode, normalise
from imaging.jpeg_2000 import Codestream, read_codestream

PROGRAM = """
import sys
from pathlib import Path
from imaging import normalise
def read_peak_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000
small, large = (Path(path).read_bytes() for path in sys.argv[1:])
normalise(small)
before_mb = read_peak_mb()
photo = normalise(large)
print(read_peak_mb() - before_mb)
"""


def _refuse(data: bytes) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        normalise(data)
    return caught.value


@pytest.mark.parametrize("size", [(240, 320), (300, 400), (413, 531), (480, 600)])
@pytest.mark.parametrize("no_jp2", [True, False])
def test_a_passport_chips_portrait_is_read(size: tuple[int, int], no_jp2: bool) -> None:  # noqa: FBT001
    photo = normalise(make_file(make_picture(*size), "JPEG2000", no_jp2=no_jp2))
    assert photo.report.source_format == "JPEG 2000"
    assert min(photo.width, photo.height) >= 480
    assert show_same_corners(photo.jpeg, 20)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_every_mode_is_read(mode: str) -> None:
    photo = normalise(make_file(make_mode(mode), "JPEG2000"))
    assert open_jpeg(photo.jpeg).mode == ("RGB" if mode.startswith("RGB") else "L")
    assert photo.report.alpha_flattened == (mode in {"LA", "RGBA"})


def test_a_profile_is_applied() -> None:
    data = make_file(make_picture(), "JPEG2000")
    place = data.index(b"colr") - 4
    old_size = int.from_bytes(data[place : place + 4])
    profile = make_swapped_profile()
    colours = struct.pack(">I4s3B", 11 + len(profile), b"colr", 2, 0, 0) + profile
    header = data.index(b"jp2h") - 4
    header_size = int.from_bytes(data[header : header + 4]) - old_size + len(colours)
    data = data[:place] + colours + data[place + old_size :]
    photo = normalise(data[:header] + header_size.to_bytes(4) + data[header + 4 :])
    assert photo.report.profile_converted
    red, _, blue = read_corners(open_jpeg(photo.jpeg))["top left"]
    assert blue > red


@pytest.mark.verify
def test_a_large_one_is_decoded_at_a_part_of_its_size(tmp_path: Path) -> None:
    paths = [tmp_path / "small.jp2", tmp_path / "large.jp2"]
    for path, side in zip(paths, (800, 4500), strict=True):
        path.write_bytes(make_file(Image.new("RGB", (side, side), "teal"), "JPEG2000"))
    reported = subprocess.run(
        [sys.executable, "-c", PROGRAM, *paths],
        check=True,
        capture_output=True,
        text=True,
    )
    assert float(reported.stdout) < 150


def test_one_that_decodes_only_whole_is_refused_beyond_what_memory_allows() -> None:
    data = bytearray(make_file(make_picture(), "JPEG2000", num_resolutions=1))
    for start in (data.index(b"ihdr") + 4, data.index(b"\xff\x4f\xff\x51") + 8):
        data[start : start + 8] = struct.pack(">II", 4100, 4100)
    assert _refuse(bytes(data)).code is PhotoErrorCode.TOO_MANY_PIXELS


def test_one_is_halved_as_often_as_leaves_twice_the_pixels_that_are_needed() -> None:
    photo = normalise(make_file(make_picture(2880, 2880), "JPEG2000"))
    assert show_same_corners(photo.jpeg)
    assert [Codestream(side, side, 5).choose_reduction() for side in (2879, 2880, 5760)] == [0, 1, 2]
    assert Codestream(5760, 5760, 1).choose_reduction() == 1


@pytest.mark.parametrize("place", ["ihdr", "codestream"])
def test_one_that_states_two_sizes_is_refused(place: str) -> None:
    data = bytearray(make_file(make_picture(), "JPEG2000"))
    start = data.index(b"ihdr") + 4 if place == "ihdr" else data.index(b"\xff\x4f\xff\x51") + 8
    data[start : start + 8] = struct.pack(">II", 1000, 1000)
    assert _refuse(bytes(data)).code is PhotoErrorCode.UNREADABLE


@pytest.mark.parametrize("rest", [b"", b"\0\0", bytes(60)])
def test_a_codestream_without_a_size_is_refused(rest: bytes) -> None:
    with pytest.raises(PhotoError):
        read_codestream(b"\xff\x4f\xff\x51" + rest)
