"""The keys of the emulator. They can be added, disabled, ended and removed while it runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


class KeyFormError(ValueError):
    """A JSON document does not describe a key, or a change of a key."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key. With a security token, it is a temporary key, as STS issues it."""

    access_key_id: str
    access_key_secret: str
    security_token: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its state. Only a temporary key has an end."""

    credentials: Credentials
    active: bool = True
    ends_at: datetime | None = None


class KeyRing:
    """All keys by their ids. `reset` restores the initial keys."""

    def __init__(self, credentials: Iterable[Credentials]) -> None:
        self._initial = tuple(Key(pair) for pair in credentials)
        self._keys: dict[str, Key] = {}
        self.reset()

    def find(self, access_key_id: str) -> Key | None:
        """Return the key with this id, or None."""
        return self._keys.get(access_key_id)

    def add(self, key: Key) -> None:
        """Add a key, or replace the key with the same id."""
        self._keys[key.credentials.access_key_id] = key

    def change(self, access_key_id: str, *, active: bool | None, ends_at: datetime | None) -> bool:
        """Change the given properties; return whether the key exists.

        Raises
        ------
        KeyFormError
            `ends_at` is given for a key that is not temporary.
        """
        key = self._keys.get(access_key_id)
        if key is None:
            return False
        if ends_at is not None and key.credentials.security_token is None:
            raise KeyFormError("Only a temporary key can have ends_at.")
        self.add(
            replace(key, active=key.active if active is None else active, ends_at=ends_at or key.ends_at)
        )
        return True

    def remove(self, access_key_id: str) -> bool:
        """Remove a key; return whether it existed."""
        return self._keys.pop(access_key_id, None) is not None

    def remove_ended(self, before: datetime) -> None:
        """Remove the keys that ended before a time."""
        for access_key_id, key in list(self._keys.items()):
            if key.ends_at is not None and key.ends_at < before:
                self.remove(access_key_id)

    def reset(self) -> None:
        """Restore the initial keys."""
        self._keys = {key.credentials.access_key_id: key for key in self._initial}

    def describe(self) -> list[dict[str, object]]:
        """Return the keys for JSON, without secrets and tokens."""
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
        The object does not describe a key.
    """
    names = {"access_key_id", "access_key_secret", "security_token"}
    fields = _read_object(document, names)
    if not names - {"security_token"} <= fields.keys():
        raise KeyFormError("A key must have an access_key_id and an access_key_secret.")
    if not all(isinstance(value, str) and value for value in fields.values()):
        raise KeyFormError("The fields of a key must be strings that are not empty.")
    return Key(Credentials(**{name: str(value) for name, value in fields.items()}))


def read_change(document: object) -> tuple[bool | None, datetime | None]:
    """Return `active` and `ends_at` of a JSON object, None for a field that is missing.

    Raises
    ------
    KeyFormError
        The object has another field, or a value of another type.
    """
    fields = _read_object(document, {"active", "ends_at"})
    active, ends_at = fields.get("active"), fields.get("ends_at")
    if not isinstance(active, bool | None):
        raise KeyFormError("active must be true or false.")
    try:
        return active, None if ends_at is None else read_time(str(ends_at))
    except ValueError:
        raise KeyFormError("ends_at must be a time such as 2026-01-31T12:00:00Z.") from None


def _read_object(document: object, names: set[str]) -> Mapping[str, object]:
    if not isinstance(document, dict) or not document.keys() <= names:
        raise KeyFormError(f"The body must be a JSON object with {', '.join(sorted(names))}.")
    return document


def read_time(text: str) -> datetime:
    """Return the time from a text in the provider's format."""
    return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)


def write_time(time: datetime) -> str:
    """Return a time as text in the provider's format."""
    return time.astimezone(UTC).strftime(_TIME_FORMAT)
