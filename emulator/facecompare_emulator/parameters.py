"""Checks the parameters of a FaceCompare call by the rules of the API page."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, urlsplit

from .answers import Refusal

MAX_DATA_BYTES: Final = 1024 * 1024
"""The "1 MB data transfer limit" of the API page, counted in base64 characters."""

_MERCHANT_BIZ_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")


class DataLimit(StrEnum):
    """What the 1 MB limit applies to. The API page does not specify it."""

    PICTURE = "picture"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class PhotoParameter:
    """One photo: either its data or its URL."""

    data: bytes | None
    url: SplitResult | None


@dataclass(frozen=True, slots=True)
class CompareParameters:
    """The valid parameters of a call."""

    merchant_biz_id: str
    source: PhotoParameter
    target: PhotoParameter
    check_quality: bool


def check_parameters(parameters: Mapping[str, str], data_limit: DataLimit) -> CompareParameters:
    """Return the checked parameters, or raise the provider's `Refusal`."""
    merchant_biz_id = parameters.get("MerchantBizId", "")
    if not merchant_biz_id:
        raise Refusal("MissingParameter", "MerchantBizId is mandatory.")
    if not _MERCHANT_BIZ_ID.fullmatch(merchant_biz_id):
        raise Refusal("InvalidParameter", "MerchantBizId must be 1 to 32 letters and digits.")
    for name in ("SourceFacePicture", "TargetFacePicture"):
        _check_one_given(parameters, name)
    _check_size(parameters, data_limit)
    return CompareParameters(
        merchant_biz_id,
        _read_photo(parameters, "SourceFacePicture"),
        _read_photo(parameters, "TargetFacePicture"),
        "Y" in (parameters.get("FaceQualityCheck"), parameters.get("FacePictureQualityCheck")),
    )


def _check_one_given(parameters: Mapping[str, str], name: str) -> None:
    picture, url = parameters.get(name), parameters.get(f"{name}Url")
    if picture and url:
        raise Refusal("DataDuplication", f"Both {name} and {name}Url were given.")
    if not picture and not url:
        raise Refusal("MissingParameter", f"{name} or {name}Url is mandatory.")


def _check_size(parameters: Mapping[str, str], data_limit: DataLimit) -> None:
    sizes_bytes = [len(parameters.get(name, "")) for name in ("SourceFacePicture", "TargetFacePicture")]
    counted_bytes = sum(sizes_bytes) if data_limit is DataLimit.REQUEST else max(sizes_bytes)
    if counted_bytes > MAX_DATA_BYTES:
        raise Refusal("ToolargeImage")


def _read_photo(parameters: Mapping[str, str], name: str) -> PhotoParameter:
    if url := parameters.get(f"{name}Url"):
        return PhotoParameter(None, _check_url(url, f"{name}Url"))
    try:
        return PhotoParameter(base64.b64decode(parameters[name], validate=True), None)
    except (binascii.Error, ValueError):
        raise Refusal("InvalidParameter", f"{name} is not valid base64.") from None


def _check_url(text: str, name: str) -> SplitResult:
    try:
        url = urlsplit(text)
    except ValueError:
        raise Refusal("InvalidParameter", f"{name} is not a URL.") from None
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise Refusal("InvalidParameter", f"{name} must be an HTTP or HTTPS URL.")
    if not _is_public(url.hostname):
        raise Refusal("DownloadTimeout", f"{name} is not publicly accessible.")
    return url


def _is_public(hostname: str) -> bool:
    """Return whether a host looks public. Names are not resolved."""
    try:
        return ipaddress.ip_address(hostname).is_global
    except ValueError:
        return hostname != "localhost" and not hostname.endswith((".localhost", ".local", ".internal"))
