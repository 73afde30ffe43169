"""Face comparison from AWS with Alibaba Cloud's FaceCompare: within its quota, one verdict per pair."""

from typing import Final

__version__: Final = "0.1.0"
