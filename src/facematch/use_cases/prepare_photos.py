"""Makes the photos of one comparison acceptable to the provider, the pair as a whole included."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import Field, dataclass, fields, replace
from typing import Any, ClassVar, Final, Protocol

from facematch.domain.errors import RejectedPhotoError
from facematch.domain.verdict import Role
from imaging import PROVIDER_LIMITS, Limits, NormalisedPhoto, PhotoError, normalise

PAIR_SIZE_LIMIT_BYTES: Final = 680_000
"""Both JPEGs together: 1 MB is taken to be the limit of a request, and Base64 in a form grows by 1.42."""

type Normalise = Callable[[bytes, Limits], NormalisedPhoto]


class PhotoSettings(Protocol):
    """A stack's settings of photos: a dataclass whose fields are named as those of `Limits`."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class StackSettings(Protocol):
    """A stack's settings."""

    @property
    def photos(self) -> PhotoSettings:
        """What photos must be."""


def photo_limits(settings: StackSettings) -> Limits:
    """Return what photos must be, and become, in a stack with these settings."""
    return Limits(**{field.name: getattr(settings.photos, field.name) for field in fields(settings.photos)})


@dataclass(frozen=True, slots=True)
class PhotoPreparer:
    """Normalises photos within `limits`, two at a time."""

    limits: Limits = PROVIDER_LIMITS
    normalise: Normalise = normalise

    @property
    def size_limit_bytes(self) -> int:
        """The largest file that is worth reading."""
        return self.limits.max_source_size_bytes

    def prepare(self, contents: Mapping[Role, bytes]) -> dict[Role, NormalisedPhoto]:
        """Return each photo normalised, small enough together for one call.

        Raises
        ------
        RejectedPhotoError
            A photo can't be made acceptable; the error names it.
        """
        photos = self._normalise_all(contents, self.limits)
        total_bytes = sum(len(photo.jpeg) for photo in photos.values())
        if total_bytes <= PAIR_SIZE_LIMIT_BYTES:
            return photos
        fair_share = replace(self.limits, max_size_bytes=PAIR_SIZE_LIMIT_BYTES // len(photos))
        return self._normalise_all(contents, fair_share)

    def _normalise_all(self, contents: Mapping[Role, bytes], limits: Limits) -> dict[Role, NormalisedPhoto]:
        with ThreadPoolExecutor(max_workers=2) as pool:
            running = {
                role: pool.submit(self._normalise_one, role, content, limits)
                for role, content in contents.items()
            }
            return {role: future.result() for role, future in running.items()}

    def _normalise_one(self, role: Role, content: bytes, limits: Limits) -> NormalisedPhoto:
        try:
            return self.normalise(content, limits)
        except PhotoError as error:
            raise RejectedPhotoError(
                error.code, f"The {role} photo: {error.message}", field=role.value
            ) from None
