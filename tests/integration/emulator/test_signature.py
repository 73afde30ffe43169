import hashlib
import hmac
import http.client
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException

from facecompare_emulator import DEFAULT_CREDENTIALS, Addresses, Credentials, Rules, run_emulator
from facecompare_emulator.endpoints import ENDPOINTS, Endpoint
from facecompare_emulator.signature import ReceivedRequest, canonicalise
from facematch.domain.regions import PROFILES, Network, Region
from tests.integration.emulator.clients import (
    TIMEOUT_S,
    ControlClient,
    compare,
    exchange,
    forgive_sdk,
    make_client,
    send,
    sign,
)


def test_the_provider_documents_this_signature() -> None:
    headers = (
        ("host", "ecs.cn-shanghai.aliyuncs.com"),
        ("x-acs-action", "RunInstances"),
        ("x-acs-content-sha256", hashlib.sha256(b"").hexdigest()),
        ("x-acs-date", "2023-10-26T10:22:32Z"),
        ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
        ("x-acs-version", "2014-05-26"),
    )
    query = "RegionId=cn-shanghai&ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"
    request = ReceivedRequest("POST", "/", query, headers, b"")

    canonical = canonicalise(request, [name for name, _ in headers])

    string_to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(b"YourAccessKeySecret", string_to_sign.encode(), hashlib.sha256).hexdigest()
    assert signature == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.host)
def test_sdk_is_accepted_at_every_endpoint(
    addresses: Addresses, control: ControlClient, endpoint: Endpoint
) -> None:
    body = compare(addresses.address(endpoint.region, endpoint.network))

    assert (body.code, body.message, body.result.passed) == ("Success", "success", "Y")
    call = control.last_call()
    assert (call["region"], call["network"], call["code"]) == (endpoint.region, endpoint.network, "Success")
    assert call["host"] == PROFILES[Region(endpoint.region)].host(Network(endpoint.network))


def test_keepalive_is_accepted_and_compares_nothing(singapore: str, control: ControlClient) -> None:
    with forgive_sdk():
        assert make_client(singapore).keepalive_intl().status_code == 200
    by_get = sign(singapore, method="GET", query={}, form={}, x_acs_action="KeepaliveIntl")
    assert send(singapore, by_get).code == "Success"

    assert [(call["action"], call["compared"]) for call in control.calls()] == [("KeepaliveIntl", False)] * 2


@pytest.mark.parametrize(
    ("credentials", "code", "http_status"),
    [
        (replace(DEFAULT_CREDENTIALS, access_key_secret="wrong"), "SignatureDoesNotMatch", 400),
        (replace(DEFAULT_CREDENTIALS, access_key_id="unknown"), "InvalidAccessKeyId.NotFound", 404),
        (replace(DEFAULT_CREDENTIALS, security_token="t"), "InvalidSecurityToken.MismatchWithAccessKey", 400),
    ],
)
def test_sdk_with_wrong_credentials_is_refused(
    singapore: str, control: ControlClient, credentials: Credentials, code: str, http_status: int
) -> None:
    with pytest.raises(ClientException) as refusal:
        compare(singapore, credentials)

    assert (refusal.value.code, refusal.value.status_code) == (code, http_status)
    assert refusal.value.request_id
    call = control.last_call()
    assert (call["code"], call["compared"], call["merchant_biz_id"]) == (code, False, None)


def test_error_has_the_form_of_the_provider(singapore: str) -> None:
    response = send(singapore, sign(singapore, replace(DEFAULT_CREDENTIALS, access_key_id="unknown")))

    assert response.document.keys() == {"RequestId", "HostId", "Code", "Message", "Recommend"}
    assert response.document["HostId"] == "cloudauth-intl.ap-southeast-1.aliyuncs.com"
    assert response.headers["x-acs-request-id"] == response.document["RequestId"]


