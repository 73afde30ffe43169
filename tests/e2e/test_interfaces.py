"""The deployed API and its OpenAPI document: Schemathesis sends valid and invalid requests.

It derives the requests from the document, so they are the same each time.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from requests.auth import AuthBase
from schemathesis import Case
from schemathesis.checks import positive_data_acceptance
from schemathesis.config import SchemathesisConfig

from facematch.domain.comparison import identify_request
from generate.api import OPENAPI
from harness.driver import CALLER, Driver
from harness.faults import make_small_photo
from local.processes import LOCAL_KEY

pytestmark = pytest.mark.verify

LONGEST_ANSWER_S: Final = 30
KNOWN: Final = {"get": "to-be-read", "delete": "to-be-erased"}
"""The Idempotency-Keys of existing comparisons, by the method that uses them."""
PLAN: Final = {
    # It also sends every example, and the limits of all fields of the schema.
    "generation": {
        "deterministic": True,
        "max-examples": 30,
        "no-shrink": True,
        # The session signs every request. test_api.py sends unsigned ones.
        "with-security-parameters": False,
    },
}
BEYOND_A_SCHEMA: Final = {
    "forbidden_url": "whether a host is public",
    "invalid_url": "what else makes a URL one to fetch from",
    "invalid_pair_id": "which characters can be printed",
    "invalid_upload_key": "the form of a key in the inbox",
    "invalid_base64": "what Base64 is, which JSON Schema notes and does not check",
    "empty": "what Base64 holds",
    "not_an_image": "what bytes hold",
    "idempotency_key_reused": "which bodies came before",
}
"""Codes of requests that are valid by the schema, with the rule that a schema cannot express."""


class Signature(AuthBase):
    """Signs a request with the local cloud's key."""

    def __init__(self, aws_region: str) -> None:
        key = Credentials(LOCAL_KEY, LOCAL_KEY)
        self._signer = SigV4Auth(key, "execute-api", aws_region)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        signed = AWSRequest(request.method, request.url, data=request.body)
        self._signer.add_auth(signed)
        request.headers.update(signed.headers)
        return request


@pytest.fixture(scope="module")
def session(driver: Driver) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # past any proxy
        session.auth = Signature(driver.stack.aws_region)
        yield session


@pytest.fixture(scope="module")
def answered() -> set[tuple[str, int]]:
    """The operations and the statuses of their answers."""
    return set()


def make_body(seed: int) -> dict[str, Any]:
    source, target = (base64.b64encode(make_small_photo(seed + one)).decode() for one in range(2))
    return {"region": "singapore", "source": {"photo": source}, "target": {"photo": target}}


def read_document() -> dict[str, Any]:
    """Return the document with examples for this stack: photos, and existing comparisons."""
    document: dict[str, Any] = json.loads(OPENAPI.read_text())
    paths = document["paths"]
    body = paths["/v1/comparisons"]["post"]["requestBody"]
    body["content"]["application/json"]["example"] = make_body(0)
    for method, key in KNOWN.items():
        (parameter,) = paths["/v1/comparisons/{comparison_id}"][method]["parameters"]
        parameter["example"] = identify_request(CALLER, key)
    return document


@pytest.fixture(scope="module", autouse=True)
def _known(driver: Driver) -> None:
    for seed, key in enumerate(KNOWN.values(), 2):
        posted = driver.request("POST", "/v1/comparisons", make_body(seed), {"Idempotency-Key": key})
        assert posted.body["id"] == identify_request(CALLER, key)


api = schemathesis.openapi.from_dict(read_document(), config=SchemathesisConfig.from_dict(PLAN))


@api.parametrize()
def test_each_operation_answers_as_its_document_says(
    case: Case[Any], driver: Driver, session: requests.Session, answered: set[tuple[str, int]]
) -> None:
    address = driver.stack.api_url
    answer = case.call(address, session, timeout=LONGEST_ANSWER_S)
    answered.add((case.operation.definition.raw["operationId"], answer.status_code))

    is_problem = "problem" in answer.headers.get("content-type", [""])[0]
    is_beyond = is_problem and answer.json()["code"] in BEYOND_A_SCHEMA
    excluded = [positive_data_acceptance] if is_beyond else []
    arguments = {"base_url": address, "session": session, "timeout": LONGEST_ANSWER_S}
    case.validate_response(answer, excluded_checks=excluded, transport_kwargs=arguments)


def test_each_operation_received_valid_and_invalid_requests(answered: set[tuple[str, int]]) -> None:
    assert answered >= {
        ("create_comparison", 200),
        ("create_comparison", 202),
        ("create_comparison", 400),
        ("create_comparison", 422),
        ("read_comparison", 200),
        ("read_comparison", 404),
        ("erase_comparison", 204),
        ("erase_comparison", 404),
        ("create_uploads", 201),
        ("create_uploads", 400),
    }
