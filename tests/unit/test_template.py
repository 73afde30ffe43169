"""Holds what the local cloud ignores, and what must agree with the code."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from facematch.adapters.web_identity import SIGNING_ALGORITHM, TOKEN_LIFETIME_S
from facematch.handlers import api, compare, publish, sweep, uploads
from facematch.regions import PROFILES, Region
from tests.template import ROOT, read_template

TEMPLATE = read_template()
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
LAYERS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::LayerVersion"
}
QUEUES = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::SQS::Queue"
}


def test_every_function_has_a_handler_that_exists() -> None:
    handlers = {
        f"{module.__name__}.{module.handle.__name__}" for module in (api, compare, publish, sweep, uploads)
    }
    assert {function["Handler"] for function in FUNCTIONS.values()} == handlers


def test_the_functions_are_given_every_variable_that_the_settings_read_and_no_other() -> None:
    read = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', (ROOT / "src/facematch/settings.py").read_text()))
    given = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    ours = {name for name in given if not name.startswith("POWERTOOLS_")}
    assert read - {"AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME"} == ours


@pytest.mark.parametrize("region", Region)
def test_the_default_quota_of_each_region_is_the_providers(region: Region) -> None:
    name = "".join(word.capitalize() for word in region.split("-")) + "Qps"
    assert TEMPLATE["Parameters"][name]["Default"] == PROFILES[region].default_qps


def test_the_ledger_forgets_by_time_can_be_restored_and_is_kept_when_the_stack_goes() -> None:
    ledger = RESOURCES["Ledger"]
    properties = ledger["Properties"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert ledger["DeletionPolicy"] == ledger["UpdateReplacePolicy"] == "Retain"


def test_photos_are_private_encrypted_and_do_not_stay() -> None:
    properties = RESOURCES["Photos"]["Properties"]
    assert all(properties["PublicAccessBlockConfiguration"].values())
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert "BucketEncryption" in properties
    (rule,) = properties["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", {"Ref": "PhotoRetentionDays"})


def test_every_queue_that_feeds_a_function_has_dead_letters_and_outlasts_the_function() -> None:
    for function in FUNCTIONS.values():
        for event in function["Events"].values():
            if event["Type"] == "SQS":
                queue = QUEUES[event["Properties"]["Queue"]["GetAtt"].partition(".")[0]]
                assert queue["RedrivePolicy"]["maxReceiveCount"] >= 3
                assert queue["VisibilityTimeout"] >= 2 * function["Timeout"]
                assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_every_queue_is_encrypted_and_keeps_its_messages_as_long_as_can_be() -> None:
    for name, queue in QUEUES.items():
        assert queue["SqsManagedSseEnabled"] is True, name
        assert queue["MessageRetentionPeriod"] == 14 * 86_400, name


def test_the_outbox_wakes_publish_for_pending_records_only_and_loses_none() -> None:
    outbox = FUNCTIONS["Publish"]["Events"]["Outbox"]["Properties"]
    (only,) = outbox["FilterCriteria"]["Filters"]
    assert only["Pattern"] == '{"dynamodb": {"NewImage": {"outbox": {"S": ["pending"]}}}}'
    assert "OnFailure" in outbox["DestinationConfig"]
    stream_retention_s = 86_400
    assert outbox["MaximumRecordAgeInSeconds"] <= stream_retention_s / 2


def test_the_choice_of_workers_is_mapped_number_by_number() -> None:
    workers = {int(name): entry["Concurrency"] for name, entry in TEMPLATE["Mappings"]["Workers"].items()}
    assert list(workers) == list(workers.values())
    assert list(workers) == TEMPLATE["Parameters"]["WorkerConcurrency"]["AllowedValues"]


def test_the_api_answers_only_signed_requests() -> None:
    assert RESOURCES["RestApi"]["Properties"]["Auth"]["DefaultAuthorizer"] == "AWS_IAM"


def test_the_api_is_reached_in_its_own_region_and_not_by_way_of_an_edge() -> None:
    assert RESOURCES["RestApi"]["Properties"]["EndpointConfiguration"] == {"Type": "REGIONAL"}


def test_every_dead_letter_queue_has_its_alarm() -> None:
    watched = {
        dimension["Value"]["GetAtt"].partition(".")[0]
        for resource in RESOURCES.values()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
        for dimension in resource["Properties"].get("Dimensions", [])
        if dimension["Name"] == "QueueName"
        if resource["Properties"]["MetricName"] == "ApproximateNumberOfMessagesVisible"
    }
    assert watched == {name for name in QUEUES if name.endswith("DeadLetters")}


def read_statements(function: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return what a function is allowed, whichever branch of a condition allows it."""
    for policy in function["Policies"]:
        for statement in policy["Statement"]:
            yield from statement["If"][1:] if "If" in statement else [statement]


