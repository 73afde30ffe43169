"""The import rules: what the code in each folder may import, by the table of parts in CONTRIBUTING.md."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.template import ROOT

SOURCE_ROOTS = ("src", "layers/imaging", "cli", "emulator")
DEVELOPMENT = ("audit", "bench", "console", "generate", "harness", "local")
"""Packages at the top of the repository, which are never deployed."""

# An adapter uses one SDK, with the libraries that the SDK is made of.
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
STUBS = "mypy_boto3_"


@dataclass(frozen=True, slots=True)
class Rule:
    """The modules of the repository and the packages of others that a folder's code may import.

    `name.*` means a package and everything in it. `packages` is None where any may be imported.
    """

    modules: frozenset[str]
    packages: frozenset[str] | None

    def allows(self, module: str) -> bool:
        root = module.partition(".")[0]
        if root in OURS:
            parents = [f"{module[:dot]}.*" for dot in _find_ends(module)]
            return not self.modules.isdisjoint({module, *parents})
        return self.packages is None or root in sys.stdlib_module_names or root in self.packages


def _find_ends(module: str) -> list[int]:
    return [*(found.start() for found in re.finditer(r"\.", module)), len(module)]


def make_rule(*modules: str, packages: set[str] | None) -> Rule:
    return Rule(frozenset(modules), None if packages is None else frozenset(packages))


CORE = ("facematch.domain.*", "facematch.use_cases.*", "imaging.*")
WIRING = ("facematch", "facematch.settings", "facematch.bootstrap")
ADAPTERS_OF_THE_CLIENT = (
    "facematch.settings",
    "facematch.adapters.face_compare",
    "facematch.adapters.ledger",
    "facematch.adapters.rate_limiter",
)
"""The command and the console read records and call the provider by the code that the functions run."""

RULES = {
    "src/facematch": make_rule("facematch.*", "imaging.*", packages=None),
    "src/facematch/domain": make_rule("facematch", "facematch.domain.*", packages=set()),
    "src/facematch/use_cases": make_rule(*CORE, packages=set()),
    "src/facematch/handlers": make_rule(
        *CORE,
        *WIRING,
        "facematch.handlers.*",
        packages={"aws_lambda_powertools", "pydantic", "pydantic_core"},
    ),
    "src/facematch/adapters": make_rule(
        "facematch",
        "facematch.domain.*",
        "facematch.adapters.aws_errors",
        packages=set().union(*FAMILIES.values()),
    ),
    "layers/imaging": make_rule("imaging.*", packages={"PIL"}),
    "emulator": make_rule(
        "facecompare_emulator.*", packages={"aiohttp", "PIL", "cryptography", "dlib", "numpy"}
    ),
    "cli/facematch_client": make_rule(
        *CORE,
        *ADAPTERS_OF_THE_CLIENT,
        "facematch_client.*",
        packages={"boto3", "botocore", "jinja2", "urllib3", "PIL"},
    ),
    "cli/facematch_cli": make_rule(
        *CORE,
        *ADAPTERS_OF_THE_CLIENT,
        "facematch_client.*",
        "facematch_cli.*",
        packages={"boto3", "botocore", "click", "rich", "urllib3", "PIL"},
    ),
    "console": make_rule(
        *CORE,
        *ADAPTERS_OF_THE_CLIENT,
        "facematch_client.*",
        "console.*",
        "local.portraits",
        packages={"aiohttp", "boto3", "botocore", "click"},
    ),
    "local": make_rule("facematch.*", "imaging.*", "facematch_client.*", "local.*", packages=None),
    "harness": make_rule(
        "facematch.*", "imaging.*", "facecompare_emulator.*", "local.*", "harness.*", packages=None
    ),
    "bench": make_rule("facematch.*", "imaging.*", "local.*", "harness.*", "bench.*", packages=None),
    "generate": make_rule("facematch.*", "local.*", "bench.*", "generate.*", packages=None),
    "audit": make_rule("facematch", "local.*", "audit.*", packages=None),
}
"""By folder; the innermost one that holds a module decides."""


def find_modules() -> dict[str, Path]:
    """Return the path of each module, from the top of the repository, by the module's name."""
    folders = [(ROOT / root, ROOT / root) for root in SOURCE_ROOTS]
    folders += [(ROOT / package, ROOT) for package in DEVELOPMENT]
    modules: dict[str, Path] = {}
    for folder, root in folders:
        for path in folder.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            modules[".".join(part for part in parts if part != "__init__")] = path.relative_to(ROOT)
    return modules


