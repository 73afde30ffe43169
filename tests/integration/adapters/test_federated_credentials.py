import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.config import Config
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from facecompare_emulator import Addresses, OidcTrust, Rules, run_emulator
from facecompare_emulator.endpoints import REGIONS
from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider
from facematch.adapters.federated_credentials import (
    RENEWAL_LEAD_S,
    RENEWAL_PAUSE_S,
    SESSION_S,
    FederatedCredentials,
)
from facematch.adapters.web_identity import WebIdentity
from facematch.domain.clock import Clock, SystemClock
from facematch.domain.errors import OperatorError
from facematch.domain.provider import Credentials
from facematch.domain.regions import Region
from tests.factories import make_call
from tests.fakes import aws_sts
from tests.fakes.clock import START_MS, FakeClock
from tests.fakes.http_server import Answer, FakeHttpServer, Request, Response, run_http_server
from tests.fakes.web_identity import AUDIENCE, ISSUER, SUBJECT, make_key, make_token
from tests.integration.adapters.leaks import find_leaks
from tests.integration.emulator.clients import ControlClient, close_sdk_sessions


def write_time(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


PROVIDER_ARN = "acs:ram::1234567890123456:oidc-provider/aws"
ROLE_ARN = "acs:ram::1234567890123456:role/facematch"
TOKEN = make_token()
KEY = {
    "AccessKeyId": "STS.id",
    "AccessKeySecret": "sts-s3cr3t",
    "SecurityToken": "sts-t0ken",
    "Expiration": write_time(START_MS / 1000 + SESSION_S),
}
MARKS = (TOKEN, TOKEN.split(".")[1], "sts-s3cr3t", "sts-t0ken")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def run() -> Iterator[Callable[[Answer], FakeHttpServer]]:
    """Runs servers for the time of the test."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(run_http_server(answer))


def make_identity(url: str, audience: str = AUDIENCE, *, read_timeout_s: float = 5) -> WebIdentity:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout_s)
    session = boto3.Session("test-key-id", "test-key-secret", region_name="ap-southeast-1")
    return WebIdentity(session.client("sts", endpoint_url=url, config=config), audience)


def make_credentials(
    sts_url: str,
    clock: Clock,
    issue_token: Callable[[], str] = lambda: TOKEN,
    *,
    read_timeout_s: float = 5,
) -> FederatedCredentials:
    return FederatedCredentials(
        issue_token=issue_token,
        sts_url=sts_url,
        oidc_provider_arn=PROVIDER_ARN,
        role_arn=ROLE_ARN,
        clock=clock,
        read_timeout_s=read_timeout_s,
    )


def grant(_: Request | None = None, **changes: Any) -> Response:
    """Answer as Alibaba Cloud STS does; a change to None leaves a part of the key out."""
    key = {name: value for name, value in (KEY | changes).items() if value is not None}
    return Response(json.dumps({"RequestId": "R1", "Credentials": key}).encode())


def refuse(_: Request | None = None, code: object = "AuthenticationFail.NoPermission") -> Response:
    body = {"RequestId": "REQUEST-1", "Code": code, "Message": f"A sentence with {TOKEN}."}
    return Response(json.dumps(body).encode(), 401)


def fail_to_read(credentials: FederatedCredentials) -> OperatorError:
    with pytest.raises(OperatorError) as failure:
        credentials.read()
    return failure.value


def free_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/"


class TestWebIdentity:
    def test_a_token_is_asked_for_that_is_good_for_a_minute_and_one_audience(
        self, run: Callable[[Answer], FakeHttpServer]
    ) -> None:
        aws = run(aws_sts.issue_token)

        token = make_identity(aws.url, "the-audience").issue_token()

        assert token.count(".") == 2
        (request,) = aws.requests
        assert {name: request.form[name] for name in sorted(request.form)} == {
            "Action": "GetWebIdentityToken",
            "Audience.member.1": "the-audience",
            "DurationSeconds": "60",
            "SigningAlgorithm": "RS256",
            "Version": "2011-06-15",
        }

    @pytest.mark.parametrize(
        ("code", "http_status"),
        [
            ("AccessDenied", 403),
            ("ExpiredToken", 403),
            ("OutboundWebIdentityFederationDisabledException", 403),
            ("SessionDurationEscalationException", 403),
            ("Throttling", 400),
            ("ServiceUnavailable", 503),
        ],
    )
    def test_a_refusal_is_an_operators_fault_with_the_code_of_aws(
        self, run: Callable[[Answer], FakeHttpServer], code: str, http_status: int
    ) -> None:
        aws = run(lambda _: aws_sts.refuse(code, http_status, f"A sentence with {TOKEN}."))

        with pytest.raises(OperatorError) as failure:
            make_identity(aws.url).issue_token()

        assert failure.value.code == f"web_identity.{code}"
        assert find_leaks(failure.value, *MARKS) == []
        assert (failure.value.__cause__, failure.value.__context__) == (None, None)

    @pytest.mark.parametrize(
        ("response", "code"),
        [
            (None, "ReadTimeoutError"),
            (Response(b"<html>", 200), "ResponseParserError"),
            (aws_sts.hand_out(""), "unreadable_answer"),
        ],
        ids=["silence", "broken XML", "no token"],
    )
    def test_an_answer_that_is_none_is_an_operators_fault(
        self, run: Callable[[Answer], FakeHttpServer], response: Response | None, code: str
    ) -> None:
        aws = run(lambda _: response)

        with pytest.raises(OperatorError) as failure:
            make_identity(aws.url, read_timeout_s=0.2).issue_token()

        assert failure.value.code == f"web_identity.{code}"

    def test_a_server_that_does_not_listen_is_an_operators_fault(self) -> None:
        with pytest.raises(OperatorError) as failure:
            make_identity(free_url()).issue_token()

        assert failure.value.code == "web_identity.EndpointConnectionError"


class TestExchange:
    def test_a_token_is_traded_for_a_key(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock
    ) -> None:
        alibaba = run(grant)

        assert make_credentials(alibaba.url, clock).read() == Credentials("STS.id", "sts-s3cr3t", "sts-t0ken")

        (request,) = alibaba.requests
        assert request.path == "/"
        assert request.query == {
            "Action": "AssumeRoleWithOIDC",
            "Version": "2015-04-01",
            "Format": "JSON",
            "Timestamp": "2027-01-15T08:00:00Z",
        }
        assert request.form == {
            "OIDCProviderArn": PROVIDER_ARN,
            "RoleArn": ROLE_ARN,
            "RoleSessionName": "facematch",
            "DurationSeconds": "3600",
            "OIDCToken": TOKEN,
        }

    def test_a_key_is_used_until_five_minutes_before_it_ends(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock
    ) -> None:
        alibaba = run(grant)
        credentials = make_credentials(alibaba.url, clock)
        counts = []
        for passed_s in (0, SESSION_S - RENEWAL_LEAD_S - 1, 1):
            clock.advance(passed_s)
            credentials.read()
            counts.append(len(alibaba.requests))
        assert counts == [1, 1, 2]

    def test_a_invalidated_key_is_replaced(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock
    ) -> None:
        alibaba = run(grant)
        credentials = make_credentials(alibaba.url, clock)
        credentials.read()
        alibaba.answer = partial(grant, AccessKeyId="STS.another")
        credentials.invalidate()
        assert credentials.read().access_key_id == "STS.another"

    def test_many_threads_renew_once(self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock) -> None:
        alibaba = run(grant)
        credentials = make_credentials(alibaba.url, clock)
        credentials.read()
        clock.advance(SESSION_S)
        alibaba.answer = partial(grant, Expiration=write_time(START_MS / 1000 + 2 * SESSION_S))
        start = threading.Barrier(16)

        def read(_: int) -> Credentials:
            start.wait()
            return credentials.read()

        with ThreadPoolExecutor(16) as pool:
            assert len(set(pool.map(read, range(16)))) == 1
        assert len(alibaba.requests) == 2

    def test_nothing_of_a_key_shows_when_its_source_is_printed(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock
    ) -> None:
        credentials = make_credentials(run(grant).url, clock)
        credentials.read()
        printed = repr(credentials)
        assert [mark for mark in (*MARKS, "STS.id") if mark in printed] == []


class TestRenewalThatFails:
    def test_a_key_that_is_still_good_is_used_on(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock
    ) -> None:
        alibaba = run(grant)
        credentials = make_credentials(alibaba.url, clock)
        first = credentials.read()
        clock.advance(SESSION_S - RENEWAL_LEAD_S)
        alibaba.answer = refuse
        assert credentials.read() == first

    def test_it_is_tried_again_every_half_a_minute(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock
    ) -> None:
        alibaba = run(grant)
        credentials = make_credentials(alibaba.url, clock)
        credentials.read()
        clock.advance(SESSION_S - RENEWAL_LEAD_S)
        alibaba.answer = refuse
        counts = []
        for passed_s in (0, RENEWAL_PAUSE_S - 1, 1):
            clock.advance(passed_s)
            credentials.read()
            counts.append(len(alibaba.requests))
        assert counts == [2, 2, 3]

    def test_once_the_key_has_ended_it_is_an_operators_fault(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock
    ) -> None:
        alibaba = run(grant)
        credentials = make_credentials(alibaba.url, clock)
        credentials.read()
        clock.advance(SESSION_S)
        alibaba.answer = refuse
        assert fail_to_read(credentials).code == "assume_role.AuthenticationFail.NoPermission"

    def test_a_invalidated_key_is_not_used_on(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock
    ) -> None:
        alibaba = run(grant)
        credentials = make_credentials(alibaba.url, clock)
        credentials.read()
        credentials.invalidate()
        alibaba.answer = refuse
        fail_to_read(credentials)

    def test_what_was_repaired_is_used_at_once(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock
    ) -> None:
        alibaba = run(refuse)
        credentials = make_credentials(alibaba.url, clock)
        fail_to_read(credentials)
        alibaba.answer = grant
        assert credentials.read().access_key_id == "STS.id"


ODD_RESPONSES: dict[str, Response] = {
    "HTML": Response(b"<html></html>", 502),
    "nothing": Response(b""),
    "broken JSON": Response(grant().body[:-9]),
    "deep JSON": Response(b"[" * 200_000),
    "list": Response(b"[]"),
    "no key": Response(b"{}"),
    "key that is text": Response(b'{"Credentials": "sts-s3cr3t"}'),
    "no id": grant(AccessKeyId=None),
    "no secret": grant(AccessKeySecret=None),
    "no token": grant(SecurityToken=None),
    "no end": grant(Expiration=None),
    "empty token": grant(SecurityToken=""),
    "number as a secret": grant(AccessKeySecret=1),
    "end that is no time": grant(Expiration="soon"),
    "end in another form": grant(Expiration=1_800_000_000),
    "refusal without a code": refuse(code=None),
    "refusal with a sentence for a code": refuse(code=f"You sent {TOKEN}"),
    "refusal with an object for a code": refuse(code={"token": TOKEN}),
    "redirect": Response(b"", 307, {"location": "http://127.0.0.1:1/"}),
}


class TestFaultsOfTheExchange:
    @pytest.mark.parametrize(
        "code",
        [
            "AuthenticationFail.NoPermission",
            "AuthenticationFail.OIDCToken.Expired",
            "AuthenticationFail.OIDCToken.AudienceNotMatch",
            "EntityNotExist.Role",
            "Throttling.User",
        ],
    )
    def test_a_refusal_is_an_operators_fault_with_the_code_of_the_provider(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock, code: str
    ) -> None:
        failure = fail_to_read(make_credentials(run(partial(refuse, code=code)).url, clock))
        assert (failure.code, failure.request_id) == (f"assume_role.{code}", "REQUEST-1")
        assert find_leaks(failure, *MARKS) == []
        assert (failure.__cause__, failure.__context__) == (None, None)

    @pytest.mark.parametrize("response", ODD_RESPONSES.values(), ids=ODD_RESPONSES.keys())
    def test_an_answer_of_another_form_is_an_operator_error_without_its_content(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock, response: Response
    ) -> None:
        server = run(lambda _: response)
        failure = fail_to_read(make_credentials(server.url, clock))
        assert failure.code == "assume_role.unreadable_answer"
        assert len(server.requests) == 1
        assert find_leaks(failure, *MARKS) == []
        assert (failure.__cause__, failure.__context__) == (None, None)

    def test_silence_is_an_operators_fault(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock
    ) -> None:
        failure = fail_to_read(make_credentials(run(lambda _: None).url, clock, read_timeout_s=0.2))
        assert failure.code == "assume_role.timeout"
        assert find_leaks(failure, *MARKS) == []

    def test_a_server_that_does_not_listen_is_an_operators_fault(self, clock: FakeClock) -> None:
        failure = fail_to_read(make_credentials(free_url(), clock))
        assert failure.code == "assume_role.no_connection"
        assert find_leaks(failure, *MARKS) == []
        assert (failure.__cause__, failure.__context__) == (None, None)

    def test_without_a_token_nothing_is_asked(
        self, run: Callable[[Answer], FakeHttpServer], clock: FakeClock
    ) -> None:
        alibaba = run(grant)
        aws = run(lambda _: aws_sts.refuse("AccessDenied", 403))
        credentials = make_credentials(alibaba.url, clock, make_identity(aws.url).issue_token)
        assert fail_to_read(credentials).code == "web_identity.AccessDenied"
        assert alibaba.requests == []


@pytest.fixture(scope="module")
def emulator() -> Iterator[Addresses]:
    """An emulator without a key that is stored anywhere, and that checks each token's signature."""
    trust = OidcTrust(
        audiences=(AUDIENCE,),
        issuer=ISSUER,
        subjects=frozenset({SUBJECT}),
        public_key=make_key().public_key(),
    )
    with run_emulator(Rules(credentials=(), oidc_trust=trust, qps=dict.fromkeys(REGIONS, 1000))) as addresses:
        yield addresses
        close_sdk_sessions()


@pytest.fixture
def control(emulator: Addresses) -> ControlClient:
    client = ControlClient(emulator.control.removeprefix("http://"))
    client.reset()
    client.ask("DELETE", "/keys")
    return client


@pytest.fixture
def provider(
    emulator: Addresses,
    control: ControlClient,  # noqa: ARG001 - resets it
    run: Callable[[Answer], FakeHttpServer],
) -> FaceCompareProvider:
    """The whole way: AWS STS, the provider's STS, FaceCompare."""
    address = emulator.address("indonesia")
    identity = make_identity(run(aws_sts.issue_token).url)
    return FaceCompareProvider(
        {Region.INDONESIA: FaceCompareEndpoint(address, "HTTP")},
        make_credentials(f"http://{address}/", SystemClock(), identity.issue_token),
    )


def list_codes(control: ControlClient) -> list[tuple[str, str]]:
    return [(call["action"], call["code"]) for call in control.calls()]


class TestWholeWay:
    def test_a_pair_is_compared_without_a_stored_key(
        self, provider: FaceCompareProvider, control: ControlClient
    ) -> None:
        assert [provider.compare(make_call(region=Region.INDONESIA)).code for _ in range(2)] == [
            "Success",
            "Success",
        ]
        assert list_codes(control) == [
            ("AssumeRoleWithOIDC", "Success"),
            ("FaceCompare", "Success"),
            ("FaceCompare", "Success"),
        ]
        assert control.calls()[0]["host"] == "sts.ap-southeast-5.aliyuncs.com"

    def test_a_key_that_ends_early_is_replaced_within_the_call(
        self, provider: FaceCompareProvider, control: ControlClient
    ) -> None:
        provider.compare(make_call(region=Region.INDONESIA))
        (key,) = control.ask("GET", "/keys").document
        control.ask("PATCH", f"/keys/{key['access_key_id']}", {"ends_at": "2026-01-01T00:00:00Z"})

        assert provider.compare(make_call(region=Region.INDONESIA)).code == "Success"
        assert list_codes(control)[2:] == [
            ("FaceCompare", "InvalidSecurityToken.Expired"),
            ("AssumeRoleWithOIDC", "Success"),
            ("FaceCompare", "Success"),
        ]

    @pytest.mark.parametrize(
        ("audience", "signing_key", "code"),
        [
            ("another", make_key(), "AudienceNotMatch"),
            (AUDIENCE, make_key("another"), "InvalidSignature"),
        ],
        ids=["audience", "signature"],
    )
    def test_a_token_that_the_provider_does_not_trust_brings_no_key(
        self,
        emulator: Addresses,
        control: ControlClient,
        audience: str,
        signing_key: RSAPrivateKey,
        code: str,
    ) -> None:
        claims = {"iss": ISSUER, "sub": SUBJECT, "aud": audience, "exp": 2**40 // 1000}
        token = make_token(claims, key=signing_key)
        address = emulator.address("indonesia")
        failure = fail_to_read(make_credentials(f"http://{address}/", SystemClock(), lambda: token))
        assert failure.code == f"assume_role.AuthenticationFail.OIDCToken.{code}"
        assert find_leaks(failure, token) == []
        assert control.ask("GET", "/keys").document == []

    def test_no_log_at_any_level_contains_a_token_or_a_key(
        self,
        run: Callable[[Answer], FakeHttpServer],
        clock: FakeClock,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level(logging.DEBUG)
        issued = []
        identity = make_identity(run(aws_sts.issue_token).url)

        def issue_token() -> str:
            issued.append(identity.issue_token())
            return issued[-1]

        make_credentials(run(grant).url, clock, issue_token).read()

        assert caplog.records
        marks = (*issued, *MARKS)
        assert [record.name for record in caplog.records for mark in marks if mark in str(vars(record))] == []
        assert capfd.readouterr() == ("", "")
