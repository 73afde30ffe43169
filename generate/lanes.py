"""The sections of the template for each region: parameters, conditions, lanes and references to them."""

from collections.abc import Callable
from itertools import product
from textwrap import dedent
from typing import Final

from facematch.domain.priority import Priority
from facematch.domain.regions import PROFILES, Region
from local.resource_names import name_condition, name_queue, name_region

LANES: Final = tuple(product(Region, (Priority.BULK, Priority.URGENT)))
WORKERS: Final = {10: "AtTenCallsPerSecond", 3: "AtThreeCallsPerSecond"}
"""The columns of the template's mapping `Workers`, by a region's default calls per second."""


def list_parameters() -> str:
    """Return the names of the regions' parameters, in the order in which CloudFormation shows them."""
    names = [f"{name_region(region)}{suffix}" for suffix in ("Qps", "PriceUsd") for region in Region]
    return "\n".join(f"- {name}" for name in names)


def write_parameters() -> str:
    """Return the parameters: each region's quota and price, and the choice of regions."""
    return "\n".join([*map(_write_quota, Region), *map(_write_price, Region), _write_choice()])


def _write_quota(region: Region) -> str:
    return _block(f"""
        {name_region(region)}Qps:
          Type: Number
          Description: Calls per second that the provider grants your account in {region.display_name}.
          MinValue: 1
          MaxValue: 9999
          Default: {PROFILES[region].default_qps}
        """)


def _write_price(region: Region) -> str:
    stated = PROFILES[region].stated_price_usd
    source = (
        "The provider states no price, so set yours"
        if stated is None
        else "The default is the provider's price"
    )
    return _block(f"""
        {name_region(region)}PriceUsd:
          Type: String
          Description: USD per billed call in {region.display_name}, for the dashboard. {source}.
          AllowedPattern: ^[0-9]{{1,3}}(\\.[0-9]{{1,6}})?$
          Default: "{stated or 0}"
        """)


def _write_choice() -> str:
    one = f"({'|'.join(Region)})"
    return _block(f"""
        DefaultRegion:
          Type: String
          Description: >-
            The region of comparisons without a region: {", ".join(Region)}, or auto for the region
            in the same jurisdiction as the stack.
          AllowedValues: [auto, {", ".join(Region)}]
          Default: auto
        AllowedRegions:
          Type: String
          Description: >-
            The comma-separated regions that this stack may send photos to. auto means only the
            default region.
          AllowedPattern: ^(auto|{one}(,{one}){{0,{len(Region) - 1}}})$
          Default: auto
        """)


def write_home_regions() -> str:
    """Return the condition that the stack's AWS region is in the jurisdiction of a region."""
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
    """Return the queue of each lane, and the event source that invokes the workers."""
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
            # Six times the timeout of the function, as AWS recommends.
            VisibilityTimeout: 360
            MessageRetentionPeriod: 1209600
            RedrivePolicy:
              deadLetterTargetArn: !GetAtt ComparisonsDeadLetters.Arn
              # A throttled invocation counts as a receive. This is enough for two hours without concurrency.
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
    """Return the ARNs of the queues of one priority, for the policies of roles."""
    return _for_each_region(
        lambda region: (
            f"- !If [{name_condition(region)}, !GetAtt {name_queue(region, priority)}.Arn, !Ref AWS::NoValue]"
        )
    )


def write_outputs() -> str:
    """Return the outputs with the URLs of the lanes' queues."""
    return "\n".join(_write_output(*lane) for lane in LANES)


def _write_output(region: Region, priority: Priority) -> str:
    source = "uploads" if priority is Priority.BULK else "API requests"
    return _block(f"""
        {name_queue(region, priority)}Url:
          Description: The URL of the queue of {source} for {region.display_name}.
          Condition: {name_condition(region)}
          Value: !Ref {name_queue(region, priority)}
        """)


def _for_each_region(write: Callable[[Region], str]) -> str:
    return "\n".join(_block(write(region)) for region in Region)


def _block(text: str) -> str:
    return dedent(text).strip("\n").rstrip()