def test_no_statement_allows_every_action_or_resource() -> None:
    for name, function in FUNCTIONS.items():
        for statement in read_statements(function):
            assert "*" not in str(statement["Action"]), name
            # AWS has no resource to name there.
            assert statement["Resource"] != "*" or statement["Action"] == "sts:GetWebIdentityToken", name


@pytest.mark.parametrize("action", ["secretsmanager:GetSecretValue", "sts:GetWebIdentityToken"])
def test_only_those_that_call_the_provider_may_come_by_its_key(action: str) -> None:
    allowed = {
        name
        for name, function in FUNCTIONS.items()
        if action in [statement["Action"] for statement in read_statements(function)]
    }
    assert allowed == {"Api", "Compare"}


@pytest.mark.parametrize("name", ["Api", "Compare"])
def test_a_token_is_for_the_provider_alone_short_lived_and_signed_as_the_code_asks(name: str) -> None:
    statements = read_statements(FUNCTIONS[name])
    (condition,) = (one["Condition"] for one in statements if one["Action"] == "sts:GetWebIdentityToken")
    condition_name, in_the_cloud, _ = condition["If"]
    assert condition_name == "InTheCloud"
    assert in_the_cloud == {
        "ForAllValues:StringEquals": {"sts:IdentityTokenAudience": [{"Ref": "ProviderOidcAudience"}]},
        "Null": {"sts:IdentityTokenAudience": "false"},
        "NumericLessThanEquals": {"sts:DurationSeconds": TOKEN_LIFETIME_S},
        "StringEquals": {"sts:SigningAlgorithm": SIGNING_ALGORITHM},
    }


def list_settings() -> set[str]:
    """Return the parameters that reach the environment of the functions."""
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    text = str(list(variables.values()))
    named = set(re.findall(r"\$\{(\w+)\}", text)) | set(re.findall(r"'Ref': '(\w+)'", text))
    return named & set(TEMPLATE["Parameters"])


def measure_longest(name: str) -> int:
    """Return how long a parameter's text can be; a score may have three decimals."""
    parameter = TEMPLATE["Parameters"][name]
    if "AllowedValues" in parameter:
        return max(len(str(value)) for value in parameter["AllowedValues"])
    if parameter["Type"] == "Number":
        return len(str(parameter["MaxValue"])) + (4 if name.endswith("Score") else 0)
    return {"AllowedRegions": 4 * len("indonesia") + 3, "QuotaShare": len("0.9999")}[name]


@pytest.mark.parametrize("name", ["Api", "Compare"])
def test_a_function_with_versions_publishes_one_for_each_change_of_its_settings(name: str) -> None:
    assert FUNCTIONS[name]["AutoPublishAliasAllProperties"] is True
    text, _ = FUNCTIONS[name]["VersionDescription"]["Sub"]
    described = set(re.findall(r"\$\{(\w+)\}", text)) - {"Key"}
    local_only = {"LocalStack", "ProviderEndpoints"}
    of_the_key = {
        "ProviderCredentials",
        "ProviderOidcAudience",
        "ProviderOidcProviderArn",
        "ProviderRoleArn",
        "ProviderSecretArn",
    }
    assert described == list_settings() - local_only - of_the_key
    assert all(layer["PublishLambdaVersion"] is True for layer in LAYERS.values())


def test_what_a_version_is_published_for_fits_into_its_description() -> None:
    text, _ = FUNCTIONS["Compare"]["VersionDescription"]["Sub"]
    names = [name for name in re.findall(r"\$\{(\w+)\}", text) if name != "Key"]
    longest_key = max(
        int(limit)
        for name in ("ProviderSecretArn", "ProviderRoleArn")
        for limit in re.findall(r"\{1,(\d+)\}", TEMPLATE["Parameters"][name]["AllowedPattern"])
    )
    lambda_limit = 256
    assert sum(measure_longest(name) + 1 for name in names) + longest_key <= lambda_limit


def test_every_metric_of_ours_that_an_alarm_watches_is_counted_by_the_code() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "src/facematch/handlers").glob("*.py"))
    watched = re.findall(r"Namespace: facematch\n\s+MetricName: (\w+)", (ROOT / "template.yaml").read_text())
    assert len(watched) == 7
    assert [name for name in watched if f'"{name}"' not in sources] == []


def test_every_alarm_goes_to_the_topic() -> None:
    alarms = [one for one in RESOURCES.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    actions = {"If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    assert [one["Properties"]["AlarmActions"] for one in alarms] == [actions] * len(alarms)
