import pytest

from facematch_cli.output import clean, count_of, format_duration, format_moment, summarise_photo


@pytest.mark.parametrize(
    ("duration_s", "told"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (59.6, "1 min"),
        (1000, "16 min 40 s"),
        (7200, "2 h"),
        (90_061, "1 d 1 h"),
        (-3, "0 s"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(duration_s: float, told: str) -> None:
    assert format_duration(duration_s) == told


def test_a_moment_is_told_in_utc() -> None:
    assert format_moment(1_760_000_000_999) == "2025-10-09 08:53:20Z"


def test_what_could_steer_a_terminal_does_not_reach_it() -> None:
    assert clean("a\x1b[31mb\r\nNguyễn") == "a\ufffd[31mb\ufffd\ufffdNguyễn"


def test_one_is_singular() -> None:
    assert [count_of(number, "pair") for number in (0, 1, 1000)] == ["0 pairs", "1 pair", "1,000 pairs"]


def test_a_photo_that_was_sent_as_it_came_says_so() -> None:
    report = {
        "source_width": 720,
        "source_height": 960,
        "source_format": "JPEG",
        "untouched": True,
        "size_bytes": 61_000,
    }

    assert summarise_photo(report) == "720x960 JPEG, 61 KB, sent as it came"
    assert summarise_photo({"url": True}) == "fetched by the provider itself"
