"""What the demo records about each pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facematch_client.faces import Drawing, Rectangle


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """The face that the emulator compared, in pixels of the received photo.

    `count` is the number of faces in the photo.
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
        """The share of the photo's area that the face fills, from 0 to 1."""
        return self.width * self.height / (self.photo_width * self.photo_height)

    def draw(self) -> Drawing:
        """Return the rectangle to draw over the photo."""
        face = Rectangle(self.left, self.top, self.width, self.height)
        return Drawing(self.photo_width, self.photo_height, (face,))


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """One photo before and after its preparation. `after` is None if the photo was refused.

    `face` is the face that the emulator compared. `faces` are the faces that the detector finds in `after`.
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

    `intake` is "bucket" or "API". `provider_host` is the host that a stack in AWS calls. `called_address` is
    the local address that was called, or None. `event` is the message from the results queue, `problem` the
    problem details of the API. One of the two is None. `total_ms` is the time from the first request to the
    result.
    """

    intake: str
    region: str
    provider_host: str
    called_address: str | None
    photos: Mapping[str, PhotoResult]
    event: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None
    total_ms: int
