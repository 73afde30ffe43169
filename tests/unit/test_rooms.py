"""What each part of the code may import, by the table of parts ("rooms") in CONTRIBUTING.md."""

import ast
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
IMAGING = ROOT / "layers" / "imaging"
CLI = ROOT / "cli"
CONSOLE = ROOT / "console"

WIRING = {"facematch.settings", "facematch.bootstrap"}
PACKAGES = {
    "facematch",
    "facematch.adapters",
    "facematch.domain",
    "facematch.use_cases",
}

# An adapter uses one vendor: its SDK and the libraries that the SDK is made of.
FAMILIES = {
    "AWS": {"boto3", "botocore", "mypy_boto3_dynamodb", "mypy_boto3_s3", "mypy_boto3_sqs", "mypy_boto3_sts"},
    "FaceCompare": {
        "alibabacloud_cloudauth_intl20220809",
        "alibabacloud_tea_openapi",
        "darabonba",
        "Tea",
        "requests",
        "urllib3",
    },
    "Powertools": {"aws_lambda_powertools"},
}
HANDLERS_VENDORS = {"aws_lambda_powertools", "pydantic", "pydantic_core"}
CLI_VENDORS = {"click", "rich", "boto3", "botocore", "urllib3", "jinja2", "PIL"}
# The command reads records and settings, and calls the provider, by the very code that the functions run.
CLI_SHARES = {
    "facematch.settings",
    "facematch.adapters.face_compare",
    "facematch.adapters.ledger",
    "facematch.adapters.rate_limiter",
}
CONSOLE_VENDORS = {"aiohttp", "click", "boto3", "botocore"}
# The console finds and reads a stack as the command does; of what is local it shows the portraits.
CONSOLE_SHARES = {"facematch.settings", "facematch.adapters.ledger", "local.portraits"}

type Rule = Callable[[str], bool]


def read_imports(source: str, package: str = "") -> set[str]:
    """Return the modules that `source` imports anywhere in it; `package` resolves relative ones."""
    return set(_walk_imports(ast.parse(source), package))


def _walk_imports(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                base = ".".join([*above, *([module] if module else [])])
                # `from package import module` imports a module, `from module import X` a name.
                inner = {f"{base}.{alias.name}" for alias in names} & MODULES.keys()
                yield from inner or {base}
            case _:
                pass


def _find_modules(*roots: Path, within: Path | None = None) -> dict[str, Path]:
    """Return the modules below each root, by their names from there, or from `within`."""
    modules: dict[str, Path] = {}
    for root in roots:
        for path in root.rglob("*.py"):
            parts = path.relative_to(within or root).with_suffix("").parts
            modules[".".join(part for part in parts if part != "__init__")] = path
    return modules


MODULES = _find_modules(SRC, IMAGING, CLI) | _find_modules(CONSOLE, within=ROOT)


def room_of(module: str) -> str:
    """Return the room of a module; every module has exactly one."""
    listed = {"wiring": WIRING, "packages": PACKAGES}
    folders = {
        "domain": "facematch.domain.",
        "use_cases": "facematch.use_cases.",
        "handlers": "facematch.handlers.",
        "adapters": "facematch.adapters.",
        "imaging": "imaging.",
        "cli": "facematch_cli.",
        "console": "console.",
    }
    return next(
        chain(
            (room for room, modules in listed.items() if module in modules),
            (room for room, folder in folders.items() if f"{module}.".startswith(folder)),
        ),
        "unknown",
    )


def _root(module: str) -> str:
    return module.partition(".")[0]


def _is_standard(module: str) -> bool:
    return _root(module) in sys.stdlib_module_names


def _is_core(module: str) -> bool:
    return room_of(module) in {"domain", "use_cases"}


def _may_domain(module: str) -> bool:
    return _is_standard(module) or room_of(module) == "domain"


def _may_use_cases(module: str) -> bool:
    return _is_standard(module) or _root(module) == "imaging" or _is_core(module)


def _may_handlers(module: str) -> bool:
    return (
        _is_standard(module)
        or _root(module) in HANDLERS_VENDORS
        or room_of(module) in {"domain", "use_cases", "wiring", "handlers", "imaging"}
        or module == "facematch"
    )


def _may_adapters(module: str) -> bool:
    return (
        _is_standard(module)
        or room_of(module) == "domain"
        or module == "facematch"
        or _root(module) in set().union(*FAMILIES.values())
    )


def _may_imaging(module: str) -> bool:
    return _is_standard(module) or _root(module) in {"PIL", "imaging"}


def _may_cli(module: str) -> bool:
    return (
        _is_standard(module)
        or _root(module) in CLI_VENDORS | {"imaging", "facematch_cli"}
        or _root(module).startswith("mypy_boto3_")
        or _is_core(module)
        or module in CLI_SHARES
    )


def _may_console(module: str) -> bool:
    return (
        _is_standard(module)
        or _root(module) in CONSOLE_VENDORS | {"imaging", "facematch_cli", "console"}
        or _root(module).startswith("mypy_boto3_")
        or _is_core(module)
        or module in CONSOLE_SHARES
    )


def _may_packages(module: str) -> bool:
    return _is_standard(module)


def _may_wiring(module: str) -> bool:
    return _root(module) not in {"local", "cli", "console", "audit", "tests", "bench"}


RULES: dict[str, Rule] = {
    "domain": _may_domain,
    "use_cases": _may_use_cases,
    "handlers": _may_handlers,
    "adapters": _may_adapters,
    "imaging": _may_imaging,
    "cli": _may_cli,
    "console": _may_console,
    "packages": _may_packages,
    "wiring": _may_wiring,
}


def find_trespasses(module: str, source: str) -> set[str]:
    """Return what `source` imports though its room may not."""
    package = module.rpartition(".")[0]
    return {name for name in read_imports(source, package) if not RULES[room_of(module)](name)}


def find_families(source: str) -> set[str]:
    roots = {_root(name) for name in read_imports(source)}
    return {family for family, names in FAMILIES.items() if names & roots}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_stands_in_a_room_and_imports_what_that_may(module: str) -> None:
    assert room_of(module) != "unknown", f"{module} is in no room: put it into this file's table."
    assert find_trespasses(module, MODULES[module].read_text(encoding="utf-8")) == set()


def test_every_module_of_the_table_is_there() -> None:
    assert MODULES.keys() >= WIRING | PACKAGES


@pytest.mark.parametrize("module", [name for name in MODULES if room_of(name) == "adapters"])
def test_an_adapter_speaks_to_one_vendor(module: str) -> None:
    assert len(find_families(MODULES[module].read_text(encoding="utf-8"))) <= 1


@pytest.mark.parametrize("folder", ["src", "layers/imaging", "cli"])
def test_nothing_imports_what_is_local(folder: str) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("*.py")]
    imported = {_root(name) for source in sources for name in read_imports(source)}

    assert imported & {"local", "console", "audit", "tests", "bench"} == set()


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        name
        for name, path in MODULES.items()
        if any(
            isinstance(node, (ast.Attribute, ast.Name))
            and (node.attr if isinstance(node, ast.Attribute) else node.id) in {"environ", "getenv"}
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    }

    # The command, for once: the provider's key of a call past any stack.
    assert readers == {"facematch.settings", "facematch_cli.direct"}


