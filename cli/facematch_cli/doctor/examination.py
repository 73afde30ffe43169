"""All checks of a stack, in order. One that can't be made does not keep the others from being made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.clock import Clock
from facematch.domain.errors import FacematchError, InvalidInputError
from facematch.domain.regions import Region
from facematch.settings import StoredKey
from facematch_cli.doctor.alarms import check_alarms, check_subscribers
from facematch_cli.doctor.api import check_signed, check_unsigned
from facematch_cli.doctor.bucket import check_encryption, check_lifecycle, check_notification
from facematch_cli.doctor.check import Check, failed, warned
from facematch_cli.doctor.clients import Clients
from facematch_cli.doctor.concurrency import check_concurrency, sum_needs
from facematch_cli.doctor.deployment import Deployment, check_deployment, describe_deployment
from facematch_cli.doctor.function import FunctionFailedError, diagnose_from_functions
from facematch_cli.doctor.lanes import check_holds, check_shares, list_shares
from facematch_cli.doctor.provider import FUNCTIONS, HERE, check_key_source, check_regions, diagnose_from_here
from facematch_cli.doctor.queues import check_dead_letters, check_depths, check_open, check_outbox
from facematch_cli.doctor.sample import check_sample
from facematch_cli.doctor.secret import read_key
from facematch_cli.doctor.sources import (
    Source,
    check_schedule,
    check_sources,
    find_queue_sources,
    find_stream_source,
)
from facematch_client.errors import explain_error
from facematch_client.holds import find_hold
from facematch_client.stack import Stack

_FUNCTION: Final = "Diagnose"
_RULE: Final = "SweepEveryMinute"


def examine(stack: Stack, clock: Clock, *, region: str | None, pays: bool) -> Iterator[Check]:
    """Make every check; `pays` also sends a sample pair, to `region` or the stack's default."""
    clients, policy = Clients(stack), stack.settings.regions
    try:
        chosen = policy.choose(region or policy.default or min(policy.allowed))
    except InvalidInputError as error:
        yield failed("stack.region", error.message, "Add it to AllowedRegions and deploy, or name another.")
        return
    deployment = describe_deployment(clients.cloudformation(), stack.name)
    subject = _Subject(stack, clock, clients, deployment, chosen)
    for name, group in _GROUPS.items():
        yield from _make_group(name, group, subject)
    if pays:
        yield from _make_group("sample", _check_sample, subject)


@dataclass(frozen=True, slots=True)
class _Subject:
    stack: Stack
    clock: Clock
    clients: Clients
    deployment: Deployment
    region: Region

    @property
    def allowed(self) -> list[Region]:
        return [region for region in Region if region in self.stack.settings.regions.allowed]

    @property
    def ledger(self) -> DynamoDbLedger:
        settings = self.stack.settings
        return DynamoDbLedger(self.stack.dynamodb(), settings.table, settings.retention_days)

    @property
    def lane_urls(self) -> dict[str, str]:
        urls = self.stack.settings.comparison_queue_urls
        return {f"{region} {priority}": urls[region, priority] for region, priority in sorted(urls)}

    def find_sources(self) -> list[Source]:
        functions, dynamodb = self.clients.functions(), self.stack.dynamodb()
        urls = {"uploads": self.stack.uploads_queue_url, **self.lane_urls}
        stream = find_stream_source(functions, dynamodb, self.clients.streams(), self.stack.settings.table)
        return [*find_queue_sources(functions, self.stack.sqs(), urls), stream]


type _Group = Callable[[_Subject], Iterator[Check]]


def _make_group(name: str, group: _Group, subject: _Subject) -> Iterator[Check]:
    try:
        yield from group(subject)
    except (ClientError, BotoCoreError, FacematchError) as error:
        told = explain_error(error, is_local=subject.stack.endpoint_url is not None).message
        yield warned(
            f"{name}.not-checked",
            f"Not all was checked. {told}",
            "Allow your profile what docs/command.md lists for doctor, then repeat.",
        )
    except KeyError as error:
        yield failed(
            f"{name}.not-checked", f"The stack has no {error.args[0]}.", "Deploy the release of this command."
        )


def _check_stack(subject: _Subject) -> Iterator[Check]:
    return check_deployment(subject.deployment, subject.stack.settings.regions)


