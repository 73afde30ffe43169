"""Normalises one photo for face comparison, with the standard library, Pillow and optional decoders."""

from imaging.errors import PhotoError, PhotoErrorCode
from imaging.limits import PROVIDER_LIMITS, Limits
from imaging.normalise import normalise
from imaging.report import Crop, FaceReport, NormalisedPhoto, Report
from imaging.warnings import find_warnings

__all__ = [
    "PROVIDER_LIMITS",
    "Crop",
    "FaceReport",
    "Limits",
    "NormalisedPhoto",
    "PhotoError",
    "PhotoErrorCode",
    "Report",
    "find_warnings",
    "normalise",
]
