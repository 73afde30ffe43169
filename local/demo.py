"""`make demo`: sends one pair to the bucket and one to the API of a stack deployed on this machine.

`SOURCE`, `TARGET`, `REGION` and `OPERATION` in the environment choose the photos, the jurisdiction and the
provider's operation.
"""

import base64
import json
import os
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from facematch.domain.errors import InvalidInputError
from facematch.domain.provider import Operation
from facematch.domain.regions import PROFILES, Network, Region, RegionPolicy
from facematch_client.faces import enable_face_detection, mark_faces
from imaging import Limits, PhotoError, find_warnings, normalise
from local.demo_page import render_page
from local.demo_result import DemoResult, DetectedFace, PhotoResult
from local.portraits import make_portraits
from local.processes import LOCAL, LocalError
from local.signed_http import HttpAnswer, request_api, send
from local.stack import Stack, run_stack
from local.up import read_ports

PAGE: Final = LOCAL / "demo.html"
_WAIT_LIMIT_S: Final = 60.0
_PROVIDER_NOTE: Final = (
    "The provider here is the emulator. It compares faces with dlib's networks. They are not the provider's: "
    "scores are not comparable."
)


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo of the pair: its file name and its bytes."""

    name: str
    content: bytes


type PhotoPair = Mapping[str, Photo]


def run_demo(photos: PhotoPair, region: Region, operation: Operation = Operation.FACE_COMPARE) -> None:
    """Start a stack, send the pair to the bucket and to the API, print the results, and stop the stack.

    Raises
    ------
    LocalError
        The stack cannot start, or no verdict arrives in time.
    """
    started_at = time.monotonic()
    parameters = {"ProviderOperation": operation.value}
    with run_stack(
        read_ports(), LOCAL / "demo", parameters, show_progress=_show_progress, judge="faces"
    ) as stack:
        _show_progress(f"Sending a pair to the bucket and a pair to the API, for {region} …")
        results = [_send_by_bucket(stack, photos, region), _send_by_api(stack, photos, region)]
    _print_events(results)
    for result in results:
        _print_result(result)
    PAGE.write_text(render_page(results), encoding="utf-8")
    print(f"\n{_PROVIDER_NOTE}")
    print(f"Page with the photos before and after preparation: {PAGE.relative_to(LOCAL.parent)}")
    print(f"Completed in {time.monotonic() - started_at:.0f} s. All processes have ended.")


def read_photos(source: str | None, target: str | None) -> PhotoPair:
    """Return the user's photos, or drawn portraits by default.

    Raises
    ------
    LocalError
        A file cannot be read, or only one photo is given.
    """
    if not source and not target:
        names = ("portrait-1.jpg", "portrait-2.jpg")
        portraits = (Photo(name, content) for name, content in zip(names, make_portraits(), strict=True))
        return dict(zip(("source", "target"), portraits, strict=True))
    if not source or not target:
        raise LocalError("Set both photos: make demo SOURCE=a.jpg TARGET=b.jpg")
    return {"source": _read_photo(source), "target": _read_photo(target)}


def read_region(name: str | None) -> Region:
    """Return the jurisdiction that the user chose, Singapore by default.

    Raises
    ------
    LocalError
        The jurisdiction does not exist.
    """
    try:
        return RegionPolicy(Region.SINGAPORE, frozenset(Region)).choose(name or None)
    except InvalidInputError as error:
        raise LocalError(error.message) from None


def read_operation(name: str | None) -> Operation:
    """Return the provider's operation that the user chose, `FaceCompare` by default.

    Raises
    ------
    LocalError
        The operation does not exist.
    """
    try:
        return Operation(name or Operation.FACE_COMPARE)
    except ValueError:
        raise LocalError(f"OPERATION must be {' or '.join(Operation)}, not {name!r}.") from None


def _read_photo(path: str) -> Photo:
    try:
        return Photo(Path(path).name, Path(path).read_bytes())
    except OSError as error:
        raise LocalError(f"Cannot read the photo {path}: {error.strerror}.") from None


def _send_by_bucket(stack: Stack, photos: PhotoPair, region: Region) -> DemoResult:
    started_at = time.monotonic()
    bucket = stack.client("s3")
    for role, photo in photos.items():
        key = f"inbox/{region}/demo-bucket/{role}{Path(photo.name).suffix or '.jpg'}"
        bucket.put_object(Bucket=stack.bucket, Key=key, Body=photo.content)
    event = _receive_event(stack, subject="demo-bucket")
    return _make_result(stack, "bucket", region, photos, started_at, event=event)


def _send_by_api(stack: Stack, photos: PhotoPair, region: Region) -> DemoResult:
    started_at = time.monotonic()
    inline = {role: {"photo": base64.b64encode(photo.content).decode()} for role, photo in photos.items()}
    body = {"region": region.value, "pair_id": "demo-api", **inline}
    answer = request_api(stack, "POST", "/v1/comparisons", body, {"Idempotency-Key": "demo-api"})
    if answer.status >= 400:  # noqa: PLR2004 - HTTP
        return _make_result(stack, "API", region, photos, started_at, problem=_read_problem(answer))
    event = _receive_event(stack, subject="demo-api")
    return _make_result(stack, "API", region, photos, started_at, event=event)


def _read_problem(answer: HttpAnswer) -> Mapping[str, Any]:
    if isinstance(answer.body, dict) and "code" in answer.body:
        return answer.body
    raise LocalError(f"The API returned {answer.status.value} without a code. See .local/demo/cloud.log.")


def _receive_event(stack: Stack, subject: str) -> Mapping[str, Any]:
    queue = stack.client("sqs")
    deadline = time.monotonic() + _WAIT_LIMIT_S
    while time.monotonic() < deadline:
        received = queue.receive_message(QueueUrl=stack.results_queue_url, WaitTimeSeconds=1)
        for message in received.get("Messages", []):
            event: Mapping[str, Any] = json.loads(message["Body"])
            if event["subject"] == subject:
                queue.delete_message(QueueUrl=stack.results_queue_url, ReceiptHandle=message["ReceiptHandle"])
                return event
    raise LocalError(f"No verdict within {_WAIT_LIMIT_S:.0f} s. See .local/demo/cloud.log.")


def _make_result(
    stack: Stack,
    intake: str,
    region: Region,
    photos: PhotoPair,
    started_at: float,
    *,
    event: Mapping[str, Any] | None = None,
    problem: Mapping[str, Any] | None = None,
) -> DemoResult:
    total_ms = round((time.monotonic() - started_at) * 1000)
    reports = event["data"]["photos"] if event else {}
    call = _find_call(stack, event) if event else None
    pictures = call["pictures"] if call else {}
    return DemoResult(
        intake=intake,
        region=region.value,
        provider_host=PROFILES[region].host(Network.PUBLIC),
        called_address=_find_address(stack, call) if call else None,
        photos={
            role: _describe_photo(photo, reports.get(role, {}), pictures.get(role))
            for role, photo in photos.items()
        },
        event=event,
        problem=problem,
        total_ms=total_ms,
    )


def _describe_photo(
    photo: Photo, report: Mapping[str, Any], picture: Mapping[str, Any] | None
) -> PhotoResult:
    # The functions keep the prepared photo only in memory. The same preparation is repeated here.
    try:
        after = normalise(photo.content, enable_face_detection(Limits(frame_faces=bool(report.get("face")))))
    except PhotoError:
        return PhotoResult(photo.name, photo.content, None, report)
    return PhotoResult(
        photo.name,
        photo.content,
        after.jpeg,
        report,
        face=_read_face(picture or {}, (after.width, after.height)),
        faces=mark_faces(after),
        warnings=find_warnings(after.report.face),
    )


def _read_face(picture: Mapping[str, Any], size: tuple[int, int]) -> DetectedFace | None:
    """Return the face in a picture of the emulator's call log, or None if it has no face or another size."""
    if not picture.get("face_box") or (picture["width"], picture["height"]) != size:
        return None
    return DetectedFace(
        picture["faces"],
        **picture["face_box"],
        photo_width=picture["width"],
        photo_height=picture["height"],
    )


