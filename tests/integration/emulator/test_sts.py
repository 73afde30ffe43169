import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from facecompare_emulator import DEFAULT_CREDENTIALS, Addresses, Credentials, OidcTrust, Rules, run_emulator
from facecompare_emulator.__main__ import _make_rules, _parse_arguments
from facecompare_emulator.endpoints import ENDPOINTS, Endpoint
from facecompare_emulator.keys import KeyRing
from facecompare_emulator.sts import read_public_key
from tests.fakes.web_identity import ISSUER, SUBJECT, encode, make_claims, make_key, make_token
from tests.integration.emulator.clients import ControlClient, RawResponse, compare, exchange

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
QUERY = {"Action": "AssumeRoleWithOIDC", "Version": "2015-04-01", "Format": "JSON"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def make_form(**changes: str | None) -> dict[str, str]:
    form = {
        "OIDCProviderArn": "acs:ram::1234567890123456:oidc-provider/aws",
        "RoleArn": "acs:ram::1234567890123456:role/facematch",
        "RoleSessionName": "facematch",
        "DurationSeconds": "3600",
        **changes,
    }
    if "OIDCToken" not in changes:
        form["OIDCToken"] = make_token()
    return {name: value for name, value in form.items() if value is not None}


def assume_role(address: str, query: Mapping[str, str] = QUERY, /, **changes: str | None) -> RawResponse:
    body = urlencode(make_form(**changes)).encode()
    return exchange(address, "POST", f"/?{urlencode(query)}", body, FORM)


def read_credentials(response: RawResponse) -> Credentials:
    given = response.document["Credentials"]
    return Credentials(given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"])


def refused_code(address: str, credentials: Credentials) -> str:
    with pytest.raises(ClientException) as refusal:
        compare(address, credentials)
    return str(refusal.value.code)


@pytest.fixture(autouse=True)
def _first_keys(control: ControlClient) -> Iterator[None]:
    yield
    control.ask("DELETE", "/keys")


@pytest.fixture(scope="module")
def strict_emulator() -> Iterator[Addresses]:
    """An emulator that knows the issuer and its key, and whose clock is at noon."""
    trust = OidcTrust(
        audiences=("one", "two"),
        issuer=ISSUER,
        subjects=frozenset({SUBJECT}),
        public_key=make_key().public_key(),
        longest_session_s=7200,
    )
    with run_emulator(Rules(oidc_trust=trust, now=lambda: NOW)) as addresses:
        yield addresses


@pytest.fixture
def strict(strict_emulator: Addresses) -> str:
    return strict_emulator.address("singapore")


def make_strict_claims(**changes: Any) -> dict[str, Any]:
    return make_claims(NOW.timestamp(), **{"aud": "two", **changes})


class TestAnswers:
    def test_a_token_is_traded_for_a_key_that_compares(self, singapore: str, control: ControlClient) -> None:
        response = assume_role(singapore)

        assert response.http_status == 200
        assert compare(singapore, read_credentials(response)).code == "Success"
        codes = [(call["action"], call["code"], call["compared"]) for call in control.calls()]
        assert codes == [("AssumeRoleWithOIDC", "Success", False), ("FaceCompare", "Success", True)]

    def test_the_answer_has_the_subject_and_the_expiry(self, strict: str) -> None:
        token = make_token(make_strict_claims())
        document = assume_role(strict, OIDCToken=token, DurationSeconds="900").document

        assert document.keys() == {"RequestId", "OIDCTokenInfo", "AssumedRoleUser", "Credentials"}
        assert document["Credentials"]["Expiration"] == "2026-05-01T12:15:00Z"
        assert document["Credentials"]["AccessKeyId"].startswith("STS.")
        assert document["AssumedRoleUser"]["Arn"] == "acs:ram::1234567890123456:role/facematch/facematch"
        assert document["OIDCTokenInfo"] == {
            "Subject": SUBJECT,
            "Issuer": ISSUER,
            "ClientIds": "two",
            "ExpirationTime": "2026-05-01T12:01:00Z",
            "VerificationInfo": "Success",
        }

    def test_each_key_is_another(self, singapore: str) -> None:
        first, second = (read_credentials(assume_role(singapore)) for _ in range(2))

        assert first != second
        assert [compare(singapore, one).code for one in (first, second)] == ["Success", "Success"]

    def test_everything_may_come_in_the_query(self, singapore: str) -> None:
        response = exchange(singapore, "GET", f"/?{urlencode(QUERY | make_form())}")

        assert compare(singapore, read_credentials(response)).code == "Success"

    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.host)
    def test_every_endpoint_answers_as_the_sts_of_its_region(
        self, addresses: Addresses, control: ControlClient, endpoint: Endpoint
    ) -> None:
        assert assume_role(addresses.address(endpoint.region, endpoint.network)).http_status == 200

        call = control.last_call()
        product = "sts" if endpoint.network == "public" else "sts-vpc"
        assert call["host"] == f"{product}.{endpoint.host.partition('.')[2]}"
        assert call["region"] == endpoint.region

    def test_a_refusal_has_the_form_of_the_provider(self, singapore: str) -> None:
        response = assume_role(singapore, RoleArn="facematch")

        assert response.document.keys() == {"RequestId", "HostId", "Code", "Message", "Recommend"}
        assert response.document["HostId"] == "sts.ap-southeast-1.aliyuncs.com"
        assert "product=Sts" in response.document["Recommend"]

    def test_no_log_shows_a_token_or_a_key(self, singapore: str, control: ControlClient) -> None:
        token = make_token()
        credentials = read_credentials(assume_role(singapore, OIDCToken=token))

        reported = json.dumps([control.calls(), control.ask("GET", "/keys").document])
        secrets = (token, credentials.access_key_secret, credentials.security_token)
        assert [secret for secret in secrets if secret is None or secret in reported] == []


class TestParameters:
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"OIDCProviderArn": None}, "AuthenticationFail.NoPermission"),
            ({"OIDCProviderArn": "arn:aws:iam::1:oidc-provider/aws"}, "AuthenticationFail.NoPermission"),
            ({"RoleArn": None}, "InvalidParameter.RoleArn"),
            ({"RoleArn": "acs:ram::1:user/facematch"}, "InvalidParameter.RoleArn"),
            ({"RoleSessionName": None}, "InvalidParameter.RoleSessionName"),
            ({"RoleSessionName": "face match"}, "InvalidParameter.RoleSessionName"),
            ({"RoleSessionName": "f"}, "InvalidParameter.RoleSessionName"),
            ({"DurationSeconds": "899"}, "InvalidParameter.DurationSeconds"),
            ({"DurationSeconds": "3601"}, "InvalidParameter.DurationSeconds"),
            ({"DurationSeconds": "an hour"}, "InvalidParameter.DurationSeconds"),
            ({"OIDCToken": None}, "AuthenticationFail.OIDCToken.Invalid"),
        ],
        ids=str,
    )
    def test_what_is_missing_or_wrong_is_refused(
        self, singapore: str, changes: dict[str, str | None], code: str
    ) -> None:
        assert assume_role(singapore, QUERY, **changes).code == code

    def test_a_session_lasts_an_hour_where_nothing_is_said(self, strict: str) -> None:
        token = make_token(make_strict_claims())
        document = assume_role(strict, OIDCToken=token, DurationSeconds=None).document
        assert document["Credentials"]["Expiration"] == "2026-05-01T13:00:00Z"

    @pytest.mark.parametrize(("version", "code"), [("2022-08-09", "InvalidVersion"), ("", "MissingVersion")])
    def test_another_version_is_refused(self, singapore: str, version: str, code: str) -> None:
        assert assume_role(singapore, QUERY | {"Version": version}).code == code

    def test_another_action_needs_a_signature(self, singapore: str) -> None:
        assert assume_role(singapore, QUERY | {"Action": "AssumeRole"}).code == "MissingAccessKeyId"


