"""The dashboard of the template: charts of twelve by six units, two in a row."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any, Final

from facematch.domain.regions import Region
from generate.lanes import LANES
from local.resource_names import name_condition, name_queue, name_region

type Metrics = list[list[Any]]

_NAMESPACE: Final = "facematch/${AWS::StackName}"
_WIDTH: Final = 12
_HEIGHT: Final = 6
_MINUTE_S: Final = 60
_FIVE_MINUTES_S: Final = 300
_HOUR_S: Final = 3600
_FROM_ZERO: Final = {"min": 0, "showUnits": False}
_VERDICTS: Final = (
    "VerdictsMatch",
    "VerdictsNoMatch",
    "VerdictsReview",
    "VerdictsPhotoRejected",
    "VerdictsFailed",
)
_STEPS: Final = (
    "WaitForWorkerDuration",
    "ReadDuration",
    "PrepareDuration",
    "ConnectDuration",
    "WaitForSlotDuration",
    "CallDuration",
    "BackOffDuration",
    "TotalDuration",
)
_CALLS: Final = (
    "CallsAnswered",
    "CallsThrottled",
    "CallsFaulted",
    "CallsPossiblyBilled",
    "CallsUnsent",
    "CallsRefused",
)
_FUNCTIONS: Final = ("Uploads", "Api", "Compare", "Publish", "Sweep")
_SWEEP_FINDINGS: Final = ("ResultsSwept", "ResultsStuck", "PairsDue", "PairsStuck", "ComparisonsForgotten")
_OTHER_QUEUES: Final = (
    "UploadsQueue",
    "ResultsQueue",
    "UploadsDeadLetters",
    "ComparisonsDeadLetters",
    "OutboxDeadLetters",
    "SweepDeadLetters",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart; `axis` is its left axis, and `options` are more of CloudWatch's properties."""

    title: str
    metrics: Metrics
    axis: Mapping[str, Any] = field(default_factory=lambda: _FROM_ZERO)
    options: Mapping[str, Any] = field(default_factory=dict)


def list_charts() -> list[Chart]:
    """Return the charts, first what a reader looks for first."""
    return [
        Chart(
            title="Verdicts",
            metrics=[_search(_VERDICTS, "Sum")],
            options={"view": "timeSeries", "stacked": True, "period": _FIVE_MINUTES_S},
        ),
        Chart(
            title="Scores by region: 10th, 50th and 90th percentile",
            metrics=[_search(["Score"], statistic, label=statistic) for statistic in ("p10", "p50", "p90")],
            axis={"min": 0, "max": 100, "showUnits": False},
        ),
        *(
            Chart(
                title=f"Where a comparison's time goes: {name}",
                metrics=[_search(_STEPS, statistic)],
                axis={"label": "ms", "showUnits": False, "min": 0},
            )
            for name, statistic in (("median", "p50"), ("95th percentile", "p95"))
        ),
        Chart(
            title="Calls of the provider",
            metrics=[_ours(name, service) for name in _CALLS for service in ("compare", "api")],
            options=_count("Sum", _FIVE_MINUTES_S),
        ),
        Chart(
            title="Throttles and refusals here",
            metrics=[
                *(
                    ["AWS/ApiGateway", name, "ApiName", "${AWS::StackName}", "Stage", "live"]
                    for name in ("Count", "4XXError", "5XXError")
                ),
                *(["AWS/Lambda", "Throttles", "FunctionName", f"${{{name}}}"] for name in _FUNCTIONS),
                *(_ours(name, "compare") for name in ("ComparisonsPostponed", "ComparisonsHeld")),
            ],
            options=_count("Sum", _FIVE_MINUTES_S),
        ),
        Chart(
            title="Age of the oldest open comparison, upload and result, in seconds",
            metrics=[
                _ours("OldestComparisonAge", "sweep"),
                *(
                    _of_queue("ApproximateAgeOfOldestMessage", f"{name}.QueueName")
                    for name in ("UploadsQueue", "ResultsQueue")
                ),
            ],
            options=_count("Maximum", _FIVE_MINUTES_S),
        ),
        Chart(
            title="Comparisons that wait in each lane",
            metrics=[
                _of_queue("ApproximateNumberOfMessagesVisible", name_queue(*lane).removesuffix("Queue"))
                for lane in LANES
            ],
            options=_count("Maximum", _FIVE_MINUTES_S),
        ),
        Chart(
            title="Lanes on hold",
            metrics=[
                _ours(f"LanesHeldFor{reason}", "sweep") for reason in ("Outage", "Throttling", "Operator")
            ],
            options=_count("Maximum", _MINUTE_S),
        ),
        Chart(
            title="Other queues, dead letters and what the sweep found",
            metrics=[
                *(
                    _of_queue("ApproximateNumberOfMessagesVisible", f"{name}.QueueName")
                    for name in _OTHER_QUEUES
                ),
                *(_ours(name, "sweep") for name in _SWEEP_FINDINGS),
            ],
            options=_count("Maximum", _FIVE_MINUTES_S),
        ),
        Chart(
            title="Spend on the provider by region, USD an hour",
            metrics=[_price_calls(region) for region in Region],
            axis={"label": "USD", "min": 0, "showUnits": False},
            options={"stacked": True, "period": _HOUR_S},
        ),
        Chart(
            title="Billed calls an hour, and calls that may have been billed",
            metrics=[_search(["CallsBilled", "CallsPossiblyBilledPerVerdict"], "Sum", period_s=_HOUR_S)],
            options={"period": _HOUR_S},
        ),
    ]


