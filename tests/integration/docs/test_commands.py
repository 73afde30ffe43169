"""Every command of the docs is run by a test, or is in the table below with the reason why not.

A command is run where a test hands it, as the docs have it, to a method `run_commands` or `start_commands`
(`tests/e2e/shell.py`). Whether run or not, its program has to know its words and options.
"""

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import botocore.session
import click
import jmespath  # type: ignore[import-untyped]
import pytest
from botocore import xform_name

from facematch_cli.main import cli
from harness.template import ROOT
from local.processes import CLOUD_BIN, make_environment

pytestmark = pytest.mark.verify

NOT_RUN = {
    "make test": "It runs this very test.",
    "make check": "`make test` runs all of it.",
    ".venv/bin/pytest -q tests/unit/domain/test_lane.py": "`make test` runs all of it.",
    ".venv/bin/pytest -q tests/unit -k outage": "`make test` runs all of it.",
    "make bench": "It takes 5 minutes, and packages of its own; tests/unit/bench holds its parts.",
    "make verify": "It takes long; it runs this very test.",
    "make soak": "It takes 26 minutes; tests/e2e/test_faults.py plays the same faults once.",
    "make audit": "It has tools of its own; `make test` runs the tests that it runs.",
    "make sbom": "Its tools come with `make audit`; tests/unit/audit/test_bundles.py holds its parts.",
    "make console PORT=8000": "The port may be another's: tests run the same with a free one.",
    "make console STACK=facematch": "It needs an AWS account.",
    "pip install './cli[direct]'": "It fetches packages; `pip install ./cli` is run with borrowed ones.",
    "pip install './cli[heic]'": "It fetches packages; `pip install ./cli` is run with borrowed ones.",
    "pip install './cli[faces]'": "It fetches packages; `pip install ./cli` is run with borrowed ones.",
    "facecompare-emulator": "The ports may be another's: tests run the same with free ones.",
    "facecompare-emulator --oidc-audience sts.aliyuncs.com --oidc-issuer https://… "
    "--oidc-public-key issuer.pem": (
        "The issuer and its key are yours; tests/integration/emulator/test_sts.py has its own."
    ),
    "facematch compare selfie.jpg passport.png --direct --region singapore": "It calls the provider itself.",
    "facematch show singapore/customer-4711 --caller arn:aws:iam::123456789012:role/onboarding "
    "--stack facematch": "It needs an AWS account; tests/e2e/test_command.py asks the same of a local stack.",
    "facematch doctor --stack facematch": (
        "It needs an AWS account; tests/e2e/test_doctor.py examines a local stack."
    ),
    "facematch doctor --pay --stack facematch": (
        "It needs an AWS account; tests/e2e/test_doctor.py pays on a local stack."
    ),
    "facematch doctor --pay --region indonesia --stack facematch": (
        "It needs an AWS account; tests/e2e/test_doctor.py pays on a local stack."
    ),
    "facematch doctor --local --json": "tests/e2e/test_doctor.py runs it, on a stack that it breaks.",
    "export API_URL=…": "It is your stack's; tests/e2e/test_requests.py sets that of a local one.",
    "export AWS_ENDPOINT_URL=$(jq -r .endpoint_url .local/stack.json)": (
        "It needs jq; tests/e2e/test_requests.py sets the same."
    ),
    "export API_URL=$(jq -r .api_url .local/stack.json)": (
        "It needs jq; tests/e2e/test_requests.py sets the same."
    ),
    "export BUCKET=$(jq -r .bucket .local/stack.json)": (
        "It needs jq; tests/e2e/test_bucket.py uses the same bucket."
    ),
    "export AWS_REGION=ap-southeast-1 AWS_DEFAULT_REGION=ap-southeast-1": (
        "tests/e2e/test_requests.py sets the same."
    ),
    "export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test": "tests/e2e/test_requests.py sets the same.",
    "export AWS_REGION=…": "It is your stack's; tests/e2e/test_requests.py sets that of a local one.",
    "sam deploy --guided": "It needs an AWS account; every local stack is deployed by `sam deploy`.",
    "sam deploy --guided --parameter-overrides FacematchStack=facematch": (
        "It needs an AWS account; tests/e2e/test_consumer.py deploys the same into the local cloud."
    ),
    "sam deploy --stack-name facematch-jakarta --region ap-southeast-3 "
    "--parameter-overrides ProviderSecretArn=arn:aws:secretsmanager:ap-southeast-3:…": (
        "It needs an AWS account; every local stack is deployed by `sam deploy`."
    ),
    "sam delete --stack-name facematch": "It needs an AWS account.",
    "aws secretsmanager create-secret --name facematch/provider --secret-string "
    '\'{"access_key_id": "…", "access_key_secret": "…"}\'': "It needs an AWS account, and the AWS CLI.",
    "aws cloudformation describe-stacks --stack-name facematch --query 'Stacks[0].Outputs'": (
        "It needs an AWS account, and the AWS CLI."
    ),
    'aws s3 cp selfie.jpg "s3://$BUCKET/inbox/singapore/customer-4711/source.jpg"': (
        "It needs the AWS CLI; tests/e2e/test_bucket.py puts pairs under the same keys."
    ),
    'aws s3 cp passport.png "s3://$BUCKET/inbox/singapore/customer-4711/target.png"': (
        "It needs the AWS CLI; tests/e2e/test_bucket.py puts pairs under the same keys."
    ),
    'eval "$(aws configure export-credentials --format env)"': (
        "It needs the AWS CLI; tests/e2e/test_requests.py sets what it exports."
    ),
    "aws logs filter-log-events --log-group-name /facematch/facematch/compare "
    '--filter-pattern \'?WARNING ?ERROR ?CRITICAL ?"Task timed out" ?"Runtime exited"\'': (
        "It needs an AWS account, and the AWS CLI."
    ),
    'aws sqs purge-queue --queue-url "$SWEEP_DEAD_LETTERS_URL"': "It needs an AWS account, and the AWS CLI.",
    'aws s3 rm "s3://$BUCKET" --recursive': "It needs an AWS account, and the AWS CLI.",
}
S3_COMMANDS = {"cp": set[str](), "rm": {"--recursive"}}
"""What the AWS CLI adds to S3's own operations, as far as the docs use it."""
AWS_OPTIONS = {"--query", "--region", "--profile", "--output"}
PROGRAMS = (
    "make|facematch|facecompare-emulator|python|python3.13|.venv/bin/python|pip|sam|aws|curl|git|docker|npm"
    "|npx|node"
)

