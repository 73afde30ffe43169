"""Describes a photo: its orientation and metadata as stored, and the changes from its report."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from PIL import ExifTags, Image

_UPRIGHT: Final = 1
_ORIENTATIONS: Final = {
    1: "upright",
    2: "mirrored",
    3: "upside down",
    4: "upside down and mirrored",
    5: "lying on its side and mirrored",
    6: "lying on its side",
    7: "lying on its side and mirrored",
    8: "lying on its side",
}
_LYING: Final = frozenset({5, 6, 7, 8})
_PLAIN_MODES: Final = frozenset({"RGB", "L"})


@dataclass(frozen=True, slots=True)
class PhotoHeader:
    """The header of a photo, as far as it can be read. `metadata` lists its private parts."""

    orientation: int = _UPRIGHT
    metadata: tuple[str, ...] = ()

    @property
    def orientation_text(self) -> str:
        """The stored orientation in words: `as stored: lying on its side, EXIF 6`."""
        tag = f", EXIF\N{NO-BREAK SPACE}{self.orientation}" if self.orientation != _UPRIGHT else ""
        return f"as stored: {_ORIENTATIONS[self.orientation]}{tag}"


def read_header(photo: bytes) -> PhotoHeader:
    """Return the header of a photo. If it cannot be read, it is upright and without metadata."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(photo)) as image:
            exif = image.getexif()
            orientation = exif.get(ExifTags.Base.Orientation, _UPRIGHT)
            metadata = tuple(_name_metadata(exif))
    except Exception:  # noqa: BLE001 - decoders raise any exception for damaged files
        return PhotoHeader()
    return PhotoHeader(orientation if orientation in _ORIENTATIONS else _UPRIGHT, metadata)


def describe_changes(report: Mapping[str, Any], facts: PhotoHeader) -> list[str]:
    """Return the changes of a photo from its report, one line each, none without a report."""
    if report.get("url"):
        return ["Fetched by the provider from a URL; not changed here."]
    if "source_format" not in report:
        return []
    before = f"{report['source_format']}, {_format_size(report['source_size_bytes'])}"
    if report["untouched"]:
        return [
            "Unchanged: it already meets the provider's requirements.",
            f"{before}, {_format_pixels(report, 'source_')}",
            *_describe_faces(report.get("face") or {}),
        ]
    return [
        f"{before} → baseline JPEG, {_format_size(report['size_bytes'])}",
        *_describe_geometry(report),
        *_describe_faces(report.get("face") or {}),
        *_describe_colours(report),
        _describe_metadata(facts),
        _describe_quality(report),
    ]


def _describe_geometry(report: Mapping[str, Any]) -> Iterator[str]:
    orientation = report["orientation"]
    if orientation != _UPRIGHT:
        orientation_text = _ORIENTATIONS.get(orientation, "turned")
        yield f"Turned upright: it was {orientation_text} (EXIF orientation {orientation})"
    before = _format_pixels(report, "source_", swaps=orientation in _LYING)
    crop = (report.get("face") or {}).get("crop")
    if crop:
        yield f"Cropped around the face, to {crop['width']} x {crop['height']} of {before}"
        before = f"{crop['width']} x {crop['height']} px"
    after, scale = _format_pixels(report), report["scale"]
    if scale > 1:
        yield f"Enlarged from {before} to {after}, to {100 * scale:.0f} % of each side"
    elif scale < 1:
        yield f"Scaled down from {before} to {after}, to {100 * scale:.0f} % of each side"
    else:
        yield f"Not scaled: {before} before, {after} after"
    if report["padded_rows"]:
        yield f"Letterboxed: {report['padded_rows']} grey rows added above and below"


def _describe_faces(face: Mapping[str, Any]) -> Iterator[str]:
    before, after = face.get("share_before"), face.get("share_after")
    if before is None or after is None:
        return
    found = "1 face found" if face["faces"] == 1 else f"{face['faces']} faces found; the largest counts"
    cropped = f", and {100 * after:.0f} % after cropping" if face["crop"] else ""
    yield f"{found}: with its hair it fills {100 * before:.0f} % of the photo{cropped}"


def _describe_colours(report: Mapping[str, Any]) -> Iterator[str]:
    if report["source_mode"] not in _PLAIN_MODES:
        yield f"Pixels converted from {report['source_mode']} to a mode that a baseline JPEG supports"
    if report["alpha_flattened"]:
        yield "Transparency replaced with white"
    if report["profile_converted"]:
        yield "Colours converted from the embedded profile to sRGB"


def _describe_metadata(facts: PhotoHeader) -> str:
    if not facts.metadata:
        return "Sent without metadata (no camera, date or location was found)"
    return f"Metadata removed: {', '.join(facts.metadata)}"


def _describe_quality(report: Mapping[str, Any]) -> str:
    passes = "1 pass" if report["passes"] == 1 else f"{report['passes']} passes"
    return f"Encoded at JPEG quality {report['quality']}, in {passes}"


def _name_metadata(exif: Image.Exif) -> Iterator[str]:
    make, model = (str(exif.get(tag, "")).strip() for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
    camera = model if model.startswith(make) else f"{make} {model}".strip()
    if camera:
        yield f'camera "{camera}"'
    if ExifTags.Base.DateTime in exif:
        yield f"date {exif[ExifTags.Base.DateTime]}"
    if exif.get_ifd(ExifTags.IFD.GPSInfo):
        yield "location (GPS)"


def _format_pixels(report: Mapping[str, Any], prefix: str = "", *, swaps: bool = False) -> str:
    sides = [report[f"{prefix}width"], report[f"{prefix}height"]]
    width, height = reversed(sides) if swaps else sides
    return f"{width} x {height} px"


def _format_size(size_bytes: int) -> str:
    if size_bytes >= 1_000_000:  # noqa: PLR2004 - the unit
        return f"{size_bytes / 1_000_000:.1f} MB"
    return f"{max(size_bytes / 1000, 0.1):.{0 if size_bytes >= 10_000 else 1}f} kB"  # noqa: PLR2004
