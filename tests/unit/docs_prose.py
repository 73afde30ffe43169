"""Measures the prose: `python -m tests.unit.docs_prose` prints sentence lengths, and words to replace.

Sentences are measured outside code blocks, tables, headings and generated files. An inline code span counts
as one word. Words to replace are in `docs/glossary.md`.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from harness.template import ROOT

GENERATED: Final = {"docs/licences.md", "docs/reasons.md"}
PAGES: Final = [
    page
    for page in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
    and str(page.relative_to(ROOT)) not in GENERATED
]
GLOSSARY: Final = ROOT / "docs" / "glossary.md"
PACKAGES: Final = {
    "cli": "cli",
    "console": "console",
    "layers": "layers",
    "src/adapters": "src/facematch/adapters",
    "src/domain": "src/facematch/domain",
    "src/handlers": "src/facematch/handlers",
    "src/use_cases": "src/facematch/use_cases",
    "src": "src/facematch",
}
_FENCE: Final = re.compile(r"^\s*(```|~~~)")
_GENERATED_TABLE: Final = re.compile(r"<!-- table: \w+ -->")
_ITEM: Final = re.compile(r"^\s*(?:[-*]|\d+\.)\s+")
_NO_PROSE: Final = re.compile(r"^\s*(?:#|\||<|!\[|--8<--|$)")
_CODE: Final = "CODE"
_LINE: Final = "\N{DOWNWARDS ARROW}"
"""Marks the beginning of a line with its number."""


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
    line = re.sub(r"`[^`]*`", lambda span: " ".join([*re.findall(rf"{_LINE}\d+", span[0]), _CODE]), line)
    line = re.sub(r"<!--.*?-->", "", line)
    line = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r"\1", line)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line)


def list_sentences(text: str) -> Iterator[Sentence]:
    """Yield the sentences of a page. A paragraph and a list item each end one."""
    for block in _list_blocks(text):
        marked = " ".join(f"{_LINE}{number} {line}" for number, line in block)
        words: list[str] = []
        first = current = block[0][0]
        for word in strip_markup(marked).replace("*", "").split():
            if word.startswith(_LINE):
                current = int(word.removeprefix(_LINE))
                continue
            if re.search(r"\w", word):
                first = first if words else current
                words.append(word)
            if words and re.search(r"[.!?][\"')\]]*$", word):
                yield Sentence(first, tuple(words))
                words = []
        if words:
            yield Sentence(first, tuple(words))


def _list_blocks(text: str) -> Iterator[list[tuple[int, str]]]:
    """Yield each paragraph and each list item as its lines, with their numbers."""
    block: list[tuple[int, str]] = []
    for number, line in list_lines(text):
        if _NO_PROSE.match(line) or _ITEM.match(line):
            if block:
                yield block
            block = []
        if not _NO_PROSE.match(line):
            block.append((number, _ITEM.sub("", line)))
    if block:
        yield block


def average_length(sentences: list[Sentence]) -> float:
    """Return the average number of words of a sentence."""
    return sum(len(sentence.words) for sentence in sentences) / max(len(sentences), 1)


@cache
def read_replaced() -> re.Pattern[str]:
    """Return a pattern of the words and phrases in the columns "not" of the glossary."""
    terms, _, words = GLOSSARY.read_text(encoding="utf-8").partition("## Words")
    cells = [row[-1] for row in _read_rows(terms)] + [row[0] for row in _read_rows(words)]
    phrases = {phrase.strip() for cell in cells for phrase in cell.split(",")} - {""}
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE)


def _read_rows(text: str) -> list[list[str]]:
    """Return the cells of a table, without its head."""
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def find_replaced(text: str) -> list[str]:
    """Return the words in a text that the glossary replaces."""
    return [match[0] for match in read_replaced().finditer(text)]


def list_page_words(page: Path) -> Iterator[str]:
    """Yield each word to replace of a page, outside code, with its file and line."""
    for number, line in list_lines(page.read_text(encoding="utf-8")):
        for word in find_replaced(strip_markup(line)):
            yield f"{page.relative_to(ROOT)}:{number}: {word}"


def list_code_words(package: str) -> Iterator[str]:
    """Yield each word to replace in docstrings and messages of a package, with its file and line."""
    folder = ROOT / PACKAGES[package]
    files = folder.glob("*.py") if package == "src" else folder.rglob("*.py")
    for file in sorted(files):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                for word in find_replaced(re.sub(r"`[^`]*`", "", node.value)):
                    yield f"{file.relative_to(ROOT)}:{node.lineno}: {word}"


def main() -> None:
    """Print the figures of each page, then the words to replace in pages and packages."""
    rows: list[tuple[str, ...]] = [("page", "lines", "sentences", "average", "longest")]
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        sentences = list(list_sentences(text))
        counts = (len(text.splitlines()), len(sentences))
        longest = max((len(sentence.words) for sentence in sentences), default=0)
        name = str(page.relative_to(ROOT))
        rows.append((name, *map(str, counts), f"{average_length(sentences):.1f}", str(longest)))
    for name, *figures in rows:
        print(f"{name:44}", *(f"{figure:>10}" for figure in figures))  # noqa: T201 - a report
    print(*(word for page in PAGES if page != GLOSSARY for word in list_page_words(page)), sep="\n")  # noqa: T201
    for package in PACKAGES:
        found = Counter(line.rpartition(": ")[2].lower() for line in list_code_words(package))
        print(f"{package:16} {found.total():4} ", dict(found.most_common()))  # noqa: T201


if __name__ == "__main__":
    main()
