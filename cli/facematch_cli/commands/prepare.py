"""`facematch prepare`: prepare photos as the stack does."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import click
from rich.text import Text

from facematch.domain.errors import InvalidInputError
from facematch_cli.options import Invocation, stack_options
from facematch_cli.output import make_table, summarise_photo
from facematch_cli.sheet import SheetEntry, render_sheet
from facematch_client.errors import ExitCode
from facematch_client.faces import (
    enable_face_detection,
    explain_missing_detector,
    mark_crop,
    mark_faces,
    read_warnings,
)
from facematch_client.files import read_photo
from facematch_client.stack import choose_limits
from facematch_client.text import clean
from imaging import Limits, PhotoError, PhotoErrorCode, normalise

SHEET_NAME: Final = "sheet.html"


@click.command(short_help="Prepare photos as the stack does.")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR",
    help="The folder to write to.")  # fmt: skip
@click.option("--frame-faces", is_flag=True, help="Crop photos around their faces, like FaceFraming.")
@stack_options
def prepare(invocation: Invocation, *, photos: tuple[Path, ...], folder: Path, frame_faces: bool) -> ExitCode:
    """Prepare PHOTOS as the stack does, and write them to DIR, with reports and a before/after sheet.

    The photos stay on this machine. Without a stack, the default settings apply, and no cloud is needed.
    """
    output = invocation.output
    limits = enable_face_detection(choose_limits(invocation.find_named_stack()))
    limits = replace(limits, frame_faces=frame_faces or limits.frame_faces)
    if missing := explain_missing_detector(limits):
        output.note(missing)
    folder.mkdir(parents=True, exist_ok=True)
    documents: list[dict[str, Any]] = []
    entries: list[SheetEntry] = []
    for number, photo in enumerate(photos, start=1):
        document, entry = _prepare_one(photo, limits, folder, f"{number:03d}-{photo.stem}")
        documents.append(document)
        entries.append(entry)
    (folder / SHEET_NAME).write_text(render_sheet(entries), encoding="utf-8")
    if output.as_json:
        output.print_document({"photos": documents, "sheet": str(folder / SHEET_NAME)})
    else:
        table = make_table("photo", "result", "changes", "warnings")
        for document in documents:
            refused = Text("refused", "bold red")
            result = Text(Path(document["file"]).name, "green") if document["file"] else refused
            warnings = Text(", ".join(document["warnings"]), "yellow")
            table.add_row(clean(document["photo"]), result, clean(_summarise(document)), warnings)
        output.print(table)
        output.note(f"Before and after: {folder / SHEET_NAME}")
    return _choose_exit_code(documents)


def _prepare_one(photo: Path, limits: Limits, folder: Path, name: str) -> tuple[dict[str, Any], SheetEntry]:
    content = b""
    try:
        content = read_photo(photo, limits.max_source_size_bytes)
        normalised = normalise(content, limits)
    except (InvalidInputError, PhotoError) as error:
        refusal = {"code": str(error.code), "message": error.message}
        refused: dict[str, Any] = {
            "photo": str(photo),
            "file": None,
            "report": None,
            "warnings": [],
            "refusal": refusal,
        }
        # Only a photo that is known to be small is decoded for the sheet.
        shown = content if error.code == PhotoErrorCode.TOO_SMALL else b""
        return refused, SheetEntry(name=photo.name, before=shown, refusal=error.message)
    report = {**asdict(normalised.report), "width": normalised.width, "height": normalised.height}
    file = folder / f"{name}.jpg"
    file.write_bytes(normalised.jpeg)
    file.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    warnings = read_warnings(report)
    document = {
        "photo": str(photo),
        "file": str(file),
        "report": report,
        "warnings": [warning.value for warning in warnings],
        "refusal": None,
    }
    entry = SheetEntry(
        name=photo.name,
        before=content,
        after=normalised.jpeg,
        report=report,
        warnings=warnings,
        crop=mark_crop(report),
        faces=mark_faces(normalised),
    )
    return document, entry


def _summarise(document: dict[str, Any]) -> str:
    refusal = document["refusal"]
    return f"{refusal['code']}: {refusal['message']}" if refusal else summarise_photo(document["report"])


def _choose_exit_code(documents: list[dict[str, Any]]) -> ExitCode:
    refused = sum(document["refusal"] is not None for document in documents)
    if refused == len(documents):
        return ExitCode.REFUSED
    return ExitCode.PARTIAL if refused else ExitCode.DONE
