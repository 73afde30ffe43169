"""Tickets for uploads: two presigned forms, with which a browser puts a pair straight into the inbox."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import check_pair_id, make_inbox_key
from facematch.domain.ports import PhotoStore, PresignedPost
from facematch.domain.reasons import Reason
from facematch.domain.regions import RegionPolicy
from facematch.domain.verdict import Role

EXTENSIONS: Final = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
    "image/gif": "gif",
    "image/jp2": "jp2",
    "image/j2c": "j2c",
}
HEIC_EXTENSIONS: Final = {"image/heic": "heic", "image/heif": "heif"}
TICKET_VALID_S: Final = 600


@dataclass(frozen=True, slots=True)
class UploadTicket:
    """Leave to upload one photo: the object's key, and the form for it."""

    key: str
    form: PresignedPost


@dataclass(frozen=True, slots=True)
class UploadTickets:
    """Leave to upload one pair, for `valid_s` seconds and `size_limit_bytes` a photo."""

    region: str
    pair_id: str
    valid_s: int
    size_limit_bytes: int
    tickets: Mapping[Role, UploadTicket]


@dataclass(frozen=True, slots=True)
class UploadDesk:
    """Issues upload tickets, for HEIC as well where the stack reads it."""

    photos: PhotoStore
    regions: RegionPolicy
    size_limit_bytes: int
    reads_heic: bool

    def issue(
        self, caller: str, content_types: Mapping[Role, str], *, region: str | None, pair_id: str | None
    ) -> UploadTickets:
        """Return tickets for a pair of the `caller`'s own, under a fresh id where it has no name for it.

        Raises
        ------
        InvalidInputError
            The region, the pair id or a content type can't be used.
        """
        chosen = self.regions.choose(region)
        if pair_id is None:
            pair_id = secrets.token_hex(16)
        check_pair_id(pair_id)
        tickets = {
            role: self._issue_one(
                make_inbox_key(chosen, pair_id, role, self._choose_extension(role, content_type), caller),
                content_type,
            )
            for role, content_type in content_types.items()
        }
        return UploadTickets(chosen, pair_id, TICKET_VALID_S, self.size_limit_bytes, tickets)

    def _choose_extension(self, role: Role, content_type: str) -> str:
        extensions = EXTENSIONS | HEIC_EXTENSIONS if self.reads_heic else EXTENSIONS
        if content_type not in extensions:
            raise InvalidInputError(
                Reason.UNSUPPORTED_CONTENT_TYPE,
                f"{role}.content_type is one of {', '.join(extensions)}.",
                field=f"{role}.content_type",
            )
        return extensions[content_type]

    def _issue_one(self, key: str, content_type: str) -> UploadTicket:
        form = self.photos.presign_upload(
            key, content_type=content_type, size_limit_bytes=self.size_limit_bytes, valid_s=TICKET_VALID_S
        )
        return UploadTicket(key, form)
