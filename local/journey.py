"""What the demo has seen of one pair on its way through the stack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facematch_client.faces import Drawing, Rectangle


@dataclass(frozen=True, slots=True)
class FoundFace:
    """The face that the emulator compared, in pixels of the photo that it got; `count` is of all faces."""

    count: int
    left: int
    top: int
    width: int
    height: int
    photo_width: int
    photo_height: int

    @property
    def share(self) -> float:
        """The part of the photo that the face takes up, from 0 to 1."""
        return self.width * self.height / (self.photo_width * self.photo_height)

    def draw(self) -> Drawing:
        """Return the face as it is drawn over the photo."""
        face = Rectangle(self.left, self.top, self.width, self.height)
        return Drawing(self.photo_width, self.photo_height, (face,))


@dataclass(frozen=True, slots=True)
class PhotoPassage:
    """One photo, as it came and as it was sent to the provider (None where it was refused).

    `face` is the one that the emulator compared, `faces` are those that the detector found in what was sent.
    """

    name: str
    before: bytes
    after: bytes | None
    report: Mapping[str, Any]
    face: FoundFace | None = None
    faces: Drawing | None = None
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Journey:
    """One pair from its way in to the results queue.

    `provider_host` is where the call goes in the cloud, `called_address` where it went here (None if it made
    no call). `event` is the message as it came off the results queue, `problem` the API's refusal; one of
    them is None. `total_ms` is what a person waited.
    """

    way_in: str
    region: str
    provider_host: str
    called_address: str | None
    photos: Mapping[str, PhotoPassage]
    event: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None
    total_ms: int
