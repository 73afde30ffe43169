from typing import Any

import boto3
import pytest

from facematch_cli.doctor.alarms import check_alarms, check_subscribers
from facematch_cli.doctor.check import Level
from tests.fakes.moto_stack import AWS_REGION
from tests.integration.cli.environment import CliEnvironment

pytestmark = pytest.mark.usefixtures("cli")


def make_alarm(cli: CliEnvironment, name: str, state: Any) -> dict[str, str]:
    """Make an alarm in a state; return the template's name of it by its own."""
    client = boto3.client("cloudwatch", region_name=AWS_REGION)
    physical = f"{cli.name}-{name}"
    client.put_metric_alarm(
        AlarmName=physical,
        AlarmDescription=f"What {name} says.",
        Namespace="facematch/test",
        MetricName="Anything",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    client.set_alarm_state(AlarmName=physical, StateValue=state, StateReason="-")
    return {physical: name}


def test_a_firing_alarm_is_named_with_its_description(cli: CliEnvironment) -> None:
    alarms = make_alarm(cli, "BacklogAgeAlarm", "ALARM") | make_alarm(cli, "StuckPairsAlarm", "OK")

    (check,) = check_alarms(boto3.client("cloudwatch", region_name=AWS_REGION), alarms)

    assert (check.name, check.level) == ("alarms.BacklogAgeAlarm", Level.ERROR)
    assert check.finding == "BacklogAgeAlarm is active: What BacklogAgeAlarm says."


def test_alarms_that_are_quiet_or_have_no_data_are_fine(cli: CliEnvironment) -> None:
    alarms = make_alarm(cli, "A", "OK") | make_alarm(cli, "B", "INSUFFICIENT_DATA")

    (check,) = check_alarms(boto3.client("cloudwatch", region_name=AWS_REGION), alarms)

    assert (check.level, check.finding) == (Level.OK, "None of the 2 alarms is active.")


def test_an_alarm_that_was_deleted_is_a_warning(cli: CliEnvironment) -> None:
    client = boto3.client("cloudwatch", region_name=AWS_REGION)

    checks = {check.name: check for check in check_alarms(client, {f"{cli.name}-gone": "StuckPairsAlarm"})}

    assert checks["alarms.missing"].level is Level.WARNING
    assert "StuckPairsAlarm" in checks["alarms.missing"].finding


def test_a_stack_without_a_topic_notifies_nobody() -> None:
    check = check_subscribers(boto3.client("sns", region_name=AWS_REGION), "none")

    assert (check.level, "no topic" in check.finding) == (Level.WARNING, True)


def test_a_topic_without_a_subscription_notifies_nobody(cli: CliEnvironment) -> None:
    client = boto3.client("sns", region_name=AWS_REGION)
    topic = client.create_topic(Name=cli.name)["TopicArn"]

    assert check_subscribers(client, topic).level is Level.WARNING


def test_a_confirmed_subscription_is_fine(cli: CliEnvironment) -> None:
    client = boto3.client("sns", region_name=AWS_REGION)
    topic = client.create_topic(Name=cli.name)["TopicArn"]
    client.subscribe(TopicArn=topic, Protocol="email", Endpoint="operator@example.com")

    assert check_subscribers(client, topic).level is Level.OK
