"""Holds the prose of the docs to short sentences."""

from pathlib import Path

import pytest

from harness.template import ROOT
from tests.unit.docs_prose import PAGES, average_length, list_sentences

LONGEST_WORDS = 30
AVERAGE_WORDS = 16


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_sentence_is_long(page: Path) -> None:
    too_long = [
        f"{page.relative_to(ROOT)}:{sentence.line}: {len(sentence.words)} words: {sentence.text}"
        for sentence in list_sentences(page.read_text(encoding="utf-8"))
        if len(sentence.words) > LONGEST_WORDS
    ]
    assert not too_long, "\n".join(too_long)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_sentences_are_short_on_average(page: Path) -> None:
    sentences = list(list_sentences(page.read_text(encoding="utf-8")))
    longest = max(sentences, key=lambda sentence: len(sentence.words), default=None)
    assert average_length(sentences) <= AVERAGE_WORDS, f"Begin with the longest sentence: {longest}"


def test_sentences_are_read_without_code_tables_and_headings() -> None:
    text = """\
# A heading is not counted

The first sentence has `an inline
code span`. The second links
to [a page](page.md "Title").

| a table | is not |
| --- | --- |

```bash
a block is not
```

- An item ends a sentence
- Another one
"""
    found = [(sentence.line, sentence.text) for sentence in list_sentences(text)]
    assert found == [
        (3, "The first sentence has CODE."),
        (4, "The second links to a page."),
        (14, "An item ends a sentence"),
        (15, "Another one"),
    ]