def test_altered_body_is_refused(singapore: str) -> None:
    request = sign(singapore)
    altered = replace(request, body=request.body[:-2] + b"AA")
    assert send(singapore, altered).code == "SignatureDoesNotMatch"
    # Not even when the announced hash is made to fit.
    announced = {**request.headers, "x-acs-content-sha256": hashlib.sha256(altered.body).hexdigest()}
    assert send(singapore, replace(altered, headers=announced)).code == "SignatureDoesNotMatch"


def test_altered_query_is_refused(singapore: str) -> None:
    altered = replace(sign(singapore), query={"MerchantBizId": "another"})
    assert send(singapore, altered).code == "SignatureDoesNotMatch"


def test_replayed_nonce_is_refused(singapore: str, control: ControlClient) -> None:
    request = sign(singapore)
    codes = [send(singapore, request).code for _ in range(2)]
    assert codes == ["Success", "SignatureNonceUsed"]
    assert [call["compared"] for call in control.calls()] == [True, False]


def test_unproven_request_uses_up_no_nonce(singapore: str) -> None:
    request = sign(singapore)
    assert send(singapore, replace(request, body=b"forged")).code == "SignatureDoesNotMatch"
    assert send(singapore, request).code == "Success"


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (timedelta(minutes=14), "Success"),
        (timedelta(minutes=-14), "Success"),
        (timedelta(minutes=16), "InvalidTimeStamp.Expired"),
        (timedelta(minutes=-16), "InvalidTimeStamp.Expired"),
    ],
)
def test_date_may_be_a_quarter_of_an_hour_off(singapore: str, age: timedelta, code: str) -> None:
    date = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert send(singapore, sign(singapore, x_acs_date=date)).code == code


@pytest.mark.parametrize(
    ("headers", "code", "http_status"),
    [
        ({"x_acs_version": "2019-03-07"}, "InvalidVersion", 400),
        ({"x_acs_action": "CheckResult"}, "InvalidAction.NotFound", 404),
        ({"x_acs_action": "FaceCompareV9"}, "InvalidAction.NotFound", 404),
        ({"x_acs_date": "yesterday"}, "InvalidTimeStamp.Format", 400),
        ({"method": "GET"}, "UnsupportedHTTPMethod", 403),
    ],
)
def test_wrong_operation_is_refused(
    singapore: str, headers: dict[str, str], code: str, http_status: int
) -> None:
    response = send(singapore, sign(singapore, **headers))  # type: ignore[arg-type] # only texts are passed
    assert (response.code, response.http_status) == (code, http_status)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("authorization", "MissingAccessKeyId"),
        ("x-acs-date", "MissingTimestamp"),
        ("x-acs-signature-nonce", "MissingSignatureNonce"),
        ("x-acs-content-sha256", "IncompleteSignature"),
        ("x-acs-version", "SignatureDoesNotMatch"),
        ("x-acs-action", "SignatureDoesNotMatch"),
    ],
)
def test_missing_header_is_refused(singapore: str, header: str, code: str) -> None:
    assert send(singapore, sign(singapore).without_header(header)).code == code


@pytest.mark.parametrize(
    ("header", "code"), [("x_acs_version", "MissingVersion"), ("x_acs_action", "MissingAction")]
)
def test_empty_header_is_refused(singapore: str, header: str, code: str) -> None:
    headers = {header: ""}
    assert send(singapore, sign(singapore, **headers)).code == code  # type: ignore[arg-type] # only texts


def test_every_provider_header_must_be_signed(singapore: str) -> None:
    request = sign(singapore)
    smuggled = replace(request, headers={**request.headers, "x-acs-security-token": ""})
    assert send(singapore, smuggled).code == "IncompleteSignature"
    half = {**request.headers, "authorization": "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host"}
    assert send(singapore, replace(request, headers=half)).code == "IncompleteSignature"


