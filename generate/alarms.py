"""The alarms of the template on one metric each."""

from dataclasses import dataclass
from textwrap import dedent
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric in CloudWatch; namespace and dimensions as the template has them."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm that goes off when `statistic` is above `threshold` in each of `periods` periods in a row."""

    name: str
    description: str
    metric: Metric
    statistic: str = "Sum"
    period_s: int = 300
    periods: int = 1
    threshold: int = 0


def _ours(name: str, service: str) -> Metric:
    return Metric("!Sub facematch/${AWS::StackName}", name, (("service", service),))


def _of_function(name: str, function: str) -> Metric:
    return Metric("AWS/Lambda", name, (("FunctionName", f"!Ref {function}"),))


def _of_queue(name: str, queue: str) -> Metric:
    return Metric("AWS/SQS", name, (("QueueName", f"!GetAtt {queue}.QueueName"),))


def _throttles(function: str) -> Alarm:
    return Alarm(
        name=f"{function}Throttles",
        description=f"Lambda throttled {function}; the account lacks concurrency.",
        metric=_of_function("Throttles", function),
    )


def _dead_letters(queue: str, description: str) -> Alarm:
    return Alarm(
        name=queue,
        description=description,
        metric=_of_queue("ApproximateNumberOfMessagesVisible", queue),
        statistic="Maximum",
        period_s=60,
    )


ALARMS: Final = (
    Alarm(
        name="CompareCallsPossiblyBilled",
        description="Calls of the workers brought no answer and may have been billed; the ledger has each.",
        metric=_ours("CallsPossiblyBilled", "compare"),
    ),
    Alarm(
        name="ApiCallsPossiblyBilled",
        description="Calls of the API brought no answer and may have been billed; the ledger has each.",
        metric=_ours("CallsPossiblyBilled", "api"),
    ),
    Alarm(
        name="LanesHeldForOperator",
        description=(
            "The provider refuses the account or its key in a region; work there waits until someone repairs "
            "that."
        ),
        metric=_ours("LanesHeldForOperator", "sweep"),
        statistic="Maximum",
        period_s=60,
    ),
    Alarm(
        name="LanesHeldForOutage",
        description="The provider has failed in a region for five minutes; work there waits.",
        metric=_ours("LanesHeldForOutage", "sweep"),
        statistic="Maximum",
        period_s=60,
        periods=5,
    ),
    Alarm(
        name="BacklogAge",
        description=(
            "The oldest comparison has waited for an hour; more pairs arrive than the quota allows, or a "
            "lane is on hold."
        ),
        metric=_ours("OldestComparisonAge", "sweep"),
        statistic="Maximum",
        threshold=3600,
    ),
    Alarm(
        name="ResultsAge",
        description="The oldest verdict on the results queue has waited for an hour; no consumer takes it.",
        metric=_of_queue("ApproximateAgeOfOldestMessage", "ResultsQueue"),
        statistic="Maximum",
        threshold=3600,
    ),
    Alarm(
        name="ApiErrors",
        description="The API answered requests with an error of its own (5XX).",
        metric=Metric("AWS/ApiGateway", "5XXError", (("ApiName", "!Ref AWS::StackName"), ("Stage", "live"))),
    ),
    *map(_throttles, ("Uploads", "Api", "Compare", "Publish", "Sweep")),
    Alarm(
        name="CompareRecursion",
        description=(
            "Lambda dropped messages to Compare as a recursive loop, although the function allows it."
        ),
        metric=_of_function("RecursiveInvocationsDropped", "Compare"),
    ),
    Alarm(
        name="PublishLag",
        description="Verdicts have waited in the ledger's stream for over a minute.",
        metric=_of_function("IteratorAge", "Publish"),
        statistic="Maximum",
        period_s=60,
        periods=3,
        threshold=60_000,
    ),
    Alarm(
        name="SweptResults",
        description="The sweep published verdicts that the ledger's stream should have brought to Publish.",
        metric=_ours("ResultsSwept", "sweep"),
    ),
    Alarm(
        name="StuckResults",
        description="The sweep can't publish verdicts either.",
        metric=_ours("ResultsStuck", "sweep"),
    ),
    Alarm(
        name="StuckPairs",
        description="The sweep can't end or register pairs whose deadline has passed.",
        metric=_ours("PairsStuck", "sweep"),
    ),
    Alarm(
        name="ForgottenComparisons",
        description="The sweep enqueued comparisons again that no worker had seen for an hour.",
        metric=_ours("ComparisonsForgotten", "sweep"),
    ),
    _dead_letters("ComparisonsDeadLetters", "Comparisons wait in the dead-letter queue for a redrive."),
    _dead_letters(
        "UploadsDeadLetters",
        "Uploads that could not be processed wait in their dead-letter queue for a redrive.",
    ),
    _dead_letters(
        "OutboxDeadLetters",
        "Verdicts that the stream could not publish; the dead letters point to them, and the sweep publishes "
        "them.",
    ),
    _dead_letters("SweepDeadLetters", "Sweeps failed or did not begin."),
)


def write_alarms() -> str:
    """Return all alarms as the template's resources."""
    return "\n".join(map(_write_alarm, ALARMS))


def _write_alarm(alarm: Alarm) -> str:
    dimensions = ", ".join(f"{{ Name: {name}, Value: {value} }}" for name, value in alarm.metric.dimensions)
    return dedent(f"""\
        {alarm.name}Alarm:
          Type: AWS::CloudWatch::Alarm
          Properties:
            AlarmDescription: {alarm.description}
            AlarmActions: *alarm_actions
            Namespace: {alarm.metric.namespace}
            MetricName: {alarm.metric.name}
            Dimensions: [{dimensions}]
            Statistic: {alarm.statistic}
            Period: {alarm.period_s}
            EvaluationPeriods: {alarm.periods}
            ComparisonOperator: GreaterThanThreshold
            Threshold: {alarm.threshold}
            TreatMissingData: notBreaching""")
