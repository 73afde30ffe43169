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


CATALOGUE = ROOT / "src/facematch/domain/reasons.py"
OF_PHOTOS = ROOT / "layers/imaging/imaging/errors.py"
"""The layer can't import the catalogue, so it has a list of its own, which is compared below."""
FOLDERS = [ROOT / folder for folder in ("src", "layers", "cli", "console")]
MODULES = sorted({file for folder in FOLDERS for file in folder.rglob("*.py")} - {CATALOGUE, OF_PHOTOS})


def read_name(module: Path) -> str:
    return str(module.relative_to(ROOT))


def list_texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield each text that a module holds as a constant, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def list_codes(source: str) -> Iterator[tuple[int, str]]:
    """Yield each code that a module passes on as a text, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CODED:
            named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            position = 1 if node.func.id == "answer_problem" else 0
            for value in [*node.args[position : position + 1], *named]:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.lineno, value.value


@pytest.mark.parametrize("module", MODULES, ids=read_name)
def test_a_code_is_written_out_in_the_catalogue_alone(module: Path) -> None:
    for line, text in list_texts(module.read_text()):
        reason = find_reason(text)
        assert reason is None, f"{read_name(module)}:{line}: write Reason.{reason.name}, not {text!r}."


@pytest.mark.parametrize("module", sorted((ROOT / "src").rglob("*.py")), ids=read_name)
def test_every_code_is_in_the_catalogue(module: Path) -> None:
    for line, code in list_codes(module.read_text()):
        place = f"{read_name(module)}:{line}"
        assert find_reason(code), (
            f"{place}: add {code!r} to {read_name(CATALOGUE)}, then run `make interfaces`."
        )


def test_codes_are_found_wherever_they_are_written_out() -> None:
    source = "if reason == 'too_small':\n    fail('new_code', 'A sentence.')\n"

    assert (1, "too_small") in list(list_texts(source))
    assert list(list_codes(source)) == [(2, "new_code")]


def test_each_code_has_one_meaning_and_each_meaning_one_code() -> None:
    assert len(Reason.__members__) == len(set(Reason)) == len({reason.meaning for reason in Reason})


@pytest.mark.parametrize("code", PhotoErrorCode)
def test_every_fault_of_a_photo_is_an_answer_and_a_result(code: PhotoErrorCode) -> None:
    reason = find_reason(code)

    assert reason is not None
    assert reason.outcome == "photo_rejected"
    assert reason.http_status == (413 if code is PhotoErrorCode.FILE_TOO_LARGE else 422)


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
