"""A sheet that shows photos before and after, as one HTML file that loads and runs nothing."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import Any, Final

from PIL import Image

from facematch_client.faces import Drawing, render_drawing
from facematch_client.photo_story import describe_work, read_stored_facts
from facematch_client.words import WARNINGS

_PREVIEW_SIDE_PX: Final = 480
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1.5rem; }
.pair { align-items: start; }
figure { margin: 0; } img { max-width: 100%; height: auto; border-radius: .5rem; display: block; }
figcaption { opacity: .75; margin-top: .4rem; }
ul { margin: 0; padding-left: 1.2rem; overflow-wrap: anywhere; } li { margin-bottom: .4rem; }
.refused { border-left: .3rem solid #d23; padding-left: .8rem; }
.warning { color: light-dark(#7d5600, #e9bf62); font-weight: 600; }
.framed { position: relative; width: fit-content; }
.face { position: absolute; inset: 0; width: 100%; height: 100%; }
.face rect { fill: none; stroke: #ffd84d; stroke-width: 3; vector-effect: non-scaling-stroke; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetEntry:
    """One photo: `after` and `report` of one that was made acceptable, else the sentence why it was not.

    `crop` is drawn over the photo before, `faces` over the one after.
    """

    name: str
    before: bytes
    after: bytes | None = None
    report: Mapping[str, Any] | None = None
    refusal: str | None = None
    warnings: Sequence[str] = ()
    crop: Drawing | None = None
    faces: Drawing | None = None


def render_sheet(entries: Sequence[SheetEntry]) -> str:
    """Return the sheet as HTML."""
    sections = "\n".join(_render_entry(entry) for entry in entries)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Photos before and after</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Photos before and after</h1>
<p>As the file stores it, and as the provider would get it.</p>
{sections}
</body>
</html>
"""


def _render_entry(entry: SheetEntry) -> str:
    facts = read_stored_facts(entry.before)
    caption = "before" if entry.refusal else f"before, {facts.posture}"
    figures = _render_figure(entry.before, caption, entry.crop)
    if entry.after is not None:
        figures += _render_figure(entry.after, "after, as the provider gets it", entry.faces)
    if entry.refusal is not None:
        told = f'<p class="refused">{escape(entry.refusal)}</p>'
    else:
        warnings = (f'<li class="warning">{escape(WARNINGS[warning])}</li>' for warning in entry.warnings)
        lines = (f"<li>{escape(line)}</li>" for line in describe_work(entry.report or {}, facts))
        told = f"<ul>{''.join(warnings)}{''.join(lines)}</ul>"
    return f'<section><h2>{escape(entry.name)}</h2><div class="pair">{figures}{told}</div></section>'


def _render_figure(photo: bytes, caption: str, drawing: Drawing | None = None) -> str:
    preview = _make_preview(photo)
    shown = "<p>No picture to show.</p>"
    if preview:
        image = f'<img src="{preview}" alt="The photo {caption}">'
        shown = f'<div class="framed">{image}{render_drawing(drawing)}</div>'
    return f"<figure>{shown}<figcaption>{caption}</figcaption></figure>"


def _make_preview(photo: bytes) -> str | None:
    """Return a small JPEG of a photo, not turned upright; None for what can't be shown."""
    try:
        with Image.open(BytesIO(photo)) as image:
            image.draft("RGB", (_PREVIEW_SIDE_PX, _PREVIEW_SIDE_PX))
            small = image.convert("RGB")
    # Decoders meet hostile bytes and answer with anything.
    except Exception:  # noqa: BLE001 - a picture that can't be shown is no reason to show none
        return None
    small.thumbnail((_PREVIEW_SIDE_PX, _PREVIEW_SIDE_PX))
    file = BytesIO()
    small.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
