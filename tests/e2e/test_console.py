"""The console with the deployed stack, used in a browser.

Without Chromium, these tests are skipped. `CHROMIUM` in the environment sets the browser; `CHROMIUM=none`
skips the tests. With `CONSOLE_PICTURES=1`, they also write the pictures of docs/console.md.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from io import BytesIO
from itertools import combinations
from typing import Any, Final, Literal

import pytest
from PIL import ExifTags, Image
from playwright.sync_api import Browser, FloatRect, Page, expect, sync_playwright

from facematch.adapters.rate_limiter import DynamoDbRateLimiter
from facematch.domain.lane import FAILURES_TO_HOLD, Hold, HoldReason
from facematch.domain.regions import Region
from harness.driver import Driver, make_photo
from local.processes import ROOT, make_environment
from tests.factories.photos import make_portrait

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LONGEST_WAIT_MS: Final = 60_000
STOP_LIMIT_S: Final = 10
MARGIN_PX: Final = 24
DESKTOP: Final = (1184, 900)
PHONE: Final = (390, 844)
PICTURES: Final = ROOT / "docs" if os.environ.get("CONSOLE_PICTURES") else None
AXE: Final = files("axe_playwright_python").joinpath("axe.min.js").read_text()

type Axis = tuple[Literal["x", "y"], Literal["width", "height"]]
AXES: Final[tuple[Axis, ...]] = (("x", "width"), ("y", "height"))

type Scheme = Literal["light", "dark"]


def find_chromium() -> str:
    named = os.environ.get("CHROMIUM")
    if named == "none":
        pytest.skip("CHROMIUM=none: the console is not tested in a browser.")
    browser = named or next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip(
            "Chromium is missing: install it (`apt-get install chromium`), or set its path "
            "(CHROMIUM=/path/to/it)."
        )
    return browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    expect.set_options(timeout=LONGEST_WAIT_MS)
    arguments = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the console as a separate program; return its address."""
    folder = tmp_path_factory.mktemp("console")
    (folder / ".local").mkdir()
    driver.stack.save(folder / ".local" / "stack.json")
    with (folder / "console.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "console", "--port", "0"],
            cwd=folder,
            env=make_environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("The console: http://127.0.0.1:"), (folder / "console.log").read_text()
            yield line.split()[2]
            process.terminate()
            assert process.wait(STOP_LIMIT_S) == 0
            assert (folder / "console.log").read_text() == ""
        finally:
            process.kill()


@dataclass(frozen=True)
class ConsolePage:
    """The console's page, and the actions of a user."""

    page: Page
    address: str

    def choose(self, role: str, photo: bytes, name: str = "photo.jpg") -> None:
        file: Any = {"name": name, "mimeType": "image/jpeg", "buffer": photo}
        self.page.locator(f"#{role} input[type=file]").set_input_files(file)

    def choose_both(self, source: bytes, target: bytes) -> None:
        self.choose("source", source)
        self.choose("target", target)

    def ask_for(self, way: str, region: str = "singapore") -> None:
        self.page.get_by_role("radio", name=way, exact=True).check()
        self.page.get_by_role("radio", name=region, exact=True).check()

    def compare(self) -> None:
        self.page.get_by_role("button", name="Compare").click()

    def switch(self, name: str, *, on: bool) -> None:
        switch = self.page.get_by_role("switch", name=name)
        expect(switch).to_have_attribute("aria-checked", str(not on).lower())
        switch.click()
        expect(switch).to_have_attribute("aria-checked", str(on).lower())

    def expect_verdict(self, word: str) -> None:
        expect(self.page.locator("#verdict .label")).to_have_text(word)

    def expect_entry(self, text: str) -> None:
        entries = self.page.locator("#timeline li:not(.present)").filter(has_text=text)
        expect(entries.first).to_be_visible(timeout=LONGEST_WAIT_MS)

    def read_event(self) -> Any:
        return json.loads(self.page.locator("#event-json").text_content() or "")

    def check_accessibility(self) -> None:
        self.page.evaluate(AXE)
        found = self.page.evaluate("() => axe.run()")
        violations = [
            (violation["id"], [node["html"] for node in violation["nodes"]])
            for violation in found["violations"]
        ]
        assert violations == []
        assert found["passes"]

    def take_picture(self, name: str, *, first: str, last: str) -> None:
        """Write a picture of the page, from one element to another, to a file with few colours."""
        if PICTURES:
            # The mouse must not be over an element.
            self.page.mouse.move(0, 0)
            shot = Image.open(BytesIO(self.page.screenshot(full_page=True))).convert("RGB")
            top = self.measure(first)["top"] - MARGIN_PX
            bottom = self.measure(last)["bottom"] + MARGIN_PX
            picture = shot.crop((0, round(max(top, 0)), shot.width, round(bottom)))
            picture.quantize(256, dither=Image.Dither.NONE).save(PICTURES / f"{name}.png", optimize=True)

    def measure(self, selector: str) -> Any:
        """Return the top and the bottom of an element on the page."""
        script = """one => {
          const box = one.getBoundingClientRect();
          return { top: box.top + scrollY, bottom: box.bottom + scrollY };
        }"""
        return self.page.locator(selector).evaluate(script)


type OpenConsole = Callable[..., ConsolePage]


@pytest.fixture
def open_console(browser: Browser, address: str) -> Iterator[OpenConsole]:
    """Open the page in a new browser context. At the end, check that the browser reported no problems."""
    contexts, problems = [], []

    def open_page(
        scheme: Scheme = "light", size: tuple[int, int] = DESKTOP, timezone: str | None = None
    ) -> ConsolePage:
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": size[0], "height": size[1]},
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id=timezone,
        )
        context.set_default_timeout(LONGEST_WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if _is_problem(message) else None)
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((address, "blob:")) else problems.append(request.url)
            ),
        )
        page.goto(address)
        expect(page.locator("#health")).to_have_text("Live")
        return ConsolePage(page, address)

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def _is_problem(message: Any) -> bool:
    # The browser also reports refused requests, and some tests cause them.
    return message.type in {"error", "warning"} and "Failed to load resource" not in message.text


