"""Normalises one photo for face comparison, with nothing but the standard library and Pillow."""

from imaging.errors import PhotoError, PhotoErrorCode
from imaging.limits import PROVIDER_LIMITS, Limits
from imaging.normalise import NormalisedPhoto, Report, normalise

__all__ = [
    "PROVIDER_LIMITS",
    "Limits",
    "NormalisedPhoto",
    "PhotoError",
    "PhotoErrorCode",
    "Report",
    "normalise",
]
