"""Looks through an exception for what it must not hold."""

from collections.abc import Iterator


def find_leaks(error: BaseException, *marks: str) -> list[str]:
    """Return where in an exception, its causes and contexts a mark is found; variables of frames aside."""
    texts = _texts(error, type(error).__name__, set())
    return [where for where, text in texts for mark in marks if mark in text]


def _texts(thing: object, where: str, seen: set[int]) -> Iterator[tuple[str, str]]:
    if id(thing) in seen or thing is None:
        return
    seen.add(id(thing))
    if isinstance(thing, bytes):
        yield where, thing.decode("latin-1")
        return
    yield where, f"{thing!s} {thing!r}"
    if isinstance(thing, BaseException):
        yield from _texts(thing.args, f"{where}.args", seen)
        yield from _texts(thing.__cause__, f"{where}.__cause__", seen)
        yield from _texts(thing.__context__, f"{where}.__context__", seen)
    if isinstance(thing, list | tuple | set):
        for inner in thing:
            yield from _texts(inner, f"{where}[]", seen)
    elif isinstance(thing, dict):
        for name, inner in thing.items():
            yield from _texts(inner, f"{where}[{name!r}]", seen)
    elif hasattr(thing, "__dict__") and not isinstance(thing, type):
        for name, inner in vars(thing).items():
            yield from _texts(inner, f"{where}.{name}", seen)