def make_sideways_photo() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    with Image.open(BytesIO(make_photo(5, width=1280, height=960))) as image:
        file = BytesIO()
        image.save(file, "JPEG", exif=exif.tobytes())
    return file.getvalue()


PHOTO: Final = make_photo(1)
TOO_SMALL: Final = make_portrait("small", 239, 640)


@pytest.mark.parametrize("way", ["Bucket", "API", "API, async"])
def test_a_good_pair_is_followed_to_the_event_that_leaves(
    open_console: OpenConsole, driver: Driver, way: str
) -> None:
    console = open_console()
    console.choose_both(PHOTO, PHOTO)
    console.ask_for(way)
    console.compare()

    console.expect_verdict("Match")
    console.expect_entry("published")
    expect(console.page.locator("#verdict svg")).to_have_accessible_name(
        "Score 100 of 100; match from 0, no match up to 100"
    )
    for entry in ("registered", "attempt 1", "ended: match"):
        console.expect_entry(entry)
    event = console.read_event()
    # The event is still on the queue for its consumer: the console does not delete messages.
    assert driver.wait_for_event(event["subject"]) == event
    expect(console.page.locator("#results")).to_contain_text(event["subject"])


def test_a_sideways_photo_is_shown_as_it_is_stored_and_as_it_is_sent(open_console: OpenConsole) -> None:
    console = open_console()
    console.choose("source", make_sideways_photo(), "sideways.jpg")

    source = console.page.locator("#source")
    expect(source).to_contain_text("Turned upright: it was lying on its side (EXIF orientation 6)")
    expect(source).to_contain_text("Scaled down from 960 x 1280 px to 720 x 960 px, to 75 % of each side")
    before, after = source.locator(".before img"), source.locator(".after img")
    expect(after).to_be_visible()
    shown = [image.evaluate("one => one.clientWidth > one.clientHeight") for image in (before, after)]
    assert shown == [True, False]


def test_bounds_decide_who_should_look(open_console: OpenConsole) -> None:
    console = open_console()
    console.choose_both(PHOTO, PHOTO)
    console.ask_for("API")
    console.page.get_by_label("Match from").fill("80")
    console.switch("In doubt", on=True)
    console.compare()

    console.expect_verdict("For review")
    expect(console.page.locator("#verdict")).to_contain_text("Match from 80, no match up to 100")
    console.expect_entry("published")
    console.switch("In doubt", on=False)


def test_a_refused_photo_is_shown_before_and_after_it_is_sent(open_console: OpenConsole) -> None:
    console = open_console()
    console.choose_both(TOO_SMALL, PHOTO)
    source = console.page.locator("#source")
    expect(source.locator(".done .fault")).to_contain_text("(too_small)")
    expect(source.locator(".done .fault")).to_contain_text("239")

    console.ask_for("API")
    console.compare()
    console.expect_verdict("Refused")
    expect(console.page.locator("#verdict")).to_contain_text("too_small")

    console.ask_for("Bucket")
    console.compare()
    console.expect_verdict("Photo rejected")
    expect(console.page.locator("#verdict")).to_contain_text("Rejected photo: source.")
    console.expect_entry("published")
    assert console.read_event()["data"]["attempts"] == 0
    expect(console.page.locator("#target")).not_to_have_class("photo rejected")


