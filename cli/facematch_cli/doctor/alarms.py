"""Checks the alarms: whether any is active, and whether anyone receives them."""

from collections.abc import Iterator, Mapping
from itertools import batched
from typing import TYPE_CHECKING, Final

from facematch_cli.doctor.check import Check, failed, passed, warned
from facematch_client.text import clean

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_sns import SNSClient

_MOST_NAMES: Final = 100
"""The maximum number of alarm names in one request."""
_NO_TOPIC: Final = "none"
_PENDING: Final = "PendingConfirmation"


def check_alarms(client: "CloudWatchClient", alarms: Mapping[str, str]) -> Iterator[Check]:
    """Check that no alarm is active. `alarms` maps CloudWatch names to the names in the template."""
    found = [
        alarm
        for names in batched(alarms, _MOST_NAMES, strict=False)
        for alarm in client.describe_alarms(AlarmNames=list(names))["MetricAlarms"]
    ]
    active = [alarm for alarm in found if alarm.get("StateValue") == "ALARM"]
    for alarm in active:
        name = alarms[alarm["AlarmName"]]
        yield failed(
            f"alarms.{name}",
            f"{name} is active: {clean(alarm.get('AlarmDescription', ''))}",
            f"Follow docs/operate.md for {name}.",
        )
    if missing := alarms.keys() - {alarm["AlarmName"] for alarm in found}:
        names = ", ".join(sorted(alarms[name] for name in missing))
        yield warned(
            "alarms.missing", f"Alarms of the stack were deleted: {names}.", "Deploy the stack again."
        )
    if not active:
        yield passed("alarms.firing", f"None of the {len(found)} alarms is active.")


def check_subscribers(client: "SNSClient", topic_arn: str) -> Check:
    """Check that someone receives the alarms."""
    name = "alarms.subscribers"
    if topic_arn == _NO_TOPIC:
        return warned(
            name,
            "Nobody receives the alarms: the stack has no topic.",
            "Deploy with AlarmTopicArn set to an SNS topic.",
        )
    pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    states = [subscription["SubscriptionArn"] for page in pages for subscription in page["Subscriptions"]]
    confirmed = [state for state in states if state.startswith("arn:")]
    if confirmed:
        return passed(name, f"The alarms go to a topic with {len(confirmed)} confirmed subscriptions.")
    if _PENDING in states:
        return warned(
            name,
            "Nobody receives the alarms: the subscription is not confirmed.",
            "Confirm it with the email from AWS.",
        )
    return warned(
        name, "Nobody receives the alarms: the topic has no subscription.", f"Subscribe to {topic_arn}."
    )
