"""The functions built by `sam build`, and a cold start of each in a separate process."""

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
    "Api": ("comparison_requester", "upload_form_issuer"),
    "Sweep": ("sweeper",),
    "Diagnose": ("provider_diagnoser",),
}
"""The functions of `bootstrap` that each handler calls before its first event."""

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
    The measurements of one start.

    Attributes
    ----------
    import_ms
        Time to import the handler.
    start_ms
        Time to import the handler and to create what its first event needs. It uses no network.
    peak_memory_mib
        The peak resident memory of the process.
    modules
        The loaded modules with their files, or with "".
    """

    import_ms: float
    start_ms: float
    peak_memory_mib: float
    modules: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bundle:
    """The unpacked function and its layers, in the order of Python's module search."""

    function: str
    handler: str
    folders: tuple[Path, ...]

    @property
    def size_bytes(self) -> int:
        """Unzipped size of the function and its layers."""
        files = (file for folder in self.folders for file in folder.rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files)

    def start(self, *, collecting: bool = False) -> ColdStart:
        """Start in an isolated interpreter that finds only this bundle and writes no compiled files.

        Raises
        ------
        subprocess.CalledProcessError
            The start failed, for example because a module is missing.
        """
        environment = {**read_environment(_KNOWN), **_LAMBDA, "POWERTOOLS_SERVICE_NAME": self.function}
        folders = [str(folder) for folder in self.folders]
        argument = json.dumps([folders, self.handler, WIRINGS[self.function], environment, collecting])
        # -I and -S exclude site-packages and the environment of the caller. -B writes no compiled files.
        command = [sys.executable, "-I", "-S", "-B", "-c", _PROGRAM, argument]
        measured = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        return ColdStart(
            import_ms=measured["import_ms"],
            start_ms=measured["start_ms"],
            peak_memory_mib=measured["peak_memory_kib"] / 1024,
            modules=measured["modules"],
        )


def find_bundles(build: Path) -> dict[str, Bundle]:
    """Return the bundle of each function in a build folder of `sam build`."""
    resources = yaml.safe_load((build / "template.yaml").read_text())["Resources"]
    return {
        function: _find_bundle(build, function, resources[function]["Properties"]) for function in WIRINGS
    }


def _find_bundle(build: Path, function: str, properties: Mapping[str, Any]) -> Bundle:
    layers = [layer["Ref"] for layer in properties["Layers"] if "Ref" in layer]
    folders = (build / function, *(build / layer / "python" for layer in layers))
    return Bundle(function, properties["Handler"].rpartition(".")[0], folders)
