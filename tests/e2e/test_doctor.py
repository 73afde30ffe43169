"""`facematch doctor` with the deployed stack: healthy, and with one fault at a time."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facematch.domain.regions import Region
from facematch_cli.doctor.sample import PAIR_ID
from facematch_client.errors import ExitCode
from harness.driver import LONGEST_WAIT_S, Driver
from harness.faults import Cloud
from local.signed_http import send
from local.stack import STACK_NAME

SECRET = f"{STACK_NAME}-provider"
KEY_ID = "emulator-key-id"
KEY_SECRET = "emulator-key-secret"
EVERYWHERE = {f"provider.{place}.{region}" for place in ("here", "functions") for region in Region}


@dataclass(frozen=True)
class DoctorReport:
    """The exit code and the output of the doctor."""

    exit_code: int
    document: Any

    @property
    def errors(self) -> dict[str, str]:
        """The findings that are errors, by their names."""
        checks = self.document["checks"]
        return {check["name"]: check["finding"] for check in checks if check["level"] == "error"}

    @property
    def names(self) -> set[str]:
        return {check["name"] for check in self.document["checks"]}


@dataclass(frozen=True)
class ExaminedStack:
    """A stack that tests examine and break."""

    driver: Driver
    folder: Path

    def examine(self, *options: str) -> DoctorReport:
        result = subprocess.run(
            [sys.executable, "-m", "facematch_cli", "doctor", *options, "--local", "--json"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            timeout=2 * LONGEST_WAIT_S,
            check=False,
        )
        return DoctorReport(result.returncode, json.loads(result.stdout))

    def call_emulator(self, method: str, path: str, document: object = None) -> None:
        data = None if document is None else json.dumps(document).encode()
        url = f"{self.driver.stack.emulator_url}/_emulator/{path}"
        answer = send(urllib.request.Request(url, data, method=method))
        assert answer.status < 300, answer.body

    def clean(self) -> None:
        """Remove scenarios, dead letters and holds of other tests."""
        self.call_emulator("DELETE", "scenarios")
        for name in ("Comparisons", "Uploads", "Outbox", "Sweep"):
            self.driver.client("sqs").purge_queue(QueueUrl=self.find_output(f"{name}DeadLettersUrl"))
        for region in Region:
            key = {"pk": {"S": f"lane#{region}"}}
            self.driver.client("dynamodb").delete_item(TableName=self.driver.stack.table, Key=key)

    def find_output(self, name: str) -> str:
        stack = self.driver.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        outputs = {output["OutputKey"]: str(output["OutputValue"]) for output in stack["Outputs"]}
        return outputs[name]

    @contextmanager
    def key(self, access_key_id: str, access_key_secret: str) -> Iterator[None]:
        """Store another key in the secret during the block."""
        self._put_secret({"access_key_id": access_key_id, "access_key_secret": access_key_secret})
        try:
            yield
        finally:
            self._put_secret({"access_key_id": KEY_ID, "access_key_secret": KEY_SECRET})

    @contextmanager
    def disabled_key(self) -> Iterator[None]:
        self.call_emulator("PATCH", f"keys/{KEY_ID}", {"active": False})
        try:
            yield
        finally:
            self.call_emulator("DELETE", "keys")

    @contextmanager
    def clock_ahead(self, ahead_s: int) -> Iterator[None]:
        """Set the provider's clock ahead during the block."""
        self.call_emulator("PUT", "clock", {"ahead_s": ahead_s})
        try:
            yield
        finally:
            self.call_emulator("PUT", "clock", {"ahead_s": 0})

    @contextmanager
    def refused_in(self, region: Region, code: str) -> Iterator[None]:
        """Let the provider refuse the account in one region during the block."""
        scenario = {"region": region.value, "effect": "refuse", "code": code, "http_status": 403}
        self.call_emulator("PUT", "scenarios", [{**scenario, "operations": ["KeepaliveIntl"]}])
        try:
            yield
        finally:
            self.call_emulator("DELETE", "scenarios")

    @contextmanager
    def settings(self, **variables: str) -> Iterator[None]:
        """Change environment variables of the workers during the block."""
        cloud = Cloud(self.driver)
        name = cloud.find_function("Compare")
        before = self.driver.client("lambda").get_function_configuration(FunctionName=name)["Environment"]
        with cloud.misconfigure("Compare", Environment={"Variables": {**before["Variables"], **variables}}):
            yield

    @contextmanager
    def dead_letter(self, output: str) -> Iterator[None]:
        queues, url = self.driver.client("sqs"), self.find_output(output)
        queues.send_message(QueueUrl=url, MessageBody="{}")
        try:
            yield
        finally:
            queues.purge_queue(QueueUrl=url)

    @contextmanager
    def silent_bucket(self) -> Iterator[None]:
        """Remove the notifications of the bucket during the block."""
        s3, bucket = self.driver.client("s3"), self.driver.stack.bucket
        before = s3.get_bucket_notification_configuration(Bucket=bucket)
        kept = {"QueueConfigurations": before["QueueConfigurations"]}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        try:
            yield
        finally:
            s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=kept)

    @contextmanager
    def idle_sweep(self) -> Iterator[None]:
        events = self.driver.client("events")
        name = next(
            str(rule["Name"]) for rule in events.list_rules()["Rules"] if rule["Name"].startswith(STACK_NAME)
        )
        events.disable_rule(Name=name)
        try:
            yield
        finally:
            events.enable_rule(Name=name)

    def _put_secret(self, key: dict[str, str]) -> None:
        self.driver.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=json.dumps(key))