@pytest.mark.parametrize("region", list(Region))
def test_each_region_is_called_where_it_is(open_console: OpenConsole, driver: Driver, region: Region) -> None:
    console = open_console()
    console.choose_both(PHOTO, PHOTO)
    console.ask_for("API, async", region.value)
    console.compare()

    console.expect_verdict("Match")
    console.expect_entry("published")
    (call,) = driver.list_calls(console.read_event())
    assert call["region"] == region.value
    row = console.page.locator("#calls li").filter(has_text=call["merchant_biz_id"])
    expect(row).to_contain_text(region.value)


def test_a_throttled_pair_waits_and_goes_on(open_console: OpenConsole) -> None:
    console = open_console()
    console.choose_both(PHOTO, PHOTO)
    console.ask_for("API, async", "indonesia")
    console.switch("Throttled", on=True)
    console.compare()

    expect(console.page.locator("#timeline .present")).to_contain_text("(Throttling.Api)")
    console.switch("Throttled", on=False)
    console.expect_verdict("Match")


def test_an_outage_puts_the_region_on_hold_and_the_pairs_end_once_it_is_over(
    open_console: OpenConsole,
) -> None:
    console = open_console()
    console.choose_both(PHOTO, PHOTO)
    console.ask_for("API, async", "malaysia")
    console.switch("Outage", on=True)
    expect(console.page.locator("#compare-hint")).to_have_text("Active in the emulator: Outage.")
    for _ in range(FAILURES_TO_HOLD):
        console.compare()
        expect(console.page.get_by_role("button", name="Compare")).to_be_enabled()

    why = "the provider fails or does not respond (InternalError)"
    expect(console.page.locator("#holds")).to_contain_text(f"Calls to malaysia are on hold: {why}")
    expect(console.page.locator("#timeline .present")).to_contain_text(why)
    console.take_picture("console-outage", first="#pair-form .options", last="#switches")
    console.switch("Outage", on=False)
    console.expect_verdict("Match")
    console.expect_entry("published")
    expect(console.page.locator("#holds")).to_be_hidden()


def test_two_photos_dropped_at_once_are_the_pair(open_console: OpenConsole) -> None:
    console = open_console()
    data = console.page.evaluate_handle(
        """(photo) => {
          const data = new DataTransfer();
          const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
          for (const name of ["one.png", "two.png"]) data.items.add(new File([bytes], name));
          return data;
        }""",
        _encode_small_photo(),
    )
    console.page.locator("#source .drop").dispatch_event("drop", {"dataTransfer": data})

    expect(console.page.locator("#source .name")).to_have_text("one.png")
    expect(console.page.locator("#target .name")).to_have_text("two.png")
    expect(console.page.get_by_role("button", name="Compare")).to_be_enabled()


def _encode_small_photo() -> str:
    file = BytesIO()
    Image.new("L", (480, 640), 90).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_a_photo_is_taken_with_the_camera_unless_one_thinks_better_of_it(open_console: OpenConsole) -> None:
    console = open_console()
    take = console.page.get_by_role("button", name="Take the photo")
    console.page.get_by_role("button", name="Take with the camera as the target").click()
    expect(take).to_be_enabled()
    console.page.keyboard.press("Escape")
    expect(console.page.locator("#camera")).to_be_hidden()
    expect(console.page.locator("#target .invitation")).to_be_visible()

    console.page.get_by_role("button", name="Take with the camera as the target").click()
    take.click()
    expect(console.page.locator("#target .name")).to_have_text("camera-target.jpg")
    expect(console.page.locator("#target .done")).to_contain_text("baseline JPEG")


def test_the_keyboard_is_enough(open_console: OpenConsole) -> None:
    console = open_console()
    console.choose_both(PHOTO, PHOTO)
    page, press = console.page, console.page.keyboard.press
    # A disabled button is not in the tab order.
    expect(page.get_by_role("button", name="Compare")).to_be_enabled()
    page.get_by_role("radio", name="Bucket").focus()
    press("ArrowRight")
    press("Tab")
    press("ArrowRight")
    press("Tab")
    page.keyboard.type("55.5")
    expect(page.get_by_role("radio", name="API", exact=True)).to_be_checked()
    expect(page.get_by_role("radio", name="indonesia")).to_be_checked()
    expect(page.get_by_role("button", name="Compare")).to_be_enabled()
    press("Tab")
    press("Tab")
    press("Enter")
    console.expect_verdict("Match")
    expect(page.locator("#announcement")).to_contain_text("Match, score 100 of 100.")
    assert console.read_event()["data"]["bounds"] == {"match_from": 55.5, "no_match_up_to": 100.0}


