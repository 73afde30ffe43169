"""Makes domain objects, settings and calls; nothing is of a real person."""

from functools import cache
from typing import Any

from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Ending,
    Origin,
    Outcome,
    PhotoKind,
    State,
    StoredPhoto,
    end_state,
    make_photo_prefix,
)
from facematch.domain.pair import ArrivedPhoto
from facematch.domain.priority import Priority
from facematch.domain.provider import Answer, Call, InlinePicture, Picture
from facematch.domain.regions import PROFILES, Region, RegionPolicy
from facematch.domain.verdict import Decision, Role, Verdict
from harness.template import read_template
from tests.factories.photos import PERSON
from tests.fakes.clock import START_MS

COMPARISON_ID = "abcdefghijklmnopqrstuvwxyz"
FOLDER = "customer-0815"
CALLER = "arn:aws:iam::000000000000:role/onboarding"


def make_policy(*allowed: Region, default: Region | None = None) -> RegionPolicy:
    return RegionPolicy(default, frozenset(allowed or Region))


def make_answer(
    code: str = "Success", *, http_status: int = 200, passed: bool = True, score: float = 88.5
) -> Answer:
    """Make an answer; one of success has a result, any other has none."""
    if code != "Success":
        return Answer(code=code, http_status=http_status, request_id="REQUEST-1")
    return Answer(
        code=code,
        http_status=http_status,
        has_result=True,
        request_id="REQUEST-1",
        transaction_id="transaction-1",
        passed=passed,
        score=score,
    )


def make_call(
    source: Picture | None = None,
    target: Picture | None = None,
    *,
    region: Region = Region.SINGAPORE,
    merchant_biz_id: str = "a1" * 16,
    face_quality_check: bool = False,
) -> Call:
    """Make a call; without photos, one that compares a photo with itself."""
    picture = InlinePicture(PERSON)
    return Call(
        region=region,
        merchant_biz_id=merchant_biz_id,
        source=source or picture,
        target=target or picture,
        face_quality_check=face_quality_check,
    )


def make_uploads(region: str = "singapore", pair_id: str = "pair-1") -> dict[Role, StoredPhoto]:
    """Make two photos in the inbox."""
    return {
        role: StoredPhoto(key=f"inbox/{region}/{pair_id}/{role}.jpg", etag=f"etag-of-{role}") for role in Role
    }


def make_photos(comparison_id: str = COMPARISON_ID) -> dict[Role, StoredPhoto]:
    """Make two photos that a comparison owns."""
    prefix = make_photo_prefix(comparison_id)
    return {role: StoredPhoto(key=f"{prefix}{role}-0123") for role in Role}


def make_link(role: Role) -> StoredPhoto:
    return StoredPhoto(key=f"{make_photo_prefix(COMPARISON_ID)}{role}-0123", kind=PhotoKind.URL)


def make_comparison(**changes: Any) -> Comparison:
    fields: dict[str, Any] = {
        "id": COMPARISON_ID,
        "region": "singapore",
        "origin": Origin.UPLOAD,
        "created_at_ms": START_MS,
        "photos": make_photos(changes.get("id", COMPARISON_ID)),
        "pair_id": "pair-1",
    }
    return Comparison(**(fields | changes))


def make_attempt(number: int = 1, outcome: Outcome = Outcome.ANSWERED, **changes: Any) -> Attempt:
    fields: dict[str, Any] = {
        "number": number,
        "merchant_biz_id": f"{COMPARISON_ID}{number:02d}0a1b",
        "started_at_ms": START_MS + number * 1000,
        "outcome": outcome,
    }
    return Attempt(**(fields | changes))


def make_verdict(decision: Decision = Decision.MATCH, **changes: Any) -> Verdict:
    fields: dict[str, Any] = {"decision": decision, "message": "A sentence."}
    if end_state(decision) is State.COMPLETED:
        fields |= {
            "reason": "between_bounds" if decision is Decision.REVIEW else None,
            "passed": decision is not Decision.NO_MATCH,
            "score": 52.57,
            "provider_code": "Success",
            "request_id": "REQUEST-1",
            "transaction_id": "transaction-1",
        }
    else:
        is_rejected = decision is Decision.PHOTO_REJECTED
        fields |= {"reason": "no_face_detected" if is_rejected else "attempts_exhausted"}
    return Verdict(**(fields | changes))


