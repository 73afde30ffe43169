"""Face comparison from AWS with Alibaba Cloud's FaceCompare."""

from typing import Final

__version__: Final = "0.1.0"
