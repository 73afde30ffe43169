"""A pair of photos in the inbox, before it becomes a comparison."""

from collections.abc import Mapping
from dataclasses import dataclass

from facematch.domain.comparison import StoredPhoto, identify_upload
from facematch.domain.verdict import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedPhoto:
    """A photo that a notification of the bucket reported.

    If two photos have the same key, the greater `sequencer` is newer. Sequencers of different keys
    (`source.jpg`, `source.png`) cannot be compared, so the later arrival is newer. Source: S3 user guide,
    event message structure. `taken` means that a comparison owns the photo.
    """

    photo: StoredPhoto
    sequencer: str
    arrived_at_ms: int
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """The photos that arrived in one folder of the inbox. `comparison_id` is the pair's last comparison."""

    region: str
    folder: str
    arrived: Mapping[Role, ArrivedPhoto]
    comparison_id: str | None = None

    @property
    def photos(self) -> dict[Role, StoredPhoto]:
        """The photos that no comparison has taken, by role."""
        return {role: arrived.photo for role, arrived in self.arrived.items() if not arrived.taken}

    @property
    def is_complete(self) -> bool:
        """Whether both photos are there and not taken."""
        return len(self.photos) == len(Role)

    @property
    def is_taken(self) -> bool:
        """Whether a comparison has taken every photo that arrived."""
        return not self.photos

    @property
    def arrived_at_ms(self) -> int:
        """When the latest photo arrived."""
        return max(arrived.arrived_at_ms for arrived in self.arrived.values())


def identify_pair(region: str, folder: str, photos: Mapping[Role, StoredPhoto]) -> str:
    """Return the id of the first comparison of exactly these photos. A missing photo counts as empty."""
    return identify_upload(region, folder, {role: photo.etag or "" for role, photo in photos.items()})
