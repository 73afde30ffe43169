"""Builds and deploys a facematch stack on this machine, with the same template as in AWS."""

import fcntl
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config

from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from local.machine import find_machine
from local.processes import (
    AWS_REGION,
    CLOUD_BIN,
    LOCAL,
    LOCAL_KEY,
    ROOT,
    LocalError,
    Ports,
    RunningPrograms,
    exit_on_sigterm,
    make_environment,
    start,
)
from local.resource_names import name_queue

STACK_NAME: Final = "facematch-local"
STACK_FILE: Final = LOCAL / "stack.json"
_SECRET: Final = {"access_key_id": "emulator-key-id", "access_key_secret": "emulator-key-secret"}
_ADMINISTRATOR: Final = "arn:aws:iam::000000000000:root"
"""The owner of the local cloud's key."""

_WITHOUT_PROXY: Final = Config(proxies={})

type ShowProgress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The addresses and names of a deployed stack.

    `comparison_queue_urls` has the queues of the lanes by region and priority, such as `singapore/bulk`.
    """

    endpoint_url: str
    aws_region: str
    bucket: str
    results_queue_url: str
    uploads_queue_url: str
    comparison_queue_urls: Mapping[str, str] = field(hash=False)
    comparisons_dead_letters_url: str
    uploads_dead_letters_url: str
    api_url: str
    table: str
    emulator_url: str

    def session(self) -> boto3.Session:
        """Return a session with the local cloud's keys. It ignores the user's AWS settings."""
        return boto3.Session(LOCAL_KEY, LOCAL_KEY, region_name=self.aws_region)

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 creates a type for each service
        """Return a client of this stack's cloud."""
        config = Config(s3={"addressing_style": "path"}, proxies={})
        make_client: Callable[..., Any] = self.session().client
        return make_client(service, endpoint_url=self.endpoint_url, config=config)

    def save(self, path: Path = STACK_FILE) -> None:
        """Write the addresses and names to a JSON file."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")


def build(show_progress: ShowProgress = print) -> None:
    """Build the functions as for AWS, and the layers for this machine.

    Raises
    ------
    LocalError
        The build failed, or this machine cannot run the layers.
    """
    machine = find_machine()
    show_progress("Building the functions and layers (sam build) …")
    environment = make_environment() | {"LAYER_SYSTEM": machine.layer_system}
    parameter = f"Architecture={machine.architecture}"
    _sam("build", environment, LOCAL / "build.log", "--parameter-overrides", parameter)


def build_template(template: Path, into: Path) -> None:
    """Build another template into its own folder.

    Raises
    ------
    LocalError
        The build failed.
    """
    folders: list[str | Path] = ["--build-dir", into, "--cache-dir", into.with_name(f"{into.name}-cache")]
    _sam("build", make_environment(), into.with_suffix(".log"), "--template", template, *folders)


def deploy(
    running: RunningPrograms, parameters: Mapping[str, str] | None = None, show_progress: ShowProgress = print
) -> Stack:
    """Deploy the built template into the local cloud; return the stack.

    Raises
    ------
    LocalError
        The deployment failed.
    """
    show_progress("Deploying template.yaml into the local cloud (sam deploy) …")
    session = boto3.Session(LOCAL_KEY, LOCAL_KEY, region_name=AWS_REGION)
    secrets = session.client("secretsmanager", endpoint_url=running.endpoint_url, config=_WITHOUT_PROXY)
    secret = secrets.create_secret(Name=f"{STACK_NAME}-provider", SecretString=json.dumps(_SECRET))
    overrides = {
        "ProviderSecretArn": secret["ARN"],
        "Architecture": find_machine().architecture,
        "AllowedRegions": ",".join(Region),
        "AdminPrincipals": _ADMINISTRATOR,
        "LocalStack": "true",
        "ProviderEndpoints": running.provider_endpoints,
        **(parameters or {}),
    }
    arguments = ["--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items())]
    _sam("deploy", make_environment(running.endpoint_url), LOCAL / "deploy.log", *arguments)
    return _describe(session, running)


@contextmanager
def run_stack(
    ports: Ports,
    folder: Path,
    parameters: Mapping[str, str] | None = None,
    show_progress: ShowProgress = print,
    judge: str = "pixels",
) -> Iterator[Stack]:
    """Run a stack during the block. Afterwards all its processes have ended.

    `judge` is what the emulator compares: "pixels" or "faces".

    Raises
    ------
    LocalError
        The stack cannot start.
    """
    show_progress("Starting the local cloud and the FaceCompare emulator …")
    with exit_on_sigterm():
        running = start(ports, folder, judge)
        try:
            build(show_progress)
            yield deploy(running, parameters, show_progress)
        finally:
            running.stop()


@contextmanager
def lock_build(path: Path = LOCAL / "build.lock") -> Iterator[None]:
    """Wait until no other program builds or deploys this clone, such as `make demo` beside `make test`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sam(command: str, environment: Mapping[str, str], log: Path, *arguments: str | Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with lock_build(), log.open("wb") as output:
        result = subprocess.run(
            [CLOUD_BIN / "sam", command, "--config-env", "local", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode:
        raise LocalError(f"`sam {command}` failed: {_find_error(log)} See {log.relative_to(ROOT)}.")


def _find_error(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    # What make says of a failed command names no cause.
    errors = [line for line in lines if ("rror" in line or "FAILED" in line) and not line.startswith("make")]
    return f"{(errors or lines or ['there is no output'])[-1].rstrip('.')}."


def _describe(session: boto3.Session, running: RunningPrograms) -> Stack:
    clouds = session.client("cloudformation", endpoint_url=running.endpoint_url, config=_WITHOUT_PROXY)
    described = clouds.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    return Stack(
        endpoint_url=running.endpoint_url,
        aws_region=AWS_REGION,
        bucket=outputs["Bucket"],
        results_queue_url=outputs["ResultsQueueUrl"],
        uploads_queue_url=outputs["UploadsQueueUrl"],
        comparison_queue_urls=_find_lanes(outputs),
        comparisons_dead_letters_url=outputs["ComparisonsDeadLettersUrl"],
        uploads_dead_letters_url=outputs["UploadsDeadLettersUrl"],
        # The host name that AWS gives an API does not resolve on this machine.
        api_url=f"{running.endpoint_url}/_aws/execute-api/{outputs['ApiId']}/live",
        table=outputs["Table"],
        emulator_url=running.emulator_url,
    )


def _find_lanes(outputs: Mapping[str, str]) -> dict[str, str]:
    """Return the queue URLs of the stack's lanes, by `region/priority`."""
    names = {
        f"{region}/{priority}": f"{name_queue(region, priority)}Url"
        for region, priority in product(Region, Priority)
    }
    return {lane: outputs[name] for lane, name in names.items() if name in outputs}
