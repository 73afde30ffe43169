from typing import Any

import pytest

from facematch_cli.doctor.check import Level
from facematch_cli.doctor.sources import (
    STREAM,
    Source,
    check_schedule,
    check_sources,
    find_queue_sources,
    find_stream_source,
)
from tests.unit.cli.doctor.stubs import make_client

UUID = "11111111-2222-3333-4444-555555555555"
QUEUE_ARN = "arn:aws:sqs:ap-southeast-1:000000000000:uploads"
STREAM_ARN = "arn:aws:dynamodb:ap-southeast-1:000000000000:table/ledger/stream/2026-01-01T00:00:00.000"


def make_source(**changes: Any) -> Source:
    fields: dict[str, Any] = {
        "name": "uploads",
        "id": UUID,
        "state": "Enabled",
        "concurrency": 10,
    }
    return Source(**(fields | changes))


def find(*mappings: dict[str, Any]) -> Source:
    functions = make_client(
        "lambda",
        (
            "list_event_source_mappings",
            {"EventSourceArn": QUEUE_ARN},
            {"EventSourceMappings": list(mappings)},
        ),
    )
    queues = make_client(
        "sqs",
        (
            "get_queue_attributes",
            {"QueueUrl": "https://sqs.invalid/uploads", "AttributeNames": ["QueueArn"]},
            {"Attributes": {"QueueArn": QUEUE_ARN}},
        ),
    )
    (source,) = find_queue_sources(functions, queues, {"uploads": "https://sqs.invalid/uploads"})
    return source


def test_an_event_source_of_a_queue_has_its_state_and_its_concurrency() -> None:
    mapping = {
        "UUID": UUID,
        "State": "Enabled",
        "ScalingConfig": {"MaximumConcurrency": 10},
    }

    assert find(mapping) == make_source()


def test_a_queue_without_an_event_source_is_found() -> None:
    (check,) = check_sources([find()])

    assert (check.name, check.level) == ("sources.uploads", Level.ERROR)
    assert "no event source" in check.finding


def test_the_stream_runs_as_many_functions_as_its_open_shards_allow() -> None:
    at = {"SequenceNumberRange": {"StartingSequenceNumber": "1" * 21}}
    closed = {"SequenceNumberRange": {**at["SequenceNumberRange"], "EndingSequenceNumber": "2" * 21}}
    source = find_stream_source(
        make_client(
            "lambda",
            (
                "list_event_source_mappings",
                {"EventSourceArn": STREAM_ARN},
                {
                    "EventSourceMappings": [
                        {
                            "UUID": "22222222-2222-3333-4444-555555555555",
                            "State": "Enabled",
                            "ParallelizationFactor": 10,
                        }
                    ]
                },
            ),
        ),
        make_client(
            "dynamodb",
            ("describe_table", {"TableName": "ledger"}, {"Table": {"LatestStreamArn": STREAM_ARN}}),
        ),
        make_client(
            "dynamodbstreams",
            (
                "describe_stream",
                {"StreamArn": STREAM_ARN},
                {"StreamDescription": {"Shards": [at, at, closed]}},
            ),
        ),
        "ledger",
    )

    assert source == Source(
        name=STREAM, id="22222222-2222-3333-4444-555555555555", state="Enabled", concurrency=20
    )


def test_a_table_without_a_stream_has_no_event_source() -> None:
    table = make_client("dynamodb", ("describe_table", {"TableName": "ledger"}, {"Table": {}}))

    source = find_stream_source(make_client("lambda"), table, make_client("dynamodbstreams"), "ledger")

    assert source == Source(name=STREAM)


def test_enabled_event_sources_are_one_line() -> None:
    (check,) = check_sources([make_source(), make_source(name=STREAM)])

    assert (check.level, check.finding) == (Level.OK, "All 2 event sources are enabled.")


@pytest.mark.parametrize("state", ["Disabled", "Disabling"])
def test_a_disabled_event_source_is_named_with_the_command_that_enables_it(state: str) -> None:
    (check,) = check_sources([make_source(), make_source(name="singapore bulk", state=state)])

    assert (check.name, check.level) == ("sources.singapore-bulk", Level.ERROR)
    assert check.fix == f"Enable it: `aws lambda update-event-source-mapping --uuid {UUID} --enabled`."


def test_an_event_source_that_lambda_can_not_use_is_a_warning() -> None:
    (check,) = check_sources([make_source(last_result="PROBLEM: Function call failed")])

    assert (check.level, check.finding) == (
        Level.WARNING,
        "Lambda reports a problem with uploads: PROBLEM: Function call failed",
    )


@pytest.mark.parametrize(("state", "level"), [("ENABLED", Level.OK), ("DISABLED", Level.ERROR)])
def test_the_schedule_of_the_sweep_is_checked(state: str, level: Level) -> None:
    client = make_client("events", ("describe_rule", {"Name": "rule-1"}, {"State": state}))

    assert check_schedule(client, "rule-1").level is level
