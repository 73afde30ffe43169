"""Reads the prose of the documentation: `python -m tests.unit.docs_prose` prints its sentence lengths.

Code blocks, tables, headings and generated files are left out. An inline code span counts as one word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
GENERATED: Final = {"docs/licences.md", "docs/parameters.md", "docs/reasons.md"}
PAGES: Final = [
    page
    for page in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
    and str(page.relative_to(ROOT)) not in GENERATED
]
_FENCE: Final = re.compile(r"^\s*(```|~~~)")
_GENERATED_TABLE: Final = re.compile(r"<!-- table: \w+ -->")
_ITEM: Final = re.compile(r"^\s*(?:[-*]|\d+\.)\s+")
_NO_PROSE: Final = re.compile(r"^\s*(?:#|\||<|!\[|--8<--|$)")
_CODE: Final = "CODE"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, the line of its first word, and its words."""

    line: int
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.words)


def list_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line outside code blocks and generated tables, with its number."""
    end: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if end is not None:
            end = None if line.strip().startswith(end) else end
        elif fence := _FENCE.match(line):
            end = fence[1]
        elif _GENERATED_TABLE.match(line):
            end = "<!-- end -->"
        else:
            yield number, line


def strip_markup(line: str) -> str:
    """Return a line with code spans as one word, and links as their text."""
    line = re.sub(r"`[^`]*`", _CODE, line)
    line = re.sub(r"<!--.*?-->", "", line)
    line = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r"\1", line)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line)


def list_sentences(text: str) -> Iterator[Sentence]:
    """Yield the sentences of a page. A paragraph and a list item each end one."""
    words: list[tuple[int, str]] = []
    for block in _list_blocks(text):
        for number, line in block:
            for word in strip_markup(line).replace("*", "").split():
                if re.search(r"\w", word):
                    words.append((number, word))
                if words and re.search(r"[.!?][\"')\]]*$", word):
                    yield _make_sentence(words)
        if words:
            yield _make_sentence(words)


def _make_sentence(words: list[tuple[int, str]]) -> Sentence:
    sentence = Sentence(words[0][0], tuple(word for _, word in words))
    words.clear()
    return sentence


def _list_blocks(text: str) -> Iterator[list[tuple[int, str]]]:
    """Yield each paragraph and each list item as its lines."""
    block: list[tuple[int, str]] = []
    for number, line in list_lines(_join_code(text)):
        if _NO_PROSE.match(line) or _ITEM.match(line):
            if block:
                yield block
            block = []
        if not _NO_PROSE.match(line):
            block.append((number, _ITEM.sub("", line)))
    if block:
        yield block


def _join_code(text: str) -> str:
    """Return a page without line breaks inside code spans and link texts, and with as many lines."""
    return re.sub(r"(?<!`)`[^`\n]+\n[^`\n]+`(?!`)", lambda span: span[0].replace("\n", " ") + "\n", text)


def average_length(sentences: list[Sentence]) -> float:
    """Return the average number of words of a sentence."""
    return sum(len(sentence.words) for sentence in sentences) / max(len(sentences), 1)


def main() -> None:
    """Print for each page its lines, its sentences, and their average and greatest length."""
    rows = [("page", "lines", "sentences", "average", "longest")]
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        sentences = list(list_sentences(text))
        counts = (len(text.splitlines()), len(sentences))
        longest = max((len(sentence.words) for sentence in sentences), default=0)
        name = str(page.relative_to(ROOT))
        rows.append((name, *map(str, counts), f"{average_length(sentences):.1f}", str(longest)))
    for name, *figures in rows:
        print(f"{name:44}", *(f"{figure:>10}" for figure in figures))  # noqa: T201 - a report


if __name__ == "__main__":
    main()
