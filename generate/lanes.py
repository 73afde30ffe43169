"""What the template has for each jurisdiction: parameters, conditions, lanes and all that refers to them."""

from collections.abc import Callable
from itertools import product
from textwrap import dedent
from typing import Final

from facematch.domain.priority import Priority
from facematch.domain.regions import PROFILES, Region
from local.resource_names import name_condition, name_queue, name_region

LANES: Final = tuple(product(Region, (Priority.BULK, Priority.URGENT)))
WORKERS: Final = {10: "AtTenCallsPerSecond", 3: "AtThreeCallsPerSecond"}
"""The column of the template's mapping `Workers`, by a region's default calls per second."""


def list_parameters() -> str:
    """Return the names of the regions' parameters, for the order in which CloudFormation shows them."""
    names = [f"{name_region(region)}{suffix}" for suffix in ("Qps", "PriceUsd") for region in Region]
    return "\n".join(f"- {name}" for name in names)


def write_parameters() -> str:
    """Return the parameters: each region's quota and price, and the choice of regions."""
    return "\n".join([*map(_write_quota, Region), *map(_write_price, Region), _write_choice()])


def _write_quota(region: Region) -> str:
    return _block(f"""
        {name_region(region)}Qps:
          Type: Number
          Description: Calls a second that the provider grants your account in {region.display_name}.
          MinValue: 1
          MaxValue: 9999
          Default: {PROFILES[region].default_qps}
        """)


def _write_price(region: Region) -> str:
    stated = PROFILES[region].stated_price_usd
    source = (
        "the vendor states none, so 0 until you set yours" if stated is None else "as the vendor states it"
    )
    return _block(f"""
        {name_region(region)}PriceUsd:
          Type: String
          Description: USD that a billed call costs in {region.display_name}, for the dashboard; {source}.
          AllowedPattern: ^[0-9]{{1,3}}(\\.[0-9]{{1,6}})?$
          Default: "{stated or 0}"
        """)


def _write_choice() -> str:
    one = f"({'|'.join(Region)})"
    return _block(f"""
        DefaultRegion:
          Type: String
          Description: >-
            The jurisdiction of a comparison that names none: {", ".join(Region)}, or auto for the one
            that the stack's own AWS region lies in.
          AllowedValues: [auto, {", ".join(Region)}]
          Default: auto
        AllowedRegions:
          Type: String
          Description: >-
            The jurisdictions that this stack may send faces to, with commas; auto for the default one alone.
          AllowedPattern: ^(auto|{one}(,{one}){{0,{len(Region) - 1}}})$
          Default: auto
        """)


def write_home_regions() -> str:
    """Return whether the stack's AWS region lies in a jurisdiction."""
    homes = ", ".join(PROFILES[region].aws_region for region in Region)
    return f"- !Contains [[{homes}], !Ref AWS::Region]"


def write_conditions() -> str:
    """Return the conditions under which a stack has the lanes of each region."""
    return _for_each_region(
        lambda region: (
            f"""
        {name_condition(region)}: !Or
          - !Not [!Equals [!Join ["", !Split [{region}, !Ref AllowedRegions]], !Ref AllowedRegions]]
          - !And [!Condition AllowsDefaultRegion, !Equals [!Ref DefaultRegion, {region}]]
          - !And
            - !Condition AllowsDefaultRegion
            - !Condition DefaultsByAwsRegion
            - !Equals [!Ref AWS::Region, {PROFILES[region].aws_region}]
        """
        )
    )


def write_variables() -> str:
    """Return the functions' environment variables: the lanes' queues, and the quotas."""
    urls = [
        f"{region}_{priority}_QUEUE_URL".upper().replace("-", "_")
        + f": !If [{name_condition(region)}, !Ref {name_queue(region, priority)}, none]"
        for region, priority in LANES
    ]
    quotas = ",".join(f"{region}=${{{name_region(region)}Qps}}" for region in Region)
    return "\n".join([*urls, f"CALLS_PER_SECOND: !Sub {quotas}"])


def write_queues() -> str:
    """Return each lane's queue, and the source that invokes the workers."""
    return "\n".join(_write_queue(*lane) for lane in LANES)


def _write_queue(region: Region, priority: Priority) -> str:
    queue = name_queue(region, priority)
    return _block(f"""
        {queue}:
          Type: AWS::SQS::Queue
          Condition: {name_condition(region)}
          Properties:
            SqsManagedSseEnabled: *managed_sse
            KmsMasterKeyId: *key_or_none
            # Six times what the function may take, as AWS advises.
            VisibilityTimeout: 360
            MessageRetentionPeriod: 1209600
            RedrivePolicy:
              deadLetterTargetArn: !GetAtt ComparisonsDeadLetters.Arn
              # Each invocation that Lambda throttles counts as a receive. An account may lack concurrency
              # for two hours.
              maxReceiveCount: 20
        {queue.removesuffix("Queue")}Source:
          Type: AWS::Lambda::EventSourceMapping
          Condition: {name_condition(region)}
          Properties:
            FunctionName: !Ref Compare.Alias
            EventSourceArn: !GetAtt {queue}.Arn
            # A worker compares the pairs of a batch at the same time.
            BatchSize: 8
            MaximumBatchingWindowInSeconds: 0
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {{ MaximumConcurrency: {_count_workers(region, priority)} }}
        """)


def _count_workers(region: Region, priority: Priority) -> str:
    if priority is Priority.URGENT:
        return "2"
    qps = PROFILES[region].default_qps
    if qps not in WORKERS:
        raise LookupError(f"generate/lanes.py: WORKERS has no column for the {qps} QPS of {region}.")
    return f"!FindInMap [Workers, !Ref WorkerConcurrency, {WORKERS[qps]}]"


def write_arns(priority: Priority) -> str:
    """Return the queues of one priority, for what a role allows."""
    return _for_each_region(
        lambda region: (
            f"- !If [{name_condition(region)}, !GetAtt {name_queue(region, priority)}.Arn, !Ref AWS::NoValue]"
        )
    )


def write_outputs() -> str:
    """Return the outputs: the URL of each lane's queue."""
    return "\n".join(_write_output(*lane) for lane in LANES)


def _write_output(region: Region, priority: Priority) -> str:
    waiting = "Uploaded pairs" if priority is Priority.BULK else "Pairs from the API"
    return _block(f"""
        {name_queue(region, priority)}Url:
          Description: {waiting} that wait for a worker in {region.display_name}.
          Condition: {name_condition(region)}
          Value: !Ref {name_queue(region, priority)}
        """)


def _for_each_region(write: Callable[[Region], str]) -> str:
    return "\n".join(_block(write(region)) for region in Region)


def _block(text: str) -> str:
    return dedent(text).strip("\n").rstrip()
