"""What the command's parts are given in these tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.settings import Settings, read_settings
from facematch_cli.journal import Fingerprint
from facematch_cli.pairs import PairFiles
from facematch_cli.submission import RoutedPair, SubmittedPair
from facematch_client.stack import DeadLetterUrls, Stack
from tests.factories import make_environment

AWS_REGION = "ap-southeast-1"
STACK_ID = "arn:aws:cloudformation:ap-southeast-1:000000000000:stack/test/0815"


def make_settings(**changes: str | None) -> Settings:
    return read_settings(make_environment(ALLOWED_REGIONS="singapore,indonesia", **changes))


def make_stack(settings: Settings | None = None, **changes: Any) -> Stack:
    fields: dict[str, Any] = {
        "name": "test",
        "id": STACK_ID,
        "session": boto3.Session("key-id", "key-secret", region_name=AWS_REGION),
        "endpoint_url": None,
        "api_url": "https://api.invalid/live",
        "uploads_queue_url": "https://sqs.invalid/uploads",
        "dead_letters": DeadLetterUrls(
            comparisons="https://sqs.invalid/comparisons-dead",
            uploads="https://sqs.invalid/uploads-dead",
            outbox="https://sqs.invalid/outbox-dead",
        ),
        "photo_retention_days": 1,
        "settings": settings or make_settings(),
    }
    return Stack(**(fields | changes))


def make_pair(pair_id: str = "pair-1", region: str | None = None, **files: Path) -> PairFiles:
    given = {Role(role): file for role, file in files.items()}
    return PairFiles(pair_id, region, given or {role: Path(f"{role}.jpg") for role in Role})


def make_routed_pair(pair_id: str = "pair-1", region: Region = Region.SINGAPORE) -> RoutedPair:
    return RoutedPair(make_pair(pair_id), region)


def make_submitted(routed: RoutedPair) -> SubmittedPair:
    return SubmittedPair(routed, Fingerprint("digest", "stamp"), {role: f"etag-of-{role}" for role in Role})


def write_pair(folder: Path, photos: Mapping[str, bytes]) -> None:
    """Write the photos of a pair, by their file names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, photo in photos.items():
        (folder / name).write_bytes(photo)
