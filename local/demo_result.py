"""What the demo records of one pair, from the photos to the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facematch_client.faces import Drawing, Rectangle


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """The face that the emulator compared, in pixels of the photo that it received.

    `count` is the number of all faces in the photo.
    """

    count: int
    left: int
    top: int
    width: int
    height: int
    photo_width: int
    photo_height: int

    @property
    def share(self) -> float:
        """The face's part of the photo's area, from 0 to 1."""
        return self.width * self.height / (self.photo_width * self.photo_height)

    def draw(self) -> Drawing:
        """Return the rectangle to draw over the photo."""
        face = Rectangle(self.left, self.top, self.width, self.height)
        return Drawing(self.photo_width, self.photo_height, (face,))


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """One photo before preparation and after it (None if it was refused).

    `face` is the face that the emulator compared, `faces` are those that the detector found afterwards.
    """

    name: str
    before: bytes
    after: bytes | None
    report: Mapping[str, Any]
    face: DetectedFace | None = None
    faces: Drawing | None = None
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DemoResult:
    """One pair and its result.

    `intake` is "bucket" or "API". `provider_host` is the host that a stack in the cloud calls,
    `called_address` the local one that was called (None without a call). `event` is the message from the
    results queue, `problem` the API's problem details; one of them is None. `total_ms` runs from the first
    request to the result.
    """

    intake: str
    region: str
    provider_host: str
    called_address: str | None
    photos: Mapping[str, PhotoResult]
    event: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None
    total_ms: int