def test_a_verdict_of_the_feed_shows_its_timeline_when_it_is_chosen(open_console: OpenConsole) -> None:
    console = open_console()
    row = console.page.locator("#results a").first
    subject = row.locator(".subject").text_content()
    row.click()

    expect(console.page.locator("#outcome-title")).to_be_focused()
    console.expect_entry("ended")
    assert console.read_event()["subject"] == subject


def test_a_pair_of_upload_forms_is_shown_from_the_arrival_of_its_photos(
    open_console: OpenConsole, driver: Driver
) -> None:
    driver.upload_pair("seen-by-form", seed=30)
    driver.wait_for_event("seen-by-form")
    console = open_console()
    console.page.locator("#results a").filter(has_text="seen-by-form").click()

    for entry in ("source arrived", "target arrived", "uploaded by", "published"):
        console.expect_entry(entry)


def test_the_sample_portraits_are_a_pair_to_begin_with(open_console: OpenConsole) -> None:
    console = open_console()
    console.page.get_by_role("button", name="Use the sample portraits").click()
    expect(console.page.locator("#target .done")).to_contain_text("Turned upright")
    expect(console.page.locator("#target .after .face rect")).to_be_visible()
    expect(console.page.locator("#target .done .warning")).to_contain_text("The face is small")
    console.compare()

    console.expect_verdict("Match")
    console.expect_entry("published")
    console.take_picture("console", first="header", last=".columns")


def test_the_keyboards_focus_goes_to_what_came_of_a_button(open_console: OpenConsole) -> None:
    console = open_console()
    console.page.get_by_role("button", name="Use the sample portraits").focus()
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#source")).to_be_focused()
    expect(console.page.locator("#target .done")).to_contain_text("Turned upright")

    console.page.get_by_role("button", name="Compare").focus()
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#outcome-title")).to_be_focused()
    console.expect_verdict("Match")


def test_a_comparison_has_an_address_that_outlasts_a_reload(open_console: OpenConsole) -> None:
    console = open_console()
    console.choose_both(PHOTO, PHOTO)
    console.compare()
    console.expect_verdict("Match")
    console.expect_entry("published")
    subject = console.read_event()["subject"]

    expect(console.page).to_have_url(f"{console.address}comparisons/{console.read_event()['id']}")
    console.page.reload()
    console.expect_verdict("Match")
    expect(console.page.locator("#outcome-eyebrow")).to_have_text(f"{subject}, by the bucket, singapore")
    console.page.go_back()
    expect(console.page.locator("#outcome")).to_be_hidden()


def test_an_address_of_no_comparison_says_so(open_console: OpenConsole) -> None:
    console = open_console()
    console.page.goto(f"{console.address}comparisons/nothing")

    console.expect_verdict("Not found")


def test_a_customer_is_searched_for_whatever_the_way_in(open_console: OpenConsole, driver: Driver) -> None:
    driver.put_pair("sought", seed=50)
    driver.wait_for_event("sought")
    driver.put("inbox/singapore/half-sought/source.jpg", PHOTO)
    console = open_console()
    results = console.page.locator("#results li")
    console.page.get_by_label("Pair id or comparison id").fill("sought")
    console.page.keyboard.press("Enter")
    expect(results).to_have_count(1)
    expect(results).to_contain_text("sought")

    console.page.get_by_label("Pair id or comparison id").fill("half-sought")
    console.page.keyboard.press("Enter")
    expect(results.first).to_contain_text("half-sought")
    console.page.get_by_label("Pair id or comparison id").fill("nobody")
    console.page.keyboard.press("Enter")
    expect(console.page.locator("#results-none")).to_have_text("Nothing found.")
    console.page.get_by_role("button", name="Show the latest verdicts").click()
    expect(results.first).to_be_visible()


def test_an_erased_person_disappears_from_the_page(open_console: OpenConsole, driver: Driver) -> None:
    driver.put_pair("to-be-erased", seed=60)
    comparison_id = driver.wait_for_event("to-be-erased")["id"]
    console = open_console()
    console.page.locator("#results a").filter(has_text="to-be-erased").click()
    console.expect_entry("published")
    assert console.read_event()["subject"] == "to-be-erased"

    assert driver.request("DELETE", f"/v1/comparisons/{comparison_id}").status == HTTPStatus.NO_CONTENT

    expect(console.page.locator("#results")).not_to_contain_text("to-be-erased")
    console.expect_verdict("Erased")
    expect(console.page.locator("#event")).to_be_hidden()
    assert "to-be-erased" not in console.page.content()


