"""Holds what the local cloud ignores, and what must agree with the code."""

import re
from typing import Any

import pytest

from facematch.handlers import api, compare, publish, uploads
from facematch.regions import PROFILES, Region
from tests.template import ROOT, read_template

TEMPLATE = read_template()
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
QUEUES = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::SQS::Queue"
}


def test_every_function_has_a_handler_that_exists() -> None:
    handlers = {f"{module.__name__}.{module.handle.__name__}" for module in (api, compare, publish, uploads)}
    assert {function["Handler"] for function in FUNCTIONS.values()} == handlers


def test_the_functions_are_given_every_variable_that_the_settings_read_and_no_other() -> None:
    read = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', (ROOT / "src/facematch/settings.py").read_text()))
    given = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    ours = {name for name in given if not name.startswith("POWERTOOLS_")}
    assert read - {"AWS_REGION"} == ours


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
        for dimension in resource["Properties"]["Dimensions"]
        if dimension["Name"] == "QueueName"
    }
    assert watched == {name for name in QUEUES if name.endswith("DeadLetters")}


def test_no_statement_allows_every_action_or_resource() -> None:
    for name, function in FUNCTIONS.items():
        for policy in function["Policies"]:
            for statement in policy["Statement"]:
                assert "*" not in str(statement["Action"]), name
                assert statement["Resource"] != "*", name


def test_only_those_that_call_the_provider_may_read_its_key() -> None:
    readers = {name for name, function in FUNCTIONS.items() if "GetSecretValue" in str(function["Policies"])}
    assert readers == {"Api", "Compare"}
