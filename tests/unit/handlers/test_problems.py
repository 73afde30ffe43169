import json
from http import HTTPStatus

import pytest

from facematch.domain.errors import (
    FacematchError,
    InvalidInputError,
    LedgerUnavailableError,
    PostponedError,
    ProviderFaultError,
)
from facematch.handlers.problems import answer_error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidInputError("invalid_pair_id", "A sentence.", field="pair_id"), 400, "invalid_pair_id"),
        (InvalidInputError("region_not_allowed", "A sentence.", field="region"), 403, "region_not_allowed"),
        (LedgerUnavailableError(), 503, "ledger_unavailable"),
        (PostponedError("Throttling.Api", "A sentence.", retry_after_s=1), 503, "provider_unavailable"),
        (ProviderFaultError("InternalError", "A sentence."), 500, "internal_error"),
        (FacematchError("photo_replaced", "A sentence."), 500, "internal_error"),
        (FacematchError("already_ended", "A sentence."), 500, "internal_error"),
    ],
    ids=lambda value: value.code if isinstance(value, FacematchError) else "",
)
def test_an_error_is_answered_with_a_code_and_status_of_the_catalogue(
    error: FacematchError, status: int, code: str
) -> None:
    answer = answer_error(error)

    problem = json.loads(answer.body or "")
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["title"] == HTTPStatus(status).phrase
    assert {fault["code"] for fault in problem["errors"]} <= {code}


def test_what_is_postponed_says_when_to_repeat_it_in_whole_seconds() -> None:
    answer = answer_error(PostponedError("provider_unavailable", "A sentence.", retry_after_s=1.2))

    assert answer.headers["Retry-After"] == "2"
