"""The official SDK, unchanged, and a raw client for the requests it would never send."""

import http.client
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import urlencode
from uuid import uuid4

from alibabacloud_cloudauth_intl20220809.client import Client
from alibabacloud_cloudauth_intl20220809.models import FaceCompareRequest, FaceCompareResponseBody
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.core import DaraCore
from darabonba.runtime import RuntimeOptions

from facecompare_emulator import DEFAULT_CREDENTIALS, Credentials
from tests.factories.photos import PORTRAIT

TIMEOUT_S = 10


@contextmanager
def forgive_sdk() -> Iterator[None]:
    """The SDK calls `datetime.utcnow`, and swallows the warning's exception as a failed request."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="datetime.datetime.utcnow", category=DeprecationWarning)
        yield


def close_sdk_sessions() -> None:
    """The SDK keeps its connections for the life of the process."""
    while DaraCore._sessions:
        DaraCore._sessions.popitem()[1].close()


def make_client(address: str, credentials: Credentials = DEFAULT_CREDENTIALS) -> Client:
    return Client(
        Config(
            access_key_id=credentials.access_key_id,
            access_key_secret=credentials.access_key_secret,
            security_token=credentials.security_token,
            endpoint=address,
            protocol="HTTP",
        )
    )


def compare(
    address: str,
    credentials: Credentials = DEFAULT_CREDENTIALS,
    *,
    read_timeout_ms: int = TIMEOUT_S * 1000,
    **fields: str | None,
) -> FaceCompareResponseBody:
    """Compare with the SDK: a good call where nothing else is said."""
    given = {"merchant_biz_id": new_id(), "source_face_picture": PORTRAIT, "target_face_picture": PORTRAIT}
    request = FaceCompareRequest(**{**given, **fields})
    with forgive_sdk():
        runtime = RuntimeOptions(read_timeout=read_timeout_ms)
        return make_client(address, credentials).face_compare_with_options(request, runtime).body


def new_id() -> str:
    return uuid4().hex


@dataclass(frozen=True)
class RawRequest:
    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def without_header(self, name: str) -> Self:
        return replace(self, headers={key: value for key, value in self.headers.items() if key != name})


@dataclass(frozen=True)
class RawResponse:
    http_status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.document["Code"])


def sign(
    address: str,
    credentials: Credentials = DEFAULT_CREDENTIALS,
    *,
    method: str = "POST",
    query: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    **headers: str,
) -> RawRequest:
    """Sign a good call as the SDK does; `headers` replace its own, named with `_` for `-`."""
    with forgive_sdk():
        date = Utils.get_timestamp()
    query = {"MerchantBizId": new_id()} if query is None else query
    form = {"SourceFacePicture": PORTRAIT, "TargetFacePicture": PORTRAIT} if form is None else form
    body = urlencode(form).encode()
    body_sha256 = Utils.hash(body, "ACS3-HMAC-SHA256").hex()
    all_headers = {
        "host": address,
        "x-acs-version": "2022-08-09",
        "x-acs-action": "FaceCompare",
        "x-acs-date": date,
        "x-acs-signature-nonce": new_id(),
        "x-acs-content-sha256": body_sha256,
        "content-type": "application/x-www-form-urlencoded",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    unsigned = SimpleNamespace(method=method, pathname="/", query=query, headers=all_headers)
    all_headers["authorization"] = Utils.get_authorization(
        unsigned, "ACS3-HMAC-SHA256", body_sha256, credentials.access_key_id, credentials.access_key_secret
    )
    return RawRequest(method, query, all_headers, body)


def send(address: str, request: RawRequest) -> RawResponse:
    return exchange(address, request.method, f"/?{urlencode(request.query)}", request.body, request.headers)


def exchange(
    address: str, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> RawResponse:
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        return RawResponse(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


@dataclass(frozen=True)
class ControlClient:
    """The control port."""

    address: str

    def ask(self, method: str, path: str, document: object = None) -> RawResponse:
        body = b"" if document is None else json.dumps(document).encode()
        return exchange(self.address, method, f"/_emulator{path}", body)

    def comparisons(self) -> list[dict[str, Any]]:
        return [call for call in self.calls() if call["action"] == "FaceCompare"]

    def calls(self, query: str = "") -> list[dict[str, Any]]:
        return list(self.ask("GET", f"/calls{query}").document)

    def last_call(self) -> dict[str, Any]:
        return self.calls()[-1]

    def play(self, *scenarios: Mapping[str, object]) -> None:
        response = self.ask("PUT", "/scenarios", scenarios)
        assert response.http_status == 200, response.body

    def reset(self) -> None:
        self.ask("DELETE", "/scenarios")
        self.ask("DELETE", "/calls")
