"""Runs all checks of a stack, in order. If a check cannot be made, the others continue."""

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
    """Run all checks. `pays` also sends a sample pair to `region`, or to the stack's default region."""
    clients, policy = Clients(stack), stack.settings.regions
    try:
        chosen = policy.choose(region or policy.default or min(policy.allowed))
    except InvalidInputError as error:
        yield failed(
            "stack.region",
            error.message,
            "Add the region to AllowedRegions and deploy, or choose another region.",
        )
        return
    deployment = describe_deployment(clients.cloudformation(), stack.name)
    context = _Context(stack, clock, clients, deployment, chosen)
    for name, group in _GROUPS.items():
        yield from _run_group(name, group, context)
    if pays:
        yield from _run_group("sample", _check_sample, context)


@dataclass(frozen=True, slots=True)
class _Context:
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


type _Group = Callable[[_Context], Iterator[Check]]


def _run_group(name: str, group: _Group, context: _Context) -> Iterator[Check]:
    try:
        yield from group(context)
    except (ClientError, BotoCoreError, FacematchError) as error:
        message = explain_error(error, is_local=context.stack.endpoint_url is not None).message
        yield warned(
            f"{name}.not-checked",
            f"This part was not checked completely. {message}",
            "Give your profile the permissions that docs/command.md lists for doctor, then repeat.",
        )
    except KeyError as error:
        yield failed(
            f"{name}.not-checked", f"The stack has no {error.args[0]}.", "Deploy the release of this command."
        )


def _check_stack(context: _Context) -> Iterator[Check]:
    return check_deployment(context.deployment, context.stack.settings.regions)


def _check_provider_from_here(context: _Context) -> Iterator[Check]:
    settings = context.stack.settings
    if not isinstance(settings.provider_key, StoredKey):
        # Only the roles of the functions may exchange tokens.
        return
    finding, key = read_key(context.stack.secrets(), settings.provider_key.secret_arn)
    yield finding
    if key is None:
        return
    diagnosis = diagnose_from_here(settings, key)
    if diagnosis is None:
        yield warned(
            "provider.here",
            "The provider was not called from this machine: its SDK is not installed.",
            "Install it with `pip install './cli[direct]'`. The calls from the functions do not need it.",
        )
        return
    yield from check_regions(diagnosis.regions, settings, HERE)


def _check_provider_from_functions(context: _Context) -> Iterator[Check]:
    deployment, settings = context.deployment, context.stack.settings
    try:
        diagnosis = diagnose_from_functions(context.clients.functions(), deployment.resources[_FUNCTION])
    except FunctionFailedError as error:
        yield failed(
            "provider.functions", f"The diagnostic function failed: {error}.", "Read the log of diagnose."
        )
        return
    yield from check_key_source(diagnosis, settings, deployment.outputs["DiagnoseRoleArn"])
    yield from check_regions(diagnosis.regions, settings, FUNCTIONS)


def _check_sources(context: _Context) -> Iterator[Check]:
    sources = context.find_sources()
    yield from check_sources(sources)
    yield check_schedule(context.clients.events(), context.deployment.resources[_RULE])
    settings = context.stack.settings
    needs = sum_needs(sources, sum(settings.calls_per_s[region] for region in context.allowed))
    yield check_concurrency(context.clients.functions(), needs)


def _check_alarms(context: _Context) -> Iterator[Check]:
    yield from check_alarms(context.clients.cloudwatch(), context.deployment.alarms)
    yield check_subscribers(context.clients.topics(), context.deployment.parameters["AlarmTopicArn"])


def _check_queues(context: _Context) -> Iterator[Check]:
    sqs, outputs, now_ms = context.stack.sqs(), context.deployment.outputs, context.clock.now_ms()
    results = {"results": context.stack.settings.results_queue_url}
    yield check_depths(sqs, {"uploads": context.stack.uploads_queue_url, **context.lane_urls, **results})
    letters = {
        name: outputs[f"{name.title()}DeadLettersUrl"]
        for name in ("comparisons", "uploads", "outbox", "sweep")
    }
    yield from check_dead_letters(sqs, letters)
    yield check_outbox(context.ledger, now_ms)
    for region in context.allowed:
        yield from check_open(context.ledger, region, now_ms)


def _check_lanes(context: _Context) -> Iterator[Check]:
    stack, settings, now_ms = context.stack, context.stack.settings, context.clock.now_ms()
    holds = {region: find_hold(stack, region, now_ms) for region in context.allowed}
    yield from check_holds(holds, now_ms)
    shares = list_shares(
        context.clients.cloudformation(), context.deployment.parameters, stack.session.region_name
    )
    yield from check_shares(shares, settings.calls_per_s, context.allowed)


def _check_bucket(context: _Context) -> Iterator[Check]:
    stack, s3 = context.stack, context.stack.s3()
    url = context.stack.uploads_queue_url
    attributes = stack.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    yield check_notification(s3, stack.settings.bucket, attributes["QueueArn"])
    if stack.endpoint_url is None:
        # The local cloud does not support lifecycle rules.
        yield check_lifecycle(s3, stack.settings.bucket, stack.photo_retention_days)
    yield check_encryption(s3, stack.settings.bucket, context.deployment.parameters["KmsKeyArn"])


def _check_api(context: _Context) -> Iterator[Check]:
    yield check_unsigned(context.stack.api_url)
    yield check_signed(context.stack, context.region)


def _check_sample(context: _Context) -> Iterator[Check]:
    return check_sample(context.stack, context.region, context.ledger, context.clock)


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
