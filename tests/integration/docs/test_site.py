"""The site, built as `make docs` builds it."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from harness.template import ROOT
from local.processes import LOCAL

pytestmark = pytest.mark.verify

LOADING = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src")}


@dataclass
class Page(HTMLParser):
    """What a page links to, loads, and can be jumped to."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (tag, name) in LOADING:
                self.loads.append(value)
            elif value and (tag, name) == ("a", "href"):
                self.links.append(value)
            elif value and name == "id":
                self.anchors.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [LOCAL / "docs" / "bin" / "mkdocs", "build", "--site-dir", folder],
        cwd=ROOT,
        env={"NO_MKDOCS_2_WARNING": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    found = {}
    for file in sorted(site.rglob("*.html")):
        found[file] = Page()
        found[file].feed(file.read_text())
    return found


def list_local(pages: dict[Path, Page], kind: str) -> Iterator[tuple[Path, str]]:
    for file, page in pages.items():
        for address in getattr(page, kind):
            # The page for what is not found is served from anywhere, and so begins its addresses at the root.
            if not urlsplit(address).scheme and file.name != "404.html":
                yield file, address


def test_every_page_of_the_folder_is_in_the_site(pages: dict[Path, Page], site: Path) -> None:
    sources = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}

    assert {file.relative_to(site) for file in pages} == sources | {Path("404.html")}


def test_every_link_leads_to_a_page_and_a_place_in_it(pages: dict[Path, Page]) -> None:
    broken = []
    for file, address in list_local(pages, "links"):
        parts = urlsplit(address)
        target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
        known = pages.get(target / "index.html" if target.is_dir() else target)
        place = unquote(parts.fragment)
        if not target.exists() or (place and known and place not in known.anchors):
            broken.append(f"{file.name}: {address}")

    assert broken == []


def test_nothing_is_loaded_from_elsewhere_or_missing(pages: dict[Path, Page]) -> None:
    elsewhere = [address for page in pages.values() for address in page.loads if urlsplit(address).netloc]
    missing = [
        address
        for file, address in list_local(pages, "loads")
        if not (file.parent / unquote(urlsplit(address).path)).exists()
    ]

    assert (elsewhere, missing) == ([], [])
