"""`facematch compare`: compare one pair now."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
from rich.text import Text

from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Role
from facematch.use_cases.prepare_photos import PhotoPreparer
from facematch_cli.direct import DirectRequest, compare_directly
from facematch_cli.options import Invocation, region_option, stack_options
from facematch_cli.output import Output, make_facts, style_verdict, summarise_photo
from facematch_cli.regions import choose_region
from facematch_client.errors import CommandError, ExitCode
from facematch_client.faces import explain_missing_detector
from facematch_client.files import read_photo
from facematch_client.pair_request import PairRequest, make_idempotency_key, request_verdict
from facematch_client.stack import choose_limits
from facematch_client.text import clean

_EXIT_CODES: Final = {"photo_rejected": ExitCode.REFUSED, "failed": ExitCode.NO_VERDICT}
_SCORE = click.FloatRange(0, 100)


@click.command(short_help="Compare two photos now.")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@region_option("The region that compares. Default: the stack's.")
@click.option("--direct", is_flag=True, help="Call the provider directly, once. The call is not recorded.")
@click.option("--pair-id", metavar="ID", help="Your name for the pair.")
@click.option("--match-from", type=_SCORE, help="The lowest score for match. Default: the stack's.")
@click.option("--no-match-up-to", type=_SCORE, help="The highest score for no_match. Default: the stack's.")
@click.option("--face-quality", is_flag=True, help="Also score the quality of the faces.")
@click.option("--again", is_flag=True, help="Compare and pay again, even if this pair has a verdict.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0), default=60.0, show_default=True, metavar="SECONDS",
    help="The longest time to wait for the verdict. The comparison then continues without you.",
)  # fmt: skip
@stack_options
def compare(
    invocation: Invocation,
    *,
    source: Path,
    target: Path,
    region: str | None,
    direct: bool,
    pair_id: str | None,
    match_from: float | None,
    no_match_up_to: float | None,
    face_quality: bool,
    again: bool,
    wait_s: float,
) -> ExitCode:
    """Compare the faces in two photos, SOURCE and TARGET.

    The pair is sent to the stack's API, signed with your AWS profile. If you compare the same pair again,
    you get its first verdict and are not billed again.
    """
    files = {Role.SOURCE: source, Role.TARGET: target}
    bounds = {"match_from": match_from, "no_match_up_to": no_match_up_to}
    if direct and (pair_id or again):
        raise CommandError(
            "--direct excludes --pair-id and --again. A direct call is not recorded, and always billed.",
            ExitCode.USAGE,
        )
    if direct:
        result = _compare_directly(invocation, files, region, bounds, face_quality=face_quality)
        return _present(invocation.output, result, result)
    stack = invocation.find_stack()
    photos = _read_photos(files, stack.settings.photos.max_source_size_bytes)
    options: dict[str, Any] = {
        "region": choose_region(stack.settings.regions, region).value,
        "pair_id": pair_id,
        **bounds,
        "face_quality_check": face_quality or None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    request = PairRequest(photos, given, make_idempotency_key(photos, given, is_random=again))
    comparison = request_verdict(stack, request, wait_s=wait_s, clock=invocation.clock)
    return _present(invocation.output, comparison["result"], comparison)


def _compare_directly(
    invocation: Invocation,
    files: Mapping[Role, Path],
    region: str | None,
    bounds: Mapping[str, float | None],
    *,
    face_quality: bool,
) -> dict[str, Any]:
    stack = invocation.find_named_stack()
    if stack is None and region is None:
        raise CommandError("--direct without a stack needs --region.", ExitCode.USAGE)
    chosen = choose_region(stack.settings.regions, region) if stack else Region(region or "")
    defaults = stack.settings.options.bounds if stack else Bounds()
    limits = choose_limits(stack)
    if limits.frame_faces and (missing := explain_missing_detector(limits)):
        invocation.output.note(missing)
    request = DirectRequest(
        photos=_read_photos(files, limits.max_source_size_bytes),
        region=chosen,
        bounds=Bounds(
            defaults.match_from if bounds["match_from"] is None else bounds["match_from"],
            defaults.no_match_up_to if bounds["no_match_up_to"] is None else bounds["no_match_up_to"],
        ),
        face_quality_check=face_quality,
    )
    return compare_directly(request, PhotoPreparer(limits), stack, invocation.clock)


def _read_photos(files: Mapping[Role, Path], size_limit_bytes: int) -> dict[Role, bytes]:
    return {role: read_photo(file, size_limit_bytes) for role, file in files.items()}


def _present(output: Output, result: Mapping[str, Any], document: Mapping[str, Any]) -> ExitCode:
    if output.as_json:
        output.print_document(document)
    else:
        provider = result.get("provider", {})
        facts = {
            "verdict": style_verdict(result["verdict"]),
            "score": None if result["score"] is None else f"{result['score']:g} of 100",
            "why": clean(result["message"]),
            "reason": result["reason"] and clean(result["reason"]),
            "region": result["region"],
            "comparison": document.get("id"),
            "request": provider.get("request_id"),
            "quality": _list_figures(provider.get("face_quality") or {}),
            **{f"{role} photo": summarise_photo(report) for role, report in result.get("photos", {}).items()},
            "time": _list_figures(result.get("timings_ms", {}), " ms"),
        }
        output.print(make_facts({name: _text(fact) for name, fact in facts.items()}))
    return _EXIT_CODES.get(result["verdict"], ExitCode.DONE)


def _text(fact: str | Text | None) -> Text | None:
    return Text(fact) if isinstance(fact, str) else fact


def _list_figures(figures: Mapping[str, float], unit: str = "") -> str | None:
    texts = (f"{clean(name).replace('_', ' ')} {figure:g}{unit}" for name, figure in figures.items())
    return ", ".join(texts) or None
