import pytest

from tests.events import load_event
from tests.integration.handlers.cloud import Cloud
from tests.integration.handlers.functions import invoke
from tests.integration.handlers.schema import check_result_event
from tests.integration.handlers.test_publish import end_recorded, list_results

NO_TIME_MS = 5_000


def sweep(*, remaining_ms: int = 60_000) -> None:
    invoke("sweep", load_event("sweep_scheduled"), remaining_ms=remaining_ms)


def end_long_ago(cloud: Cloud, *comparison_ids: str) -> None:
    """Have comparisons stand in the outbox that ended when the events were recorded."""
    end_recorded(cloud)
    item = cloud.dynamodb.scan(TableName=cloud.table)["Items"][0]
    for number, comparison_id in enumerate(comparison_ids):
        copy = {
            **item,
            "pk": {"S": f"comparison#{comparison_id}"},
            "id": {"S": comparison_id},
            "pending_since_ms": {"N": str(1_000_000 + number)},
        }
        cloud.dynamodb.put_item(TableName=cloud.table, Item=copy)
    cloud.dynamodb.delete_item(TableName=cloud.table, Key={"pk": item["pk"]})


def test_what_the_stream_left_leaves_by_the_sweep_the_oldest_first(cloud: Cloud) -> None:
    end_long_ago(cloud, "a" * 26, "b" * 26, "c" * 26)

    sweep()

    results = list_results(cloud)
    assert [event["id"] for event in results] == ["a" * 26, "b" * 26, "c" * 26]
    for event in results:
        check_result_event(event)


def test_what_was_swept_is_neither_swept_nor_counted_again(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    end_long_ago(cloud, "a" * 26)

    sweep()
    sweep()

    assert len(list_results(cloud)) == 1
    assert capsys.readouterr().out.count('"VerdictsMatch":[1.0]') == 1


def test_what_has_just_ended_is_left_to_the_stream(cloud: Cloud) -> None:
    end_long_ago(cloud, "a" * 26)
    cloud.dynamodb.update_item(
        TableName=cloud.table,
        Key={"pk": {"S": "comparison#" + "a" * 26}},
        UpdateExpression="SET pending_since_ms = :later",
        ExpressionAttributeValues={":later": {"N": str(32_000_000_000_000)}},
    )

    sweep()

    assert list_results(cloud) == []


def test_one_that_can_not_leave_does_not_hold_up_the_others(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    end_long_ago(cloud, "a" * 26, "b" * 26)
    cloud.dynamodb.update_item(
        TableName=cloud.table,
        Key={"pk": {"S": "comparison#" + "a" * 26}},
        UpdateExpression="REMOVE options",
    )

    sweep()

    assert [event["id"] for event in list_results(cloud)] == ["b" * 26]
    assert '"ResultsStuck":[1.0]' in capsys.readouterr().out


def test_a_sweep_that_runs_out_of_time_leaves_the_rest_to_the_next(cloud: Cloud) -> None:
    end_long_ago(cloud, "a" * 26, "b" * 26)

    sweep(remaining_ms=NO_TIME_MS)
    assert len(list_results(cloud)) == 1
    sweep(remaining_ms=NO_TIME_MS)

    assert len(list_results(cloud)) == 2
