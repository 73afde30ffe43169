"""The command against an API on loopback, and against the provider's emulator."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from facecompare_emulator import DEFAULT_CREDENTIALS, Rules, run_emulator
from facecompare_emulator.endpoints import REGIONS
from facematch.domain.result_event import make_result_event
from facematch.settings import StoredKey, read_settings
from facematch_client.errors import ExitCode
from facematch_client.pair_request import INLINE_LIMIT_BYTES
from tests.factories import make_ended
from tests.factories.photos import OTHER_PERSON, PERSON, draw_portrait, encode
from tests.fakes.api import FakeApi
from tests.integration.cli.environment import CliEnvironment
from tests.integration.emulator.clients import close_sdk_sessions, forgive_sdk
from tests.integration.handlers.schema import check_result_event

RESULT = {
    "verdict": "no_match",
    "reason": None,
    "message": "The photos show two persons.",
    "score": 12.5,
    "region": "singapore",
    "photos": {},
    "timings_ms": {"total": 400},
}
ENDED = {"id": "c-1", "state": "completed", "region": "singapore", "result": RESULT}
WAITING = {**ENDED, "state": "registered", "result": None}


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "source.jpg", tmp_path / "target.jpg"
    source.write_bytes(PERSON)
    target.write_bytes(OTHER_PERSON)
    return source, target


def test_a_pair_goes_to_the_api_signed_and_its_verdict_is_no_failure(
    cli: CliEnvironment, api: FakeApi, photos: tuple[Path, Path]
) -> None:
    api.answers = [(200, ENDED)]

    ran = cli.run("compare", *photos, "--pair-id", "customer-1", "--match-from", "80")

    assert ran.exit_code == ExitCode.DONE
    assert "no_match" in ran.out
    ((line, headers, body),) = api.requests
    assert line == "POST /live/v1/comparisons"
    assert "/ap-southeast-1/execute-api/aws4_request" in headers["Authorization"]
    assert json.loads(body) == {
        "region": "singapore",
        "pair_id": "customer-1",
        "match_from": 80,
        "source": {"photo": base64.b64encode(PERSON).decode()},
        "target": {"photo": base64.b64encode(OTHER_PERSON).decode()},
    }


def read_keys(api: FakeApi) -> list[str]:
    return [headers["Idempotency-Key"] for _, headers, _ in api.requests]


def test_the_same_pair_asked_for_twice_is_one_comparison_unless_it_is_wanted_again(
    cli: CliEnvironment, api: FakeApi, photos: tuple[Path, Path]
) -> None:
    api.answers = [(200, ENDED)] * 4

    cli.run("compare", *photos)
    cli.run("compare", *photos)
    cli.run("compare", *photos, "--region", "indonesia")
    cli.run("compare", *photos, "--again")

    first, second, elsewhere, again = read_keys(api)
    assert first == second
    assert len({first, elsewhere, again}) == 3


def test_a_verdict_that_takes_its_time_is_waited_for(
    cli: CliEnvironment, api: FakeApi, photos: tuple[Path, Path]
) -> None:
    api.answers = [(202, WAITING), (200, WAITING), (200, ENDED)]

    assert cli.run("compare", *photos, "--json").document["result"]["verdict"] == "no_match"
    assert [line for line, _, _ in api.requests[1:]] == ["GET /live/v1/comparisons/c-1"] * 2


def test_a_verdict_that_does_not_come_in_time_can_be_asked_for_again(
    cli: CliEnvironment, api: FakeApi, photos: tuple[Path, Path]
) -> None:
    api.answers = [(202, WAITING)] * 4

    ran = cli.run("compare", *photos, "--wait", "3")

    assert ran.exit_code == ExitCode.NO_VERDICT
    assert "facematch show c-1" in ran.err


def test_without_a_verdict_in_time_a_hold_on_the_region_is_named(
    cli: CliEnvironment, api: FakeApi, photos: tuple[Path, Path]
) -> None:
    api.answers = [(202, WAITING)]
    cli.put_hold("singapore", reason="operator", code="Forbidden.RAMUserAccessDenied", for_s=60)

    ran = cli.run("compare", *photos, "--wait", "0")

    assert ran.exit_code == ExitCode.NO_VERDICT
    assert "Calls to singapore are on hold: the provider refuses the account or its key" in ran.err
    assert "(Forbidden.RAMUserAccessDenied), since 2027-01-15 07:59:48Z; next call at" in ran.err


def test_a_photo_over_the_stacks_limit_is_refused_before_it_is_sent(
    cli: CliEnvironment, api: FakeApi, photos: tuple[Path, Path]
) -> None:
    source, target = photos
    with target.open("wb") as file:
        file.truncate(28_821_707)

    ran = cli.run("compare", source, target, "--json")

    error = json.loads(ran.err)["error"]
    assert (ran.exit_code, error["reason"]) == (ExitCode.REFUSED, "file_too_large")
    assert f"The file {target} has 28,821,707 bytes. The limit is 20,000,000 bytes." in error["message"]
    assert api.requests == []
    assert "(file_too_large)" in cli.run("compare", source, target).err


def test_photos_too_large_for_a_request_are_uploaded_first(
    cli: CliEnvironment, api: FakeApi, photos: tuple[Path, Path]
) -> None:
    source, target = photos
    source.write_bytes(PERSON + bytes(INLINE_LIMIT_BYTES))
    forms = {
        role: {"key": f"inbox/{role}", "url": f"{api.url}/bucket", "fields": {"key": f"inbox/{role}"}}
        for role in ("source", "target")
    }
    api.answers = [(201, forms), (204, None), (204, None), (200, ENDED)]

    assert cli.run("compare", source, target).exit_code == ExitCode.DONE

    lines = [line for line, _, _ in api.requests]
    assert lines == ["POST /live/v1/uploads", *["POST /bucket"] * 2, "POST /live/v1/comparisons"]
    assert PERSON in api.requests[1][2]
    asked = json.loads(api.requests[3][2])
    assert asked["source"] == {"upload_key": "inbox/source"}
    assert json.loads(api.requests[0][2])["pair_id"] == read_keys_of_last(api)


def read_keys_of_last(api: FakeApi) -> str:
    return api.requests[-1][1]["Idempotency-Key"]


@pytest.mark.parametrize(
    ("refusal", "exit_code"),
    [
        ((422, "not_an_image"), ExitCode.REFUSED),
        ((403, "gateway"), ExitCode.UNREACHABLE),
        ((403, "region_not_allowed"), ExitCode.REFUSED),
        ((503, "no_slot"), ExitCode.NO_VERDICT),
    ],
)
def test_a_refusal_of_the_api_is_reported_in_its_own_words(
    cli: CliEnvironment,
    api: FakeApi,
    photos: tuple[Path, Path],
    refusal: tuple[int, str],
    exit_code: ExitCode,
) -> None:
    status, code = refusal
    api.answers = [(status, {"code": code, "detail": "That is why."})]

    ran = cli.run("compare", *photos)

    assert ran.exit_code == exit_code
    assert "That is why" in ran.err


@pytest.mark.parametrize(
    ("verdict", "exit_code"), [("photo_rejected", ExitCode.REFUSED), ("failed", ExitCode.NO_VERDICT)]
)
def test_an_end_without_a_comparison_is_a_failure(
    cli: CliEnvironment, api: FakeApi, photos: tuple[Path, Path], verdict: str, exit_code: ExitCode
) -> None:
    result = {**RESULT, "verdict": verdict, "reason": "some_reason", "score": None}
    api.answers = [(200, {**ENDED, "result": result})]

    assert cli.run("compare", *photos).exit_code == exit_code


def test_an_api_that_does_not_exist_is_reported(cli: CliEnvironment, photos: tuple[Path, Path]) -> None:
    assert cli.run("compare", *photos).exit_code == ExitCode.UNREACHABLE


@pytest.fixture
def provider(cli: CliEnvironment) -> Iterator[CliEnvironment]:
    """A stack whose provider is the emulator."""
    secrets = cli.stack.secrets()
    key = {
        "access_key_id": DEFAULT_CREDENTIALS.access_key_id,
        "access_key_secret": DEFAULT_CREDENTIALS.access_key_secret,
    }
    arn = secrets.create_secret(Name=f"{cli.name}-provider", SecretString=json.dumps(key))["ARN"]
    with run_emulator(Rules(qps=dict.fromkeys(REGIONS, 1000))) as addresses:
        emulators = ",".join(
            f"{endpoint.region}.{endpoint.network}={address}" for endpoint, address in addresses.endpoints
        )
        environment = cli.make_environment(LOCAL_STACK="true", PROVIDER_ENDPOINTS=emulators)
        settings = replace(read_settings(environment), provider_key=StoredKey(arn))
        cli.change_stack(settings=settings)
        with forgive_sdk():
            yield cli
        close_sdk_sessions()


def test_a_pair_can_go_to_the_provider_itself(provider: CliEnvironment, photos: tuple[Path, Path]) -> None:
    source, _ = photos

    ran = provider.run("compare", source, source, "--direct", "--stack", "any", "--json", "--face-quality")

    assert ran.exit_code == ExitCode.DONE
    assert ran.document["verdict"] == "match"
    assert ran.document["provider"]["code"] == "Success"
    assert ran.document["provider"]["face_quality"]
    assert ran.document["photos"]["source"]["size_bytes"] > 0


@pytest.mark.parametrize(
    ("content", "verdict", "kind"),
    [(PERSON, "match", "completed"), (b"Dear Sir or Madam", "photo_rejected", "rejected")],
    ids=["match", "photo_rejected"],
)
def test_a_direct_result_has_the_fields_of_the_result_event(
    provider: CliEnvironment, photos: tuple[Path, Path], content: bytes, verdict: str, kind: str
) -> None:
    source, target = photos
    target.write_bytes(content)

    result = provider.run("compare", source, target, "--direct", "--stack", "any", "--json").document

    assert result["verdict"] == verdict
    event = make_result_event(make_ended(), "urn:facematch:test")
    names = {"id": result["comparison_id"], "type": f"facematch.comparison.{kind}"}
    check_result_event({**event, **names, "data": result})


def test_the_bounds_decide_there_too(provider: CliEnvironment, photos: tuple[Path, Path]) -> None:
    source, target = photos
    target.write_bytes(encode(Image.blend(draw_portrait(), draw_portrait(seed=2), 0.4)))
    bounds = ("--match-from", "100", "--no-match-up-to", "0")

    ran = provider.run("compare", source, target, "--direct", "--stack", "any", "--json", *bounds)

    assert ran.document["verdict"] == "review"


def test_a_bad_photo_costs_no_call(provider: CliEnvironment, photos: tuple[Path, Path]) -> None:
    source, target = photos
    target.write_bytes(b"Dear Sir or Madam")

    ran = provider.run("compare", source, target, "--direct", "--stack", "any", "--json")

    assert ran.exit_code == ExitCode.REFUSED
    assert (ran.document["reason"], ran.document["photo"]) == ("not_an_image", "target")


def test_a_key_that_the_provider_does_not_know_is_reported(
    provider: CliEnvironment, photos: tuple[Path, Path]
) -> None:
    settings = provider.stack.settings
    assert isinstance(settings.provider_key, StoredKey)
    secret = json.dumps({"access_key_id": "nobody", "access_key_secret": "nothing"})
    provider.stack.secrets().put_secret_value(SecretId=settings.provider_key.secret_arn, SecretString=secret)

    ran = provider.run("compare", *photos, "--direct", "--stack", "any")

    assert ran.exit_code == ExitCode.UNREACHABLE
    assert "Repair this first" in ran.err
    assert "nothing" not in ran.err


def test_without_stack_and_key_the_message_says_how_to_get_one(
    cli: CliEnvironment, photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALIBABA_CLOUD_ACCESS_KEY_ID", raising=False)

    ran = cli.run("compare", *photos, "--direct", "--region", "singapore")

    assert ran.exit_code == ExitCode.USAGE
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in ran.err
    assert cli.run("compare", *photos, "--direct").exit_code == ExitCode.USAGE