@pytest.fixture(scope="module")
def stack(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> ExaminedStack:
    folder = tmp_path_factory.mktemp("doctor")
    (folder / ".local").mkdir()
    driver.stack.save(folder / ".local" / "stack.json")
    stack = ExaminedStack(driver, folder)
    stack.clean()
    return stack


def test_a_new_stack_is_healthy(stack: ExaminedStack) -> None:
    report = stack.examine()

    assert (report.errors, report.exit_code) == ({}, ExitCode.DONE)
    assert report.document["is_healthy"] is True
    parts = {name.partition(".")[0] for name in report.names}
    assert parts == {
        "stack", "secret", "provider", "sources", "concurrency", "alarms", "queues", "lanes", "bucket", "api",
    }  # fmt: skip
    assert report.names >= EVERYWHERE


type Breakage = Callable[[ExaminedStack], AbstractContextManager[None]]

BREAKAGES: dict[str, tuple[Breakage, set[str], str]] = {
    "an unknown key": (
        lambda stack: stack.key("another-key-id", KEY_SECRET), EVERYWHERE, "InvalidAccessKeyId.NotFound",
    ),
    "a wrong secret": (lambda stack: stack.key(KEY_ID, "wrong"), EVERYWHERE, "SignatureDoesNotMatch"),
    "a key with a line end": (
        lambda stack: stack.key(f"{KEY_ID}\n", KEY_SECRET),
        {"secret.format", "provider.functions.key"},
        "secret",
    ),
    "a disabled key": (ExaminedStack.disabled_key, EVERYWHERE, "InvalidAccessKeyId.Inactive"),
    "a region that the account is not allowed": (
        lambda stack: stack.refused_in(Region.MALAYSIA, "Unauthorized"),
        {"provider.here.malaysia", "provider.functions.malaysia"},
        "malaysia refuses the key or the account",
    ),
    "a default region that is not allowed": (
        lambda stack: stack.settings(DEFAULT_REGION="malaysia", ALLOWED_REGIONS="singapore"),
        {"stack.settings"},
        "DefaultRegion malaysia is not among AllowedRegions",
    ),
    "a disabled event source of the uploads": (
        lambda stack: Cloud(stack.driver).halt("Uploads"), {"sources.uploads"}, "disabled",
    ),
    "a disabled event source of the ledger's stream": (
        lambda stack: Cloud(stack.driver).halt("Publish"), {"sources.the-ledger's-stream"}, "disabled",
    ),
    "a disabled schedule": (ExaminedStack.idle_sweep, {"sources.sweep"}, "DISABLED"),
    "a dead letter of a comparison": (
        lambda stack: stack.dead_letter("ComparisonsDeadLettersUrl"),
        {"queues.dead-letters.comparisons"},
        "1 message",
    ),
    "a dead letter of the sweep": (
        lambda stack: stack.dead_letter("SweepDeadLettersUrl"),
        {"queues.dead-letters.sweep"},
        "1 message",
    ),
    "a bucket without its notification": (
        ExaminedStack.silent_bucket, {"bucket.notification"}, "sends no notifications",
    ),
    "clocks that differ by 20 minutes": (
        lambda stack: stack.clock_ahead(1200),
        EVERYWHERE | {"provider.here.clock", "provider.functions.clock"},
        "20 min",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_is_broken_is_found_and_named_and_nothing_else(stack: ExaminedStack, name: str) -> None:
    break_it, names, words = BREAKAGES[name]

    with break_it(stack):
        report = stack.examine()

    assert (set(report.errors), report.exit_code) == (names, ExitCode.UNHEALTHY)
    assert any(words in finding for finding in report.errors.values()), report.errors
    assert KEY_SECRET not in json.dumps(report.document)


def test_after_the_repair_the_stack_is_healthy(stack: ExaminedStack) -> None:
    stack.clean()

    assert stack.examine().errors == {}


def test_a_sample_pair_is_compared_and_published_for_money(stack: ExaminedStack) -> None:
    calls = len(stack.driver.list_calls())

    report = stack.examine("--pay", "--region", "malaysia")

    assert report.errors == {}
    findings = {check["name"]: check["finding"] for check in report.document["checks"]}
    assert "The sample was compared in malaysia: " in findings["sample.verdict"]
    event = stack.driver.wait_for_event(PAIR_ID)
    assert event["data"]["region"] == "malaysia"
    assert len(stack.driver.list_calls()) == calls + 1


def test_without_pay_nothing_is_compared_and_nothing_is_written(stack: ExaminedStack) -> None:
    calls, records = len(stack.driver.list_calls()), len(Cloud(stack.driver).read_records())

    stack.examine()

    assert len(stack.driver.list_calls()) == calls
    assert len(Cloud(stack.driver).read_records()) == records