MODULES = find_modules()
OURS = {name.partition(".")[0] for name in MODULES} | {"tests"}


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


def find_rule(path: Path) -> Rule:
    """Return the rule of the innermost folder that has one."""
    return next(RULES[str(folder)] for folder in path.parents if str(folder) in RULES)


def find_violations(module: str, source: str) -> set[str]:
    """Return what `source` imports and may not."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    rule = find_rule(path)
    imported = {name for name in read_imports(source, package) if not name.startswith(STUBS)}
    return {name for name in imported if not rule.allows(name)}


def find_families(source: str) -> set[str]:
    roots = {name.partition(".")[0] for name in read_imports(source)}
    return {family for family, names in FAMILIES.items() if names & roots}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_folder_may(module: str) -> None:
    assert find_violations(module, (ROOT / MODULES[module]).read_text(encoding="utf-8")) == set()


def test_the_table_of_parts_lists_each_folder_that_has_a_rule() -> None:
    listed = re.findall(r"^\| (`[^|]+`) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    folders = {name.rstrip("/") for cell in listed for name in re.findall(r"`([^`]+/)`", cell)}

    assert {folder for folder in RULES if folder != "src/facematch"} <= folders


@pytest.mark.parametrize(
    "path", [path for path in MODULES.values() if path.is_relative_to("src/facematch/adapters")], ids=str
)
def test_an_adapter_uses_one_sdk(path: Path) -> None:
    assert len(find_families((ROOT / path).read_text(encoding="utf-8"))) <= 1


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        name
        for name, path in MODULES.items()
        if name.partition(".")[0] not in {"generate", "local", "harness", "bench", "audit"}
        and any(
            isinstance(node, (ast.Attribute, ast.Name))
            and (node.attr if isinstance(node, ast.Attribute) else node.id) in {"environ", "getenv"}
            for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        )
    }

    # The command reads the provider's key there when it calls without a stack.
    assert readers == {"facematch.settings", "facematch_cli.direct"}


@pytest.mark.parametrize(
    ("module", "line", "violation"),
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
        ("facematch.handlers.api", "from facematch.adapters import ledger", "facematch.adapters.ledger"),
        ("facematch.handlers.api", "from ..adapters import ledger", "facematch.adapters.ledger"),
        ("facematch.adapters.rate_limiter", "from .ledger import X", "facematch.adapters.ledger"),
        ("facematch.adapters.rate_limiter", "import facematch.bootstrap", "facematch.bootstrap"),
        ("facematch.adapters.rate_limiter", "import pydantic", "pydantic"),
        ("imaging.shape", "from facematch.domain.errors import X", "facematch.domain.errors"),
        ("imaging.shape", "import numpy", "numpy"),
        ("facematch.bootstrap", "import facecompare_emulator", "facecompare_emulator"),
        ("facecompare_emulator.server", "from facematch.domain.regions import X", "facematch.domain.regions"),
        ("facematch_cli.main", "from facematch import bootstrap", "facematch.bootstrap"),
        ("facematch_cli.main", "import local.stack", "local.stack"),
        ("facematch_client.stack", "from facematch_cli.output import X", "facematch_cli.output"),
        ("facematch_client.stack", "import click", "click"),
        ("console.server", "from facematch_cli.main import X", "facematch_cli.main"),
        ("console.server", "from local.stack import run_stack", "local.stack"),
        ("harness.driver", "from bench.soak.plan import X", "bench.soak.plan"),
        ("bench.soak.plan", "from tests.factories import X", "tests.factories"),
    ],
)
def test_a_violation_is_found(module: str, line: str, violation: str) -> None:
    assert find_violations(module, line) == {violation}


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
def test_an_allowed_import_is_no_violation(module: str, line: str) -> None:
    assert find_violations(module, line) == set()


def test_two_sdks_in_one_adapter_are_found() -> None:
    assert find_families("import boto3\nimport requests") == {"AWS", "FaceCompare"}
