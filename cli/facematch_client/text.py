"""Formats text and numbers for people."""

from datetime import UTC, datetime


def clean(value: object) -> str:
    """Return a text without characters that could control a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))


def format_duration(duration_s: float) -> str:
    """Return a duration in its two largest units: `0.4 s`, `42 s`, `16 min 40 s`, `2 d 3 h`."""
    if 0 < duration_s < 1:
        return f"{duration_s:.1g} s"
    seconds = max(round(duration_s), 0)
    parts: list[tuple[int, str]] = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count or parts:
            parts.append((count, unit))
    texts = [f"{count} {unit}" for count, unit in parts[:2] if count]
    return " ".join(texts) or "0 s"


def format_moment(at_ms: int) -> str:
    """Return Unix milliseconds as a date and time in UTC, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, in singular or plural."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