SIGNED_IN_QUERY = {
    "Action": "FaceCompare",
    "Version": "2022-08-09",
    "AccessKeyId": DEFAULT_CREDENTIALS.access_key_id,
    "Signature": "x",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureVersion": "1.0",
    "SignatureNonce": "1",
    "Timestamp": "2026-11-28T17:00:00Z",
    "Format": "JSON",
}


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("place", ["query", "form"])
def test_older_signature_is_named_as_not_emulated(
    singapore: str, control: ControlClient, version: str, place: str
) -> None:
    parameters = urlencode({**SIGNED_IN_QUERY, "SignatureVersion": version})
    if place == "query":
        response = exchange(singapore, "GET", f"/?{parameters}")
    else:
        form = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        response = exchange(singapore, "POST", "/?Action=FaceCompare", parameters.encode(), form)

    assert (response.http_status, response.code) == (400, "NotEmulated.Signature")
    assert f"does not support signature version {version}" in response.document["Message"]
    call = control.last_call()
    assert (call["action"], call["code"]) == ("FaceCompare", "NotEmulated.Signature")


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"authorization": "ACS3-HMAC-SM3 Credential=a,SignedHeaders=host,Signature=b"}, "ACS3-HMAC-SM3"),
        ({"authorization": "acs key:signature"}, "signature method acs."),
        ({"x-acs-signature-type": "BEARERTOKEN", "x-acs-bearer-token": "t"}, "BEARERTOKEN"),
    ],
)
def test_other_signature_method_is_named_as_not_emulated(
    singapore: str, headers: dict[str, str], named: str
) -> None:
    request = sign(singapore).without_header("authorization")
    response = send(singapore, replace(request, headers={**request.headers, **headers}))

    assert response.code == "NotEmulated.Signature"
    assert named in response.document["Message"]


def test_temporary_credentials_need_their_token() -> None:
    temporary = Credentials("STS.key", "secret", "token")
    with run_emulator(Rules(credentials=(DEFAULT_CREDENTIALS, temporary))) as addresses:
        address = addresses.address("malaysia")
        assert compare(address, temporary).code == "Success"
        for token, code in (
            (None, "MissingSecurityToken"),
            ("other", "InvalidSecurityToken.MismatchWithAccessKey"),
        ):
            with pytest.raises(ClientException) as refusal:
                compare(address, replace(temporary, security_token=token))
            assert refusal.value.code == code


def test_answers_carry_the_date_of_the_provider(singapore: str, control: ControlClient) -> None:
    sent = send(singapore, sign(singapore)).headers["date"]
    assert abs(parsedate_to_datetime(sent) - datetime.now(UTC)) < timedelta(minutes=1)

    assert control.ask("PUT", "/clock", {"ahead_s": 1200}).document == {"ahead_s": 1200}
    try:
        late = send(singapore, sign(singapore))
    finally:
        control.ask("PUT", "/clock", {"ahead_s": 0})
    assert late.code == "InvalidTimeStamp.Expired"
    ahead = parsedate_to_datetime(late.headers["date"]) - datetime.now(UTC)
    assert timedelta(minutes=19) < ahead < timedelta(minutes=21)


@pytest.mark.parametrize("clock", [[], {"ahead_s": "long"}, {"ahead_s": True}, {"ahead_s": 1e9}, {"x": 1}])
def test_a_clock_that_makes_no_sense_is_refused(control: ControlClient, clock: object) -> None:
    assert "'ahead_s'" in control.ask("PUT", "/clock", clock).document["error"]


def test_idle_connection_is_closed() -> None:
    with run_emulator(Rules(idle_timeout_s=0.2)) as addresses:
        address = addresses.address("singapore")
        request = sign(address)
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
        connection.request("POST", f"/?{urlencode(request.query)}", request.body, dict(request.headers))
        response = connection.getresponse()
        assert response.read()
        assert response.headers["Keep-Alive"] == "timeout=0.2"
        assert connection.sock.recv(1) == b""
        connection.close()
