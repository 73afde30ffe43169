"""Holds the page to what its content security policy lets it do."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "console" / "page"
FILES = sorted(PAGE.iterdir())
HTML = (PAGE / "index.html").read_text()


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {"script": "", "style": ""}
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, _: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.texts:
            self.texts[self._open] += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def test_nothing_in_the_page_is_inline() -> None:
    page = read(HTML)

    attributes = {name for _, given in page.elements for name in given}
    assert page.texts == {"script": "", "style": ""}
    assert not {name for name in attributes if name == "style" or name.startswith("on")}


def test_the_page_refers_to_its_own_files_alone() -> None:
    referred = [
        address
        for tag, given in read(HTML).elements
        for name in ("src", "href")
        if (address := given.get(name)) is not None and tag != "a"
    ]

    assert referred
    assert all((PAGE / str(address).removeprefix("/page/")).is_file() for address in referred)


def test_every_label_that_something_is_named_by_is_there() -> None:
    elements = read(HTML).elements
    ids = [given["id"] for _, given in elements if "id" in given]
    named_by = {
        given[name]
        for _, given in elements
        for name in ("aria-labelledby", "aria-describedby")
        if name in given
    }

    assert len(ids) == len(set(ids))
    assert named_by <= set(ids)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_names_another_site(file: Path) -> None:
    addresses = set(re.findall(r"https?://[^\"'\s)]+", file.read_text()))

    assert addresses <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("file", [file for file in FILES if file.suffix == ".js"], ids=lambda file: file.name)
def test_a_module_imports_its_neighbours_and_makes_nothing_from_text(file: Path) -> None:
    source = file.read_text()

    imported = re.findall(r'from "([^"]+)"', source)
    assert all((PAGE / name).is_file() for name in imported)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", source
    )


@pytest.mark.parametrize("file", [file for file in FILES if file.suffix == ".js"], ids=lambda file: file.name)
def test_what_a_module_looks_for_is_on_the_page(file: Path) -> None:
    ids = {given["id"] for _, given in read(HTML).elements if "id" in given}

    assert set(re.findall(r'find\("#([a-z-]+)"\)', file.read_text())) <= ids
