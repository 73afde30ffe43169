"""Holds the docs, and messages and docstrings of the code, to the terms of `docs/glossary.md`."""

from pathlib import Path

import pytest

from harness.template import ROOT
from tests.unit.docs_prose import (
    GLOSSARY,
    PACKAGES,
    PAGES,
    find_replaced,
    list_code_words,
    list_page_words,
)

STILL_TO_REWORD = set(PACKAGES)
"""Packages that still contain words to replace: `python -m tests.unit.docs_prose` counts them."""


def test_the_words_are_found_in_any_case_and_only_as_whole_words() -> None:
    assert find_replaced("The Vendor tells of a forbearing ticket-holder.") == ["Vendor", "tells"]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != GLOSSARY], ids=lambda page: str(page.relative_to(ROOT))
)
def test_a_page_uses_the_terms_of_the_glossary(page: Path) -> None:
    assert list(list_page_words(page)) == []


@pytest.mark.parametrize(
    "package",
    [
        pytest.param(name, marks=[pytest.mark.xfail(strict=False)] if name in STILL_TO_REWORD else [])
        for name in PACKAGES
    ],
)
def test_messages_and_docstrings_use_the_terms_of_the_glossary(package: str) -> None:
    assert list(list_code_words(package)) == []
