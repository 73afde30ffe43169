"""The documentation site, read from a folder, without a server and without a network."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from local.processes import LOCAL, ROOT
from tests.e2e.test_console import LONGEST_WAIT_MS, find_chromium

pytestmark = pytest.mark.verify

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text().partition("## Words")[0]
TERMS = re.findall(r"^\| (?!term )([A-Za-z][\w -]+?)(?:,[^|]*)? \|", GLOSSARY, re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build: list[str | Path] = [LOCAL / "docs" / "bin" / "mkdocs", "build", "--quiet", "--site-dir", folder]
    subprocess.run(build, cwd=ROOT, env={"NO_MKDOCS_2_WARNING": "1", "PATH": "/usr/bin:/bin"}, check=True)
    return folder


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of a browser. At the end, check that the browser requested only files."""
    requests = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        page = browser.new_page()
        page.set_default_timeout(LONGEST_WAIT_MS)
        page.on("request", lambda request: requests.append(request.url))
        yield page
        browser.close()
    assert [url for url in requests if not url.startswith("file:")] == []


def test_a_page_is_found_by_the_search_and_read_without_a_server(site: Path, page: Page) -> None:
    page.goto((site / "index.html").as_uri())
    # Key by key, because the search starts when a key is released.
    page.get_by_role("textbox", name="Search").press_sequentially("BacklogAgeAlarm")
    page.locator(".md-search-result__item a", has_text="Operate").first.click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Operate", timeout=LONGEST_WAIT_MS)


def test_the_search_finds_every_term_of_the_glossary(site: Path, page: Page) -> None:
    assert {"attempt", "worker"} <= set(TERMS)
    for term in TERMS:
        page.goto(f"{(site / 'index.html').as_uri()}?q={quote(term)}")
        results = page.locator(".md-search-result__item a")
        expect(results.first, f"No page is found by {term!r}.").to_be_attached(timeout=LONGEST_WAIT_MS)
