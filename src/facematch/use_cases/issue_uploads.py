"""Upload forms, with which a browser puts a pair straight into the inbox."""

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
FORM_VALID_S: Final = 600


@dataclass(frozen=True, slots=True)
class UploadForm:
    """The upload form of one photo, and the key under which S3 stores the photo."""

    key: str
    post: PresignedPost


@dataclass(frozen=True, slots=True)
class UploadForms:
    """The upload forms of one pair: how long they are valid, and the largest accepted file."""

    region: str
    pair_id: str
    valid_s: int
    size_limit_bytes: int
    forms: Mapping[Role, UploadForm]


@dataclass(frozen=True, slots=True)
class UploadFormIssuer:
    """Issues upload forms. HEIC is accepted only if the stack reads it."""

    photos: PhotoStore
    regions: RegionPolicy
    size_limit_bytes: int
    reads_heic: bool

    def issue(
        self, caller: str, content_types: Mapping[Role, str], *, region: str | None, pair_id: str | None
    ) -> UploadForms:
        """Return the upload forms for a pair of the `caller`. Without a pair id, a random one is chosen.

        Raises
        ------
        InvalidInputError
            The region, the pair id or a content type is not accepted.
        """
        chosen = self.regions.choose(region)
        if pair_id is None:
            pair_id = secrets.token_hex(16)
        check_pair_id(pair_id)
        forms = {
            role: self._issue_one(
                make_inbox_key(chosen, pair_id, role, self._choose_extension(role, content_type), caller),
                content_type,
            )
            for role, content_type in content_types.items()
        }
        return UploadForms(chosen, pair_id, FORM_VALID_S, self.size_limit_bytes, forms)

    def _choose_extension(self, role: Role, content_type: str) -> str:
        extensions = EXTENSIONS | HEIC_EXTENSIONS if self.reads_heic else EXTENSIONS
        if content_type not in extensions:
            raise InvalidInputError(
                Reason.UNSUPPORTED_CONTENT_TYPE,
                f"{role}.content_type is one of {', '.join(extensions)}.",
                field=f"{role}.content_type",
            )
        return extensions[content_type]

    def _issue_one(self, key: str, content_type: str) -> UploadForm:
        post = self.photos.presign_upload(
            key, content_type=content_type, size_limit_bytes=self.size_limit_bytes, valid_s=FORM_VALID_S
        )
        return UploadForm(key, post)
