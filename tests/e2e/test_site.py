"""The documentation site, read from a folder, without a server and without a network."""

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from local.processes import LOCAL, ROOT
from tests.e2e.test_console import LONGEST_WAIT_MS, find_chromium

pytestmark = pytest.mark.verify


def test_a_page_is_found_by_the_search_and_read_without_a_server(tmp_path: Path) -> None:
    build: list[str | Path] = [LOCAL / "docs" / "bin" / "mkdocs", "build", "--quiet", "--site-dir", tmp_path]
    subprocess.run(build, cwd=ROOT, env={"NO_MKDOCS_2_WARNING": "1", "PATH": "/usr/bin:/bin"}, check=True)
    requests = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        page = browser.new_page()
        page.set_default_timeout(LONGEST_WAIT_MS)
        page.on("request", lambda request: requests.append(request.url))
        page.goto((tmp_path / "index.html").as_uri())
        # Key by key, because the search starts when a key is released.
        page.get_by_role("textbox", name="Search").press_sequentially("BacklogAgeAlarm")
        page.locator(".md-search-result__item a", has_text="Operate").first.click()

        expect(page.get_by_role("heading", level=1)).to_contain_text("Operate", timeout=LONGEST_WAIT_MS)
        browser.close()
    assert [url for url in requests if not url.startswith("file:")] == []
