"""Builds one Lambda layer: pinned, pruned and compiled.

SAM's makefile builder runs this in a copy of the layer's folder (see `x86_64/Makefile`, `arm64/Makefile`).
Its own Python builder ships sources only, and a function's disk is read-only, so each cold start would
compile all of them again; and it ships what no function ever loads.
"""

import argparse
import compileall
import gzip
import json
import py_compile
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

PYTHON_VERSION: Final = "3.13"
_ARCHITECTURES: Final = {"x86_64": "x86_64", "arm64": "aarch64"}
_LINUX: Final = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""The newest is what the runtime's Amazon Linux 2023 has: glibc 2.34."""
_MACOS: Final = tuple(f"macosx_{version}_0" for version in (14, 13, 12, 11))
"""For the local stack on a Mac, which runs the functions as programs of its own."""

_AWS_SERVICES: Final = {"dynamodb", "s3", "secretsmanager", "sqs", "sts"}
_READ_METADATA: Final = re.compile(r"apscheduler-.*")
"""The one distribution that asks for its own version when it is imported."""
_NEVER_LOADED: Final = {"bin", "boto3/data", "boto3/examples"}
_NEVER_LOADED_FOLDERS: Final = {"tests", "test", "__pycache__", "include"}
_NEVER_LOADED_FILES: Final = re.compile(r".*\.(pyi|pyx|pxd|c|h|hash|typed|exe)|examples-1\.json")


def main() -> None:
    """Build the layer in this folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", choices=_ARCHITECTURES, required=True)
    parser.add_argument("--system", choices=("linux", "macos"), default="linux", help="linux is Lambda's")
    parser.add_argument("--into", type=Path, required=True, help="the layer's folder python/")
    arguments = parser.parse_args()
    build(Path.cwd(), arguments.into, list_platforms(arguments.system, arguments.architecture))


def list_platforms(system: str, architecture: str) -> list[str]:
    """Return the platform tags of the wheels that run there, best first (PEP 425, PEP 600)."""
    if system == "macos":
        return [f"{version}_{architecture}" for version in _MACOS]
    return [f"{version}_{_ARCHITECTURES[architecture]}" for version in _LINUX]


def build(source: Path, into: Path, platforms: Sequence[str]) -> None:
    """Install what `source/requirements.txt` pins and copy the packages beside it, prune and compile both.

    Raises
    ------
    subprocess.CalledProcessError
        A requirement can't be had in its pinned form.
    """
    install(source / "requirements.txt", into, platforms)
    for package in source.glob("*/__init__.py"):
        shutil.copytree(package.parent, into / package.parent.name)
    prune(into)
    trim_service_models(into / "botocore" / "data")
    compile_all(into)


def install(requirements: Path, into: Path, platforms: Sequence[str]) -> None:
    """Install pinned requirements for these platforms, whatever this machine is."""
    command: list[str | Path] = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--target", into, "--require-hashes", "--requirement", requirements),
        # Without a resolver, which the pins make needless, pure Python may come as source even for elsewhere.
        *("--no-deps", "--no-compile", "--implementation=cp", f"--python-version={PYTHON_VERSION}"),
        *(f"--platform={name}" for name in platforms),
    ]
    subprocess.run(command, check=True)


def prune(folder: Path) -> None:
    """Remove what no function loads."""
    for path in list(_find_needless(folder)):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def trim_service_models(data: Path) -> None:
    """Leave of the AWS SDK's descriptions of its services, which each start parses, what is not prose."""
    for path in data.rglob("*.json.gz"):
        model = json.loads(gzip.decompress(path.read_bytes()), object_hook=_drop_prose)
        path.with_suffix("").write_text(json.dumps(model, separators=(",", ":")))
        path.unlink()
    endpoints = data / "endpoints.json"
    if endpoints.exists():
        known = json.loads(endpoints.read_text())
        for partition in known["partitions"]:
            services = partition["services"].items()
            partition["services"] = {name: service for name, service in services if name in _AWS_SERVICES}
        endpoints.write_text(json.dumps(known, separators=(",", ":")))


def compile_all(folder: Path) -> None:
    """Compile every module, as one that need not be checked against its source at each import.

    Raises
    ------
    SystemExit
        A module can't be compiled.
    """
    compiled = compileall.compile_dir(
        folder,
        maxlevels=99,
        quiet=1,
        stripdir=str(folder),
        prependdir="/opt/python",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise SystemExit(f"{folder} can't be compiled.")


def _drop_prose(node: dict[str, Any]) -> dict[str, Any]:
    # Emptied, not removed: the SDK reads some of it. A member of a shape may be called so, too: an object.
    if isinstance(node.get("documentation"), str):
        node["documentation"] = ""
    return node


def _find_needless(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in _NEVER_LOADED)
    for path in folder.rglob("*"):
        if path.is_dir():
            if path.name in _NEVER_LOADED_FOLDERS or _is_needless_metadata(path) or _is_other_service(path):
                yield path
        elif _NEVER_LOADED_FILES.fullmatch(path.name):
            yield path


def _is_needless_metadata(path: Path) -> bool:
    return path.suffix in {".dist-info", ".data"} and not _READ_METADATA.fullmatch(path.name)


def _is_other_service(path: Path) -> bool:
    return path.match("botocore/data/*") and path.name not in _AWS_SERVICES


if __name__ == "__main__":
    main()
