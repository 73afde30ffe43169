"""An emulator of Alibaba Cloud's FaceCompare protocol, to develop and test against."""

from .faces import FaceJudge
from .keys import Credentials
from .parameters import DataLimit
from .photos import JudgeError
from .pixels import PixelJudge
from .quota import QpsWindow
from .scenarios import Effect, Scenario, ScenarioError
from .server import Addresses, Emulator, PortBusyError, run_emulator
from .service import DEFAULT_CREDENTIALS, Rules
from .sts import OidcTrust

__all__ = [
    "DEFAULT_CREDENTIALS",
    "Addresses",
    "Credentials",
    "DataLimit",
    "Effect",
    "Emulator",
    "FaceJudge",
    "JudgeError",
    "OidcTrust",
    "PixelJudge",
    "PortBusyError",
    "QpsWindow",
    "Rules",
    "Scenario",
    "ScenarioError",
    "run_emulator",
]