def _check_provider_from_here(subject: _Subject) -> Iterator[Check]:
    settings = subject.stack.settings
    if not isinstance(settings.provider_key, StoredKey):
        # The exchange is open to the functions' roles alone.
        return
    finding, key = read_key(subject.stack.secrets(), settings.provider_key.secret_arn)
    yield finding
    if key is None:
        return
    diagnosis = diagnose_from_here(settings, key)
    if diagnosis is None:
        yield warned(
            "provider.here",
            "The provider was not called from this machine: its SDK is not installed.",
            "Install it with `pip install './cli[direct]'`; the functions' calls below do not need it.",
        )
        return
    yield from check_regions(diagnosis.regions, settings, HERE)


def _check_provider_from_functions(subject: _Subject) -> Iterator[Check]:
    deployment, settings = subject.deployment, subject.stack.settings
    try:
        diagnosis = diagnose_from_functions(subject.clients.functions(), deployment.resources[_FUNCTION])
    except FunctionFailedError as error:
        yield failed(
            "provider.functions", f"The diagnostic function failed: {error}.", "Read the log of diagnose."
        )
        return
    yield from check_key_source(diagnosis, settings, deployment.outputs["DiagnoseRoleArn"])
    yield from check_regions(diagnosis.regions, settings, FUNCTIONS)


def _check_sources(subject: _Subject) -> Iterator[Check]:
    sources = subject.find_sources()
    yield from check_sources(sources)
    yield check_schedule(subject.clients.events(), subject.deployment.resources[_RULE])
    settings = subject.stack.settings
    needs = sum_needs(sources, sum(settings.calls_per_s[region] for region in subject.allowed))
    yield check_concurrency(subject.clients.functions(), needs)


def _check_alarms(subject: _Subject) -> Iterator[Check]:
    yield from check_alarms(subject.clients.cloudwatch(), subject.deployment.alarms)
    yield check_subscribers(subject.clients.topics(), subject.deployment.parameters["AlarmTopicArn"])


def _check_queues(subject: _Subject) -> Iterator[Check]:
    sqs, outputs, now_ms = subject.stack.sqs(), subject.deployment.outputs, subject.clock.now_ms()
    results = {"results": subject.stack.settings.results_queue_url}
    yield check_depths(sqs, {"uploads": subject.stack.uploads_queue_url, **subject.lane_urls, **results})
    letters = {
        name: outputs[f"{name.title()}DeadLettersUrl"]
        for name in ("comparisons", "uploads", "outbox", "sweep")
    }
    yield from check_dead_letters(sqs, letters)
    yield check_outbox(subject.ledger, now_ms)
    for region in subject.allowed:
        yield from check_open(subject.ledger, region, now_ms)


def _check_lanes(subject: _Subject) -> Iterator[Check]:
    stack, settings, now_ms = subject.stack, subject.stack.settings, subject.clock.now_ms()
    holds = {region: find_hold(stack, region, now_ms) for region in subject.allowed}
    yield from check_holds(holds, now_ms)
    shares = list_shares(
        subject.clients.cloudformation(), subject.deployment.parameters, stack.session.region_name
    )
    yield from check_shares(shares, settings.calls_per_s, subject.allowed)


def _check_bucket(subject: _Subject) -> Iterator[Check]:
    stack, s3 = subject.stack, subject.stack.s3()
    url = subject.stack.uploads_queue_url
    told = stack.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    yield check_notification(s3, stack.settings.bucket, told["QueueArn"])
    if stack.endpoint_url is None:
        # The local cloud keeps no lifecycle of a stack's bucket.
        yield check_lifecycle(s3, stack.settings.bucket, stack.photo_retention_days)
    yield check_encryption(s3, stack.settings.bucket, subject.deployment.parameters["KmsKeyArn"])


def _check_api(subject: _Subject) -> Iterator[Check]:
    yield check_unsigned(subject.stack.api_url)
    yield check_signed(subject.stack, subject.region)


def _check_sample(subject: _Subject) -> Iterator[Check]:
    return check_sample(subject.stack, subject.region, subject.ledger, subject.clock)


_GROUPS: Final[dict[str, _Group]] = {
    "stack": _check_stack,
    "provider.here": _check_provider_from_here,
    "provider.functions": _check_provider_from_functions,
    "sources": _check_sources,
    "alarms": _check_alarms,
    "queues": _check_queues,
    "lanes": _check_lanes,
    "bucket": _check_bucket,
    "api": _check_api,
}
