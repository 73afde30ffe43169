import pytest

from facematch_client.text import clean, count_of, format_duration, format_moment


@pytest.mark.parametrize(
    ("duration_s", "reported"),
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
def test_a_duration_is_shown_in_its_two_largest_units(duration_s: float, reported: str) -> None:
    assert format_duration(duration_s) == reported


def test_a_time_is_shown_in_utc() -> None:
    assert format_moment(1_760_000_000_999) == "2025-10-09 08:53:20Z"


def test_what_could_steer_a_terminal_does_not_reach_it() -> None:
    assert clean("a\x1b[31mb\r\nNguyễn") == "a\ufffd[31mb\ufffd\ufffdNguyễn"


def test_one_is_singular() -> None:
    assert [count_of(number, "pair") for number in (0, 1, 1000)] == ["0 pairs", "1 pair", "1,000 pairs"]