class TestTokens:
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({}, None),
            ({"aud": ["three", "one"]}, None),
            ({"aud": "three"}, "AudienceNotMatch"),
            ({"aud": []}, "AudienceNotMatch"),
            ({"aud": None}, "AudienceNotMatch"),
            ({"iss": "https://example.com"}, "IssuerNotMatch"),
            ({"iss": None}, "Invalid"),
            ({"sub": None}, "Invalid"),
            ({"exp": int(NOW.timestamp()) + 1}, None),
            ({"exp": int(NOW.timestamp())}, "Expired"),
            ({"exp": None}, "Invalid"),
            ({"exp": "soon"}, "Invalid"),
            ({"exp": 10**30}, "Invalid"),
        ],
        ids=str,
    )
    def test_claims_are_checked(self, strict: str, changes: dict[str, Any], code: str | None) -> None:
        response = assume_role(strict, OIDCToken=make_token(make_strict_claims(**changes)))

        if code is None:
            assert response.http_status == 200
        else:
            assert (response.code, response.http_status) == (f"AuthenticationFail.OIDCToken.{code}", 401)

    def test_another_subject_may_not_assume_the_role(self, strict: str) -> None:
        token = make_token(make_strict_claims(sub="arn:aws:iam::123456789012:role/another"))
        assert assume_role(strict, OIDCToken=token).code == "AuthenticationFail.NoPermission"

    def test_a_token_signed_by_another_is_refused(self, strict: str) -> None:
        token = make_token(make_strict_claims(), key=make_key("another"))
        assert assume_role(strict, OIDCToken=token).code == "AuthenticationFail.OIDCToken.InvalidSignature"

    def test_an_altered_token_is_refused(self, strict: str) -> None:
        header, _, signature = make_token(make_strict_claims()).split(".")
        claims = encode(json.dumps(make_strict_claims(exp=2**40 // 1000)).encode())
        response = assume_role(strict, OIDCToken=f"{header}.{claims}.{signature}")
        assert response.code == "AuthenticationFail.OIDCToken.InvalidSignature"

    @pytest.mark.parametrize("algorithm", ["none", "HS256", "ES384"])
    def test_where_signatures_are_checked_no_other_algorithm_goes(self, strict: str, algorithm: str) -> None:
        token = make_token(make_strict_claims(), algorithm=algorithm)
        assert assume_role(strict, OIDCToken=token).code == "AuthenticationFail.OIDCToken.Invalid"

    def test_without_a_key_no_signature_is_checked_and_it_says_so(
        self, singapore: str, control: ControlClient
    ) -> None:
        token = make_token(key=make_key("another"), algorithm="HS256")
        document = assume_role(singapore, OIDCToken=token).document

        assert document["OIDCTokenInfo"]["VerificationInfo"] == "Signature not checked"
        assert control.ask("GET", "").document["oidc_signatures_checked"] is False

    @pytest.mark.parametrize(
        "token",
        [
            "",
            "abc",
            "one.two",
            "one.two.three.four",
            "a.b.c",
            "§§§§.§§§§.§§§§",
            make_token([]),
            make_token("claims"),
            make_token({"padding": "x" * 20_000}),
        ],
        ids=lambda token: token[:40],
    )
    def test_what_is_no_token_is_refused(self, singapore: str, token: str) -> None:
        assert assume_role(singapore, OIDCToken=token).code == "AuthenticationFail.OIDCToken.Invalid"


class TestTemporaryKeys:
    def test_a_key_without_its_token_or_with_another_one_is_refused(self, singapore: str) -> None:
        key, another = (read_credentials(assume_role(singapore)) for _ in range(2))

        assert refused_code(singapore, replace(key, security_token=None)) == "MissingSecurityToken"
        mismatched = replace(key, security_token=another.security_token)
        assert refused_code(singapore, mismatched) == "InvalidSecurityToken.MismatchWithAccessKey"

    def test_an_ended_key_is_refused(self, singapore: str, control: ControlClient) -> None:
        key = read_credentials(assume_role(singapore))
        control.ask("PATCH", f"/keys/{key.access_key_id}", {"ends_at": "2026-01-31T12:00:00Z"})

        assert refused_code(singapore, key) == "InvalidSecurityToken.Expired"
        assert not control.last_call()["compared"]

    def test_keys_that_ended_long_ago_are_forgotten(self) -> None:
        time = [NOW]
        with run_emulator(Rules(now=lambda: time[0])) as addresses:
            control = ControlClient(addresses.control.removeprefix("http://"))
            counts = []
            for hours in (0, 2, 26):
                time[0] = NOW + timedelta(hours=hours)
                token = make_token(make_claims(time[0].timestamp()))
                assert assume_role(addresses.address("malaysia"), OIDCToken=token).http_status == 200
                counts.append(len(control.ask("GET", "/keys").document))
        assert counts == [2, 3, 3]


class TestKeysAtRunTime:
    def test_a_disabled_key_is_refused_until_it_is_enabled(
        self, singapore: str, control: ControlClient
    ) -> None:
        path = f"/keys/{DEFAULT_CREDENTIALS.access_key_id}"
        control.ask("PATCH", path, {"active": False})
        assert refused_code(singapore, DEFAULT_CREDENTIALS) == "InvalidAccessKeyId.Inactive"
        control.ask("PATCH", path, {"active": True})
        assert compare(singapore).code == "Success"

    def test_a_key_is_added_and_removed(self, singapore: str, control: ControlClient) -> None:
        key = Credentials("another-id", "another-secret")
        added = control.ask(
            "POST", "/keys", {"access_key_id": "another-id", "access_key_secret": "another-secret"}
        )
        assert [one["access_key_id"] for one in added.document] == ["emulator-key-id", "another-id"]
        assert compare(singapore, key).code == "Success"
        assert control.ask("DELETE", "/keys/another-id").http_status == 204
        assert refused_code(singapore, key) == "InvalidAccessKeyId.NotFound"

    def test_an_added_key_takes_the_place_of_its_namesake(
        self, singapore: str, control: ControlClient
    ) -> None:
        renewed = replace(DEFAULT_CREDENTIALS, access_key_secret="renewed")
        control.ask("POST", "/keys", {"access_key_id": renewed.access_key_id, "access_key_secret": "renewed"})
        assert compare(singapore, renewed).code == "Success"
        assert refused_code(singapore, DEFAULT_CREDENTIALS) == "SignatureDoesNotMatch"

    def test_a_reset_brings_back_the_first_keys(self, singapore: str, control: ControlClient) -> None:
        control.ask("DELETE", f"/keys/{DEFAULT_CREDENTIALS.access_key_id}")
        assert control.ask("GET", "/keys").document == []
        assert control.ask("DELETE", "/keys").http_status == 204
        assert compare(singapore).code == "Success"

    def test_keys_are_listed_without_their_secrets(self, control: ControlClient) -> None:
        control.ask("POST", "/keys", {"access_key_id": "a", "access_key_secret": "b", "security_token": "c"})
        control.ask("PATCH", "/keys/a", {"ends_at": "2026-01-31T12:00:00Z", "active": False})
        assert control.ask("GET", "/keys").document == [
            {"access_key_id": "emulator-key-id", "active": True, "temporary": False, "ends_at": None},
            {"access_key_id": "a", "active": False, "temporary": True, "ends_at": "2026-01-31T12:00:00Z"},
        ]

    @pytest.mark.parametrize(
        ("method", "path", "document", "http_status"),
        [
            ("POST", "/keys", {"access_key_id": "a"}, 400),
            ("POST", "/keys", {"access_key_id": "a", "access_key_secret": ""}, 400),
            ("POST", "/keys", {"access_key_id": "a", "access_key_secret": 1}, 400),
            ("POST", "/keys", {"access_key_id": "a", "access_key_secret": "b", "note": "c"}, 400),
            ("POST", "/keys", ["a", "b"], 400),
            ("POST", "/keys", None, 400),
            ("PATCH", "/keys/emulator-key-id", {"active": "no"}, 400),
            ("PATCH", "/keys/emulator-key-id", {"ends_at": "tomorrow"}, 400),
            ("PATCH", "/keys/emulator-key-id", {"ends_at": "2026-01-31T12:00:00Z"}, 400),
            ("PATCH", "/keys/emulator-key-id", {"access_key_secret": "b"}, 400),
            ("PATCH", "/keys/emulator-key-id", None, 400),
            ("PATCH", "/keys/nobody", {"active": False}, 404),
            ("DELETE", "/keys/nobody", None, 404),
        ],
        ids=str,
    )
    def test_what_can_not_be_done_is_refused_with_a_sentence(
        self, control: ControlClient, method: str, path: str, document: object, http_status: int
    ) -> None:
        response = control.ask(method, path, document)
        assert response.http_status == http_status
        assert response.document["error"].endswith(".")
        assert len(control.ask("GET", "/keys").document) == 1

    def test_a_key_ring_starts_with_what_it_is_given(self) -> None:
        assert KeyRing([]).describe() == []


class TestPublicKeys:
    def test_the_key_of_a_file_in_pem_is_read(self) -> None:
        public_key = make_key().public_key()
        pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        assert read_public_key(pem).public_numbers() == public_key.public_numbers()

    def test_the_program_takes_the_key_and_what_else_is_trusted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        public_key = make_key().public_key()
        file = tmp_path / "issuer.pem"
        file.write_bytes(public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        arguments = ["--oidc-public-key", str(file), "--oidc-issuer", ISSUER, "--oidc-audience", "me"]
        monkeypatch.setattr(sys, "argv", ["emulator", *arguments])

        trust = _make_rules(_parse_arguments()).oidc_trust

        assert trust.public_key is not None
        assert trust.public_key.public_numbers() == public_key.public_numbers()
        assert (trust.issuer, trust.audiences) == (ISSUER, ("me",))

    @pytest.mark.parametrize("content", [None, b"key"], ids=["missing", "not PEM"])
    def test_the_program_names_a_file_that_holds_no_key(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        content: bytes | None,
    ) -> None:
        file = tmp_path / "issuer.pem"
        if content is not None:
            file.write_bytes(content)
        monkeypatch.setattr(sys, "argv", ["emulator", "--oidc-public-key", str(file)])

        with pytest.raises(SystemExit):
            _parse_arguments()

        assert str(file) in capsys.readouterr().err

    def test_what_is_no_rsa_key_is_refused(self) -> None:
        other = generate_private_key(SECP384R1()).public_key()
        for pem in (b"", b"key", other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
            with pytest.raises(ValueError, match=r"."):
                read_public_key(pem)
