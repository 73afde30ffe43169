"""The keys that are known: added, disabled, ended and removed while the emulator runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

_TIME_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"


class KeyFormError(ValueError):
    """What should be a key, or a change of one, is not in that form."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; with a security token it is a temporary one, as STS issues it."""

    access_key_id: str
    access_key_secret: str
    security_token: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key in its present state; only a temporary one ends."""

    credentials: Credentials
    active: bool = True
    ends_at: datetime | None = None


class KeyRing:
    """All keys by their ids, and those that it was made with."""

    def __init__(self, credentials: Iterable[Credentials]) -> None:
        self._first = tuple(Key(one) for one in credentials)
        self._keys: dict[str, Key] = {}
        self.reset()

    def find(self, access_key_id: str) -> Key | None:
        """Return a key, or None where there is none of that id."""
        return self._keys.get(access_key_id)

    def add(self, key: Key) -> None:
        """Have a key from now on, in the place of one with its id."""
        self._keys[key.credentials.access_key_id] = key

    def change(self, access_key_id: str, *, active: bool | None, ends_at: datetime | None) -> bool:
        """Change what is given; return whether there is such a key.

        Raises
        ------
        KeyFormError
            A key that is not temporary should end.
        """
        key = self._keys.get(access_key_id)
        if key is None:
            return False
        if ends_at is not None and key.credentials.security_token is None:
            raise KeyFormError("Only a temporary key ends.")
        self.add(
            replace(key, active=key.active if active is None else active, ends_at=ends_at or key.ends_at)
        )
        return True

    def remove(self, access_key_id: str) -> bool:
        """Forget a key; return whether there was one."""
        return self._keys.pop(access_key_id, None) is not None

    def remove_ended(self, before: datetime) -> None:
        """Forget the keys that ended before that time."""
        for access_key_id, key in list(self._keys.items()):
            if key.ends_at is not None and key.ends_at < before:
                self.remove(access_key_id)

    def reset(self) -> None:
        """Have exactly the keys of the beginning, as they were."""
        self._keys = {key.credentials.access_key_id: key for key in self._first}

    def describe(self) -> list[dict[str, object]]:
        """Return the keys for JSON: no secret and no token of theirs."""
        return [
            {
                "access_key_id": key.credentials.access_key_id,
                "active": key.active,
                "temporary": key.credentials.security_token is not None,
                "ends_at": write_time(key.ends_at) if key.ends_at else None,
            }
            for key in self._keys.values()
        ]


def read_key(document: object) -> Key:
    """Return the key that a JSON object describes.

    Raises
    ------
    KeyFormError
        It describes none.
    """
    names = {"access_key_id", "access_key_secret", "security_token"}
    fields = _read_object(document, names)
    if not names - {"security_token"} <= fields.keys():
        raise KeyFormError("A key has an access_key_id and an access_key_secret.")
    if not all(isinstance(value, str) and value for value in fields.values()):
        raise KeyFormError("The parts of a key are texts.")
    return Key(Credentials(**{name: str(value) for name, value in fields.items()}))


def read_change(document: object) -> tuple[bool | None, datetime | None]:
    """Return the `active` and the `ends_at` of a JSON object, None where not given.

    Raises
    ------
    KeyFormError
        It has something else, or in another form.
    """
    fields = _read_object(document, {"active", "ends_at"})
    active, ends_at = fields.get("active"), fields.get("ends_at")
    if not isinstance(active, bool | None):
        raise KeyFormError("active is true or false.")
    try:
        return active, None if ends_at is None else read_time(str(ends_at))
    except ValueError:
        raise KeyFormError("ends_at is a time as 2026-01-31T12:00:00Z.") from None


def _read_object(document: object, names: set[str]) -> Mapping[str, object]:
    if not isinstance(document, dict) or not document.keys() <= names:
        raise KeyFormError(f"The body is a JSON object with {', '.join(sorted(names))}.")
    return document


def read_time(text: str) -> datetime:
    """Return the time that a text in the provider's form names."""
    return datetime.strptime(text, _TIME_FORM).replace(tzinfo=UTC)


def write_time(time: datetime) -> str:
    """Return a time in the provider's form."""
    return time.astimezone(UTC).strftime(_TIME_FORM)