def test_a_region_on_hold_says_why_since_when_and_until_when(
    open_console: OpenConsole, driver: Driver
) -> None:
    hold = Hold(
        reason=HoldReason.OPERATOR,
        code="Forbidden.RAMUserAccessDenied",
        since_ms=1_795_000_000_000,
        until_ms=4_102_444_800_000,
        duration_s=900,
    )
    limiter = DynamoDbRateLimiter(driver.client("dynamodb"), driver.stack.table, {})
    assert limiter.hold(Region.HONG_KONG, hold, replacing=None)
    try:
        console = open_console()
        expect(console.page.locator("#holds")).to_have_text(
            "Calls to hong-kong are on hold: the provider refuses the account or its key "
            "(Forbidden.RAMUserAccessDenied), since 2026-11-18 11:06:40Z; next call at 2100-01-01 00:00:00Z."
        )
        hong_kong = console.page.locator("#quota li[data-region=hong-kong]")
        expect(hong_kong).to_contain_text("on hold: Forbidden.RAMUserAccessDenied")
    finally:
        limiter.lift(Region.HONG_KONG, hold)
        driver.client("dynamodb").delete_item(
            TableName=driver.stack.table, Key={"pk": {"S": "lane#hong-kong"}}
        )
    expect(console.page.locator("#holds")).to_be_hidden()


def test_times_are_in_utc_with_their_date_whatever_the_browsers_zone(open_console: OpenConsole) -> None:
    console = open_console(timezone="Asia/Singapore")
    console.choose_both(PHOTO, PHOTO)
    console.compare()
    console.expect_verdict("Match")
    console.expect_entry("published")
    event = console.read_event()

    row = console.page.locator("#results li").filter(has_text=event["subject"])
    expect(row.locator("time")).to_have_text(f"{event['time'][:10]} {event['time'][11:19]}Z")


@pytest.mark.parametrize("width", [320, 390, 1400])
def test_at_any_width_nothing_overlaps_and_no_heading_is_broken(
    open_console: OpenConsole, width: int
) -> None:
    console = open_console("light", (width, 900))
    console.choose_both(TOO_SMALL, TOO_SMALL)
    expect(console.page.locator("#target")).to_contain_text("too_small")
    console.page.locator("#results a").first.click()
    console.expect_entry("published")

    assert console.page.evaluate("document.documentElement.scrollWidth") == width
    assert console.page.evaluate(FIND_CLIPPED) == []
    frames = [console.page.locator(f"#{role} .drop").bounding_box() for role in ("source", "target")]
    button = console.page.locator("#samples").bounding_box()
    for one, other in combinations([*frames, button], 2):
        assert one is not None
        assert other is not None
        assert measure_distance(one, other) >= 16


FIND_CLIPPED: Final = """() => [...document.querySelectorAll("thead th, .timeline .at")]
  .filter((one) => one.scrollWidth > one.clientWidth)
  .map((one) => one.textContent)"""


def measure_distance(one: FloatRect, other: FloatRect) -> float:
    """Return the distance of two boxes: the larger one of both directions."""
    return max(
        max(one[at], other[at]) - min(one[at] + one[size], other[at] + other[size]) for at, size in AXES
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_anyone_can_use_the_page_with_all_of_it_in_use(open_console: OpenConsole, scheme: Scheme) -> None:
    console = open_console(scheme)
    console.choose_both(PHOTO, PHOTO)
    console.compare()
    console.expect_verdict("Match")
    console.expect_entry("published")
    console.choose("source", TOO_SMALL)
    expect(console.page.locator("#source")).to_contain_text("too_small")
    console.switch("No face", on=True)
    console.page.locator("summary").click()
    console.check_accessibility()
    console.switch("No face", on=False)


def test_a_phone_shows_all_of_it_without_scrolling_sideways(open_console: OpenConsole) -> None:
    console = open_console("light", PHONE)
    console.check_accessibility()
    console.choose_both(PHOTO, PHOTO)
    console.ask_for("API, async", "hong-kong")
    console.compare()
    console.expect_verdict("Match")
    console.expect_entry("published")

    assert console.page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    console.check_accessibility()
    console.take_picture("console-phone", first="#pair-form .options", last="#outcome")