@pytest.mark.parametrize(
    ("module", "line", "trespass"),
    [
        ("facematch.domain.rate_limiter", "import boto3", "boto3"),
        ("facematch.domain.rate_limiter", "import facematch.settings", "facematch.settings"),
        ("facematch.domain.rate_limiter", "from facematch import bootstrap", "facematch.bootstrap"),
        ("facematch.domain.rate_limiter", "from .. import bootstrap", "facematch.bootstrap"),
        ("facematch.domain.rate_limiter", "from ..settings import read_settings", "facematch.settings"),
        (
            "facematch.domain.rate_limiter",
            "from facematch.adapters.ledger import X",
            "facematch.adapters.ledger",
        ),
        ("facematch.domain.rate_limiter", "def f():\n    import pydantic", "pydantic"),
        ("facematch.handlers.api", "import boto3", "boto3"),
        ("facematch.handlers.api", "from botocore.exceptions import ClientError", "botocore.exceptions"),
        ("facematch.handlers.api", "import darabonba", "darabonba"),
        ("facematch.handlers.api", "from facematch.adapters import ledger", "facematch.adapters.ledger"),
        ("facematch.handlers.api", "from ..adapters import ledger", "facematch.adapters.ledger"),
        (
            "facematch.adapters.rate_limiter",
            "from facematch.adapters.ledger import X",
            "facematch.adapters.ledger",
        ),
        ("facematch.adapters.rate_limiter", "from .ledger import X", "facematch.adapters.ledger"),
        ("facematch.adapters.rate_limiter", "import facematch.bootstrap", "facematch.bootstrap"),
        ("facematch.adapters.rate_limiter", "import pydantic", "pydantic"),
        ("imaging.shape", "from facematch.domain.errors import X", "facematch.domain.errors"),
        ("imaging.shape", "import numpy", "numpy"),
        ("facematch.bootstrap", "import local.emulator", "local.emulator"),
        ("facematch", "from facematch.domain.errors import X", "facematch.domain.errors"),
        ("facematch_cli.main", "from facematch import bootstrap", "facematch.bootstrap"),
        ("facematch_cli.main", "from facematch.handlers import api", "facematch.handlers.api"),
        ("facematch_cli.main", "import local.stack", "local.stack"),
        ("facematch_cli.main", "import console.server", "console.server"),
        ("console.server", "from local.stack import run_stack", "local.stack"),
        ("console.server", "from facematch import bootstrap", "facematch.bootstrap"),
    ],
)
def test_a_trespass_is_noticed(module: str, line: str, trespass: str) -> None:
    assert find_trespasses(module, line) == {trespass}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("facematch.domain.rate_limiter", "from collections.abc import Mapping"),
        ("facematch.domain.rate_limiter", "from facematch.domain import errors"),
        ("facematch.use_cases.prepare_photos", "from imaging import normalise"),
        ("facematch.handlers.api", "from facematch import bootstrap"),
        ("facematch.handlers.api", "from facematch.settings import Settings"),
        ("facematch.adapters.rate_limiter", "import boto3"),
        ("imaging.shape", "from PIL import Image"),
    ],
)
def test_what_a_room_may_is_not_a_trespass(module: str, line: str) -> None:
    assert find_trespasses(module, line) == set()


def test_two_vendors_in_one_adapter_are_noticed() -> None:
    assert find_families("import boto3\nimport requests") == {"AWS", "FaceCompare"}


def test_a_module_in_no_room_is_noticed() -> None:
    assert room_of("facematch.helpers") == "unknown"
