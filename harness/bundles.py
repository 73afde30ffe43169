"""The functions as `sam build` leaves them, and a cold start of each in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from harness.environment import read_environment

WIRINGS: Final = {
    "Uploads": ("upload_receiver",),
    "Compare": ("pair_comparer",),
    "Publish": ("result_publisher",),
    "Api": ("comparison_requester", "upload_desk"),
    "Sweep": ("sweeper",),
    "Diagnose": ("provider_diagnoser",),
}
"""What each function's handler asks `bootstrap` for before its first work."""

_KNOWN: Final = {
    "Ledger": "facematch-ledger",
    "Photos": "facematch-photos",
    "SingaporeBulkQueue": "https://sqs.ap-southeast-1.amazonaws.com/1/singapore-bulk",
    "SingaporeUrgentQueue": "https://sqs.ap-southeast-1.amazonaws.com/1/singapore-urgent",
    "ResultsQueue": "https://sqs.ap-southeast-1.amazonaws.com/1/results",
    "ProviderSecretArn": "arn:aws:secretsmanager:ap-southeast-1:1:secret:facematch",
    "AWS::AccountId": "1",
    "AWS::Region": "ap-southeast-1",
    "AWS::StackName": "facematch",
}
_LAMBDA: Final = {
    "AWS_REGION": "ap-southeast-1",
    "AWS_DEFAULT_REGION": "ap-southeast-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_LAMBDA_FUNCTION_NAME": "facematch",
}

_PROGRAM: Final = """
import gc, importlib, json, os, resource, sys, time
folders, handler, wirings, environment, collecting = json.loads(sys.argv[1])
if collecting:
    gc.disable = lambda: None
sys.path[:0] = folders
os.environ.update(environment)
begun = time.perf_counter()
importlib.import_module(handler)
imported = time.perf_counter()
bootstrap = sys.modules["facematch.bootstrap"]
for wiring in wirings:
    getattr(bootstrap, wiring)()
wired = time.perf_counter()
print(json.dumps({
    "import_ms": (imported - begun) * 1000,
    "start_ms": (wired - begun) * 1000,
    "peak_memory_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    "modules": {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()},
}))
"""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """
    What one start took.

    Attributes
    ----------
    import_ms
        Importing the handler.
    start_ms
        That, and wiring what its first event needs; nothing of it goes over the network.
    peak_memory_mib
        The process's peak resident memory.
    modules
        Each loaded module, and its file where it has one.
    """

    import_ms: float
    start_ms: float
    peak_memory_mib: float
    modules: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A function and its layers, unpacked, in the order in which Python looks for modules."""

    function: str
    handler: str
    folders: tuple[Path, ...]

    @property
    def size_bytes(self) -> int:
        """Unzipped size of the function and its layers."""
        files = (file for folder in self.folders for file in folder.rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files)

    def start(self, *, collecting: bool = False) -> ColdStart:
        """Start in an isolated interpreter that has this bundle only and writes no compiled files.

        Raises
        ------
        subprocess.CalledProcessError
            The bundle lacks something.
        """
        environment = {**read_environment(_KNOWN), **_LAMBDA, "POWERTOOLS_SERVICE_NAME": self.function}
        folders = [str(folder) for folder in self.folders]
        argument = json.dumps([folders, self.handler, WIRINGS[self.function], environment, collecting])
        # -I and -S: no site-packages and nothing of the caller's; -B: the disk is as good as read-only.
        command = [sys.executable, "-I", "-S", "-B", "-c", _PROGRAM, argument]
        told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return ColdStart(
            import_ms=told["import_ms"],
            start_ms=told["start_ms"],
            peak_memory_mib=told["peak_memory_kib"] / 1024,
            modules=told["modules"],
        )


def find_bundles(build: Path) -> dict[str, Bundle]:
    """Return the bundle of each function in a folder that `sam build` has filled."""
    resources = yaml.safe_load((build / "template.yaml").read_text())["Resources"]
    return {
        function: _find_bundle(build, function, resources[function]["Properties"]) for function in WIRINGS
    }


def _find_bundle(build: Path, function: str, properties: Mapping[str, Any]) -> Bundle:
    layers = [layer["Ref"] for layer in properties["Layers"] if "Ref" in layer]
    folders = (build / function, *(build / layer / "python" for layer in layers))
    return Bundle(function, properties["Handler"].rpartition(".")[0], folders)