def write_dashboard() -> str:
    """Return the body of the dashboard, and the names of the lanes' queues that it shows."""
    charts = ",\n".join(_write_chart(place, chart) for place, chart in enumerate(list_charts()))
    body = f'{{"widgets": [\n{indent(charts, "  ")}\n]}}'
    queues = "\n".join(
        f"{name_queue(*lane).removesuffix('Queue')}: "
        f"!If [{name_condition(lane[0])}, !GetAtt {name_queue(*lane)}.QueueName, none]"
        for lane in LANES
    )
    return f"DashboardBody: !Sub\n  - |\n{indent(body, '    ')}\n  - {indent(queues, '    ').lstrip()}"


def _write_chart(place: int, chart: Chart) -> str:
    """Return a chart as JSON, with a line for each metric."""
    position = {
        "x": place % 2 * _WIDTH,
        "y": place // 2 * _HEIGHT,
        "width": _WIDTH,
        "height": _HEIGHT,
    }
    properties = {
        "title": chart.title,
        "region": "${AWS::Region}",
        **chart.options,
        "yAxis": {"left": chart.axis},
    }
    metrics = ",\n".join(f"    {json.dumps(metric)}" for metric in chart.metrics)
    head = json.dumps({"type": "metric", **position, "properties": properties}).removesuffix("}}")
    return f'{head}, "metrics": [\n{metrics}\n  ]}}}}'


def _count(statistic: str, period_s: int) -> dict[str, Any]:
    return {"stat": statistic, "period": period_s}


def _ours(name: str, service: str) -> list[Any]:
    return [_NAMESPACE, name, "service", service]


def _of_queue(name: str, queue: str) -> list[Any]:
    return ["AWS/SQS", name, "QueueName", f"${{{queue}}}"]


def _search(
    names: list[str] | tuple[str, ...], statistic: str, *, label: str = "", period_s: int = _FIVE_MINUTES_S
) -> list[Any]:
    """Return all metrics of these names, one for each region and service."""
    quoted = " OR ".join(f'"{name}"' for name in names)
    chosen = f"({quoted})" if len(names) > 1 else quoted
    return [{"expression": _write_search(f"MetricName={chosen}", statistic, period_s), "label": label}]


def _price_calls(region: Region) -> list[Any]:
    search = _write_search(f'MetricName="CallsBilled" region="{region}"', "Sum", _HOUR_S)
    return [{"expression": f"SUM({search}) * ${{{name_region(region)}PriceUsd}}", "label": region}]


def _write_search(criteria: str, statistic: str, period_s: int) -> str:
    return f"SEARCH('{{\"{_NAMESPACE}\",region,service}} {criteria}', '{statistic}', {period_s})"