def make_ending(decision: Decision = Decision.MATCH, **changes: Any) -> Ending:
    """Make an ending with every kind of value that a report can hold."""
    fields: dict[str, Any] = {
        "verdict": make_verdict(decision, face_quality={"FaceQualityScore": 88.125, "Sharpness": 100.0}),
        "ended_at_ms": START_MS + 5000,
        "photos": {
            Role.SOURCE: {"url": True},
            Role.TARGET: {"width": 720, "steps": ["rotated"], "quality": None, "ratio": 0.1},
        },
        "timings_ms": {"wait_for_worker": 0, "call": 412},
    }
    return Ending(**(fields | changes))


def make_arrived(
    role: Role = Role.SOURCE, sequencer: str = "01", arrived_at_ms: int = START_MS, **photo: str
) -> ArrivedPhoto:
    stored = {"key": f"inbox/singapore/{FOLDER}/{role}.jpg", "etag": f"{role}-{sequencer}"} | photo
    return ArrivedPhoto(photo=StoredPhoto(**stored), sequencer=sequencer, arrived_at_ms=arrived_at_ms)  # type: ignore[arg-type] # only texts are given


def make_ended(verdict: Verdict | None = None, **changes: Any) -> Comparison:
    """Make a comparison that ended with `verdict`, a second after it was registered."""
    verdict = verdict or make_verdict()
    ending = Ending(verdict=verdict, ended_at_ms=START_MS + 1000, timings_ms={"call": 300})
    fields = {"state": end_state(verdict.decision), "ending": ending, "attempts": (make_attempt(),)}
    return make_comparison(**(fields | changes))


def make_queue_url(region: str, priority: str) -> str:
    return f"https://sqs.invalid/{region}-{priority}"


@cache
def read_defaults() -> dict[str, str]:
    """Return each variable that is one parameter of the template with a default."""
    template = read_template()
    parameters = template["Parameters"]
    variables = template["Globals"]["Function"]["Environment"]["Variables"].items()
    names = {name: value["Ref"] for name, value in variables if "Ref" in value}
    return {
        name: str(parameters[parameter]["Default"])
        for name, parameter in names.items()
        if "Default" in parameters.get(parameter, ()) and not name.startswith(("POWERTOOLS_", "PROVIDER_"))
    }


def make_environment(**changes: str | None) -> dict[str, str]:
    """Make what the template sets in the cloud; a change to None leaves a variable out."""
    variables = read_defaults() | {
        "TABLE_NAME": "ledger",
        "BUCKET_NAME": "photos",
        **{
            f"{region}_{priority}_QUEUE_URL".upper().replace("-", "_"): make_queue_url(region, priority)
            for region in Region
            for priority in Priority
        },
        "RESULTS_QUEUE_URL": "https://sqs.invalid/results",
        "SECRET_ARN": "arn:aws:secretsmanager:ap-southeast-1:000000000000:secret:provider",
        "EVENT_SOURCE": "urn:facematch:000000000000:ap-southeast-1:test",
        "AWS_REGION": "ap-southeast-1",
        "DEFAULT_REGION": "auto",
        "ALLOWED_REGIONS": "auto",
        "PROVIDER_OPERATION": "FaceCompare",
        "PROVIDER_NETWORK": "public",
        "PROVIDER_ENDPOINTS": "auto",
        "LOCAL_STACK": "false",
        "CALLS_PER_SECOND": ",".join(
            f"{region}={profile.default_qps}" for region, profile in PROFILES.items()
        ),
        "QUOTA_SHARE": "0.5",
        "MATCH_FROM_SCORE": "0",
        "NO_MATCH_UP_TO_SCORE": "100",
        "FACE_QUALITY_CHECK": "false",
        "PAIR_DEADLINE_SECONDS": "900",
        "ATTEMPT_BUDGET": "4",
        "RETRY_TIME_LIMIT_SECONDS": "72000",
        "PHOTO_RETENTION_DAYS": "1",
        "RECORD_RETENTION_DAYS": "30",
        "DELETE_PHOTOS_AFTER_VERDICT": "true",
        "ERASE_AT_PROVIDER": "false",
    }
    return {name: value for name, value in (variables | changes).items() if value is not None}