INCLUSION = r'--8<-- "(.+)"'
"""How a page takes in a file, which is run whole by a test."""

PAGES = [
    page
    for page in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
]


def list_blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield each fenced block of a language with its page."""
    for page in PAGES:
        for block in re.findall(
            rf"^ *```{language}\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE
        ):
            yield str(page.relative_to(ROOT)), block


def split_commands(text: str) -> list[str]:
    """Return the commands of a shell text, each on one line without its comment."""
    without_files = re.sub(rf"^{INCLUSION}$", "", text, flags=re.MULTILINE)
    lines = (re.sub(r"(^|\s+)#\s.*", "", line) for line in without_files.replace("\\\n", " ").splitlines())
    return [command for line in lines if (command := " ".join(line.split()))]


def list_spans() -> Iterator[tuple[str, str]]:
    """Yield each command within a sentence, with its page. `…` is a part that you fill in."""
    for page in PAGES:
        prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for span in re.findall(rf"`((?:{PROGRAMS})\s[^`]+)`", prose):
            yield str(page.relative_to(ROOT)), " ".join(span.split())


@cache
def list_typed() -> dict[str, str]:
    """Return what tests type, with the test that does."""
    typed: dict[str, str] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef):
                name = f"{file.relative_to(ROOT)}::{function.name}"
                typed |= dict.fromkeys(_list_typed_by(function), name)
    return typed


def _list_typed_by(function: ast.FunctionDef) -> Iterator[str]:
    for call in ast.walk(function):
        match call:
            case ast.Call(
                func=ast.Attribute(attr="run_commands" | "start_commands"),
                args=[ast.Constant(value=str(text))],
            ):
                yield from split_commands(text)


BLOCKS = list(list_blocks("bash"))
COMMANDS = {command: page for page, block in BLOCKS for command in split_commands(block)}
SPANS = {span: page for page, span in list_spans()}


def test_every_command_is_run_by_a_test_or_has_a_reason() -> None:
    neither = {
        command: page for command, page in COMMANDS.items() if command not in {*list_typed(), *NOT_RUN}
    }

    assert neither == {}


def test_what_the_table_says_is_not_run_is_in_the_docs_and_is_not_run() -> None:
    assert [command for command in NOT_RUN if command not in COMMANDS or command in list_typed()] == []


def test_every_test_that_the_table_names_exists() -> None:
    named = re.findall(r"tests/[\w/]+(?:\.py)?", " ".join(NOT_RUN.values()))

    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_file_that_a_page_takes_in_is_run_by_a_test() -> None:
    runs = (ROOT / "tests/e2e/test_requests.py").read_text()
    taken_in = {name for page in PAGES for name in re.findall(INCLUSION, page.read_text())}

    assert [name for name in taken_in if f'"{Path(name).name}"' not in runs] == []


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_bash_can_read_every_block(page: str, block: str) -> None:
    read = subprocess.run(["/bin/bash", "-n"], input=block, capture_output=True, text=True, check=False)

    assert read.stderr == "", page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_command_is_where_it_is_not_searched(page: Path) -> None:
    text = page.read_text()
    fences = set(re.findall(r"^ *```(\w+)", text, re.MULTILINE))

    assert fences <= {"bash", "json", "python", "toml", "typescript"}
    assert re.findall(rf"^(?: {{4}}|\t)(?:{PROGRAMS}) .*", text, re.MULTILINE) == []


@pytest.mark.parametrize("command", [*COMMANDS, *SPANS])
def test_every_command_is_one_that_its_program_takes(command: str) -> None:
    program, *words = shlex.split(command)
    complaint = CHECKS[Path(program).name](words)

    assert complaint is None, f"{complaint}, in {COMMANDS.get(command) or SPANS.get(command)}"


def check_make(words: list[str]) -> str | None:
    targets = [word for word in words if "=" not in word]
    variables = {word.partition("=")[0] for word in words} - {*targets}
    known = set(re.findall(r"\$\((\w+)\)", (ROOT / "Makefile").read_text()))
    reported = subprocess.run(
        ["/usr/bin/env", "make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return reported.stderr if reported.returncode else ", ".join(variables - known) or None


def check_facematch(words: list[str]) -> str | None:
    command = cli.commands.get(words[0])
    if command is None:
        return f"there is no command {words[0]}"
    try:
        command.make_parser(click.Context(command)).parse_args(words[1:])
    except click.UsageError as error:
        return error.message
    return None


def check_python(words: list[str]) -> str | None:
    if words[0] != "-m" or find_spec(words[1]) is None:
        return f"there is no module {words[1]}"
    return find_unknown(words[2:], read_help((sys.executable, "-m", words[1], "--help")))


def check_pytest(words: list[str]) -> str | None:
    missing = [word for word in words if word.startswith("tests/") and not (ROOT / word).exists()]
    unknown = find_unknown(words, read_help((sys.executable, "-m", "pytest", "--help")))
    return ", ".join(missing) or unknown


def check_emulator(words: list[str]) -> str | None:
    return find_unknown(words, read_help((sys.executable, "-m", "facecompare_emulator", "--help")))


def check_sam(words: list[str]) -> str | None:
    return find_unknown(words[1:], read_help((str(CLOUD_BIN / "sam"), words[0], "--help")))


def check_curl(words: list[str]) -> str | None:
    if shutil.which("curl") is None:
        return "there is no curl to ask"
    return find_unknown(words, read_help(("/usr/bin/env", "curl", "--help", "all")))


def check_pip(words: list[str]) -> str | None:
    (place, extra) = re.fullmatch(r"([^\[]+)(?:\[([\w,]+)\])?", words[1]).groups()  # type: ignore[union-attr]
    project = tomllib.loads((ROOT / place / "pyproject.toml").read_text())["project"]
    unknown = set((extra or "").split(",")) - {"", *project["optional-dependencies"]}
    return ", ".join(f"there is no {name}" for name in sorted(unknown)) or None


def check_npm(words: list[str]) -> str | None:
    return None if words == ["install"] else f"npm is not known here to take {shlex.join(words)}"


def check_npx(words: list[str]) -> str | None:
    package = json.loads((ROOT / "examples/requests/package.json").read_text())
    return None if words == ["tsc"] and "typescript" in package["devDependencies"] else "npx finds no tsc"


def check_aws(words: list[str]) -> str | None:
    """Return what is wrong by the AWS SDK's model of the service, which the AWS CLI also uses."""
    service, operation, *rest = words
    options = {word for word in rest if word.startswith("--")}
    if service == "s3":
        return ", ".join(options - S3_COMMANDS[operation]) or None
    query = next((reported for name, reported in pairwise(rest) if name == "--query"), "@")
    jmespath.compile(query)
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in names:
        return f"{service} has no operation {operation}"
    shape = model.operation_model(names[operation]).input_shape
    known = {f"--{xform_name(member, '-')}" for member in (shape.members if shape else ())}
    return ", ".join(options - known - AWS_OPTIONS) or None


def check_nothing(_: list[str]) -> str | None:
    return None


def check_folder(words: list[str]) -> str | None:
    return None if (ROOT / words[0]).is_dir() else f"there is no folder {words[0]}"


CHECKS: dict[str, Callable[[list[str]], str | None]] = {
    "make": check_make,
    "facematch": check_facematch,
    "facecompare-emulator": check_emulator,
    "pytest": check_pytest,
    "python": check_python,
    "sam": check_sam,
    "curl": check_curl,
    "pip": check_pip,
    "aws": check_aws,
    "cd": check_folder,
    "export": check_nothing,
    "eval": check_nothing,
    "npm": check_npm,
    "npx": check_npx,
    "source": check_nothing,
    "python3.13": check_python,
}


@cache
def read_help(command: tuple[str, ...]) -> str:
    """Return the help text of a program."""
    reported = subprocess.run(
        command,
        cwd=ROOT,
        env=make_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert reported.returncode == 0, reported.stderr
    return reported.stdout


def find_unknown(words: list[str], reported: str) -> str | None:
    """Return the options that a program's help does not have."""
    options = {word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)}
    known = set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", reported))
    return ", ".join(sorted(options - known)) or None
