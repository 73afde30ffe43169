"""An emulator of Alibaba Cloud's FaceCompare protocol, to develop and test against; it recognises no one."""

from .keys import Credentials
from .parameters import DataLimit
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
    "OidcTrust",
    "PortBusyError",
    "QpsWindow",
    "Rules",
    "Scenario",
    "ScenarioError",
    "run_emulator",
]
