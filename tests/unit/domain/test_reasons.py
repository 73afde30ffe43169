import ast
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import get_args

import pytest

from facematch.domain.reasons import Reason, ReasonOutcome, find_reason, list_outcome
from facematch.domain.verdict import Decision
from harness.template import ROOT
from imaging.errors import PhotoErrorCode

CODED = {
    "ConflictError",
    "FacematchError",
    "InvalidInputError",
    "NotFoundError",
    "PhotoGoneError",
    "PydanticCustomError",
    "RejectedPhotoError",
    "answer_problem",
    "fail",
    "reject_photo",
}
"""What takes a code that a caller or a consumer gets."""


def list_codes(module: Path) -> Iterator[str]:
    """Yield the codes that a module passes on as literals."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CODED:
            named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            position = 1 if node.func.id == "answer_problem" else 0
            for value in [*node.args[position : position + 1], *named]:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


MODULES = sorted((ROOT / "src/facematch").rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_every_code_is_in_the_catalogue(module: Path) -> None:
    unknown = {code for code in list_codes(module) if find_reason(code) is None}

    assert unknown == set(), "Add it to facematch.domain.reasons and run `make interfaces`."


def test_codes_are_found_where_they_are_passed_on() -> None:
    assert {"invalid_pair_id", "invalid_upload_key"} <= set(
        list_codes(ROOT / "src/facematch/domain/inbox.py")
    )


def test_no_code_has_two_meanings() -> None:
    assert len(Reason.__members__) == len(set(Reason)) == len({reason.meaning for reason in Reason}) + 1
    # One is the answer to a request for an erased comparison, the other the reason of its last event.
    assert Reason.COMPARISON_ERASED.meaning == Reason.ERASED.meaning


@pytest.mark.parametrize("code", PhotoErrorCode)
def test_every_fault_of_a_photo_is_an_answer_and_a_result(code: PhotoErrorCode) -> None:
    reason = find_reason(code)

    assert reason is not None
    assert reason.outcome == "photo_rejected"
    assert reason.http_status == (413 if code is PhotoErrorCode.TOO_LARGE else 422)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_an_answer_or_a_result_in_one_sentence_or_two(reason: Reason) -> None:
    assert reason.http_status or reason.outcome
    assert reason.http_status is None or HTTPStatus(reason.http_status).is_client_error != (
        reason.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )
    assert reason.meaning.endswith(".")


def test_outcomes_are_decisions_with_a_reason() -> None:
    outcomes = set(get_args(ReasonOutcome.__value__))

    assert outcomes == set(Decision) - {Decision.MATCH, Decision.NO_MATCH}
    assert {reason for outcome in outcomes for reason in list_outcome(outcome)} == {
        reason for reason in Reason if reason.outcome
    }


def test_a_code_that_no_caller_gets_has_no_reason() -> None:
    assert find_reason("connection_lost") is None