def _find_call(stack: Stack, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the comparison's last call from the emulator's call log."""
    for merchant_biz_id in reversed(event["data"]["provider"]["merchant_biz_ids"]):
        if calls := _ask_emulator(stack, f"calls?{urlencode({'merchant_biz_id': merchant_biz_id})}"):
            call: Mapping[str, Any] = calls[-1]
            return call
    return None


def _find_address(stack: Stack, call: Mapping[str, Any]) -> str:
    """Return the address of the emulator that received a call."""
    return next(
        str(endpoint["address"])
        for endpoint in _ask_emulator(stack, "endpoints")
        if (endpoint["region"], endpoint["network"]) == (call["region"], call["network"])
    )


def _ask_emulator(stack: Stack, path: str) -> Any:  # noqa: ANN401 - any JSON value
    return send(urllib.request.Request(f"{stack.emulator_url}/_emulator/{path}")).body


def _print_result(result: DemoResult) -> None:
    print(f"\n{result.intake.upper()}  {result.region}")
    rows: dict[str, str] = {"provider's host": result.provider_host}
    rows["local endpoint"] = f"{result.called_address} (emulator)" if result.called_address else "no call"
    if result.problem:
        rows["refused"] = f"{result.problem['status']} {result.problem['code']}"
        rows["message"] = result.problem["detail"]
    if result.event:
        data = result.event["data"]
        rows["verdict"] = (
            data["verdict"] if data["reason"] is None else f"{data['verdict']}: {data['reason']}"
        )
        rows["score"] = "none" if data["score"] is None else f"{data['score']} of 100"
        rows["message"] = data["message"]
        rows |= {f"{role} photo": _summarise(report) for role, report in data["photos"].items()}
        rows["time"] = ", ".join(
            f"{step.replace('_', ' ')} {ms} ms" for step, ms in data["timings_ms"].items()
        )
    rows["total time"] = f"{result.total_ms / 1000:.1f} s, including cold starts"
    for label, text in rows.items():
        print(f"  {label:<16} {text}")


def _summarise(report: Mapping[str, Any]) -> str:
    before = f"{report['source_width']}x{report['source_height']} {report['source_format']}"
    after = f"{report['width']}x{report['height']} JPEG"
    sizes = f"{report['source_size_bytes'] / 1000:.0f} KB to {report['size_bytes'] / 1000:.0f} KB"
    return f"{before} (EXIF orientation {report['orientation']}) to {after}, {sizes}"


def _print_events(results: list[DemoResult]) -> None:
    events = [result.event for result in results if result.event]
    print(f"\nEvents from the results queue: {len(events)}")
    for event in events:
        print(json.dumps(event, indent=2, ensure_ascii=False))


def _show_progress(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        run_demo(
            read_photos(os.environ.get("SOURCE"), os.environ.get("TARGET")),
            read_region(os.environ.get("REGION")),
            read_operation(os.environ.get("OPERATION")),
        )
    except LocalError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. All processes have ended.")
