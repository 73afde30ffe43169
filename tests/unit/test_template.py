"""Holds what the local cloud ignores, and what must agree with the code."""

import json
import re
import tomllib
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from facematch.adapters.ledger import OUTBOX, WORK_INDEX
from facematch.adapters.web_identity import SIGNING_ALGORITHM, TOKEN_LIFETIME_S
from facematch.domain.deadline import ANSWER_TIME_S, CALL_TIMEOUT_S, CLOSING_TIME_S, Deadline
from facematch.domain.priority import Priority
from facematch.domain.regions import PROFILES, Region
from facematch.handlers import api, compare, diagnose, publish, sweep, uploads
from generate.lanes import WORKERS
from harness.deployed import read_stack
from harness.template import ROOT, read_template
from local.resource_names import name_queue, name_region
from tests.fakes.clock import FakeClock

TEMPLATE = read_template()
PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE["Parameters"]
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
KEY_ARN = "arn:aws:kms:ap-southeast-1:123456789012:key/11111111-2222-3333-4444-555555555555"
KEY = {"Ref": "KmsKeyArn"}
LANES = list(product(Region, Priority))
ALL_REGIONS = ",".join(Region)
OURS = "facematch/${AWS::StackName}"
"""The namespace of our own metrics."""


def find(kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    """Return the properties of a stack's resources of one kind, by name."""
    return {
        name: resource.get("Properties", {})
        for name, resource in read_stack(**parameters).items()
        if resource["Type"] == kind
    }


# Functions


def test_every_function_has_a_handler_that_exists() -> None:
    handlers = {
        f"{module.__name__}.{module.handle.__name__}"
        for module in (api, compare, diagnose, publish, sweep, uploads)
    }
    assert {function["Handler"] for function in FUNCTIONS.values()} == handlers


def test_the_functions_are_given_every_variable_that_the_settings_read_and_no_other() -> None:
    source = (ROOT / "src/facematch/settings.py").read_text()
    named = re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"|reader\.\w+\("([A-Z]+)"', source)
    read = {name for names in named for name in names if name}
    read |= {f"{region}_{priority}_QUEUE_URL".upper().replace("-", "_") for region, priority in LANES}
    given = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    ours = {name for name in given if not name.startswith("POWERTOOLS_")}
    read -= {"AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME"}
    assert read - ours == set(), "Give these to the functions, in Globals of template.yaml."
    assert ours - read == set(), "Read these in src/facematch/settings.py."


def test_every_function_and_the_api_are_traced() -> None:
    functions = find("AWS::Lambda::Function")
    assert functions.keys() == FUNCTIONS.keys()
    assert {function["TracingConfig"]["Mode"] for function in functions.values()} == {"Active"}
    (stage,) = find("AWS::ApiGateway::Stage").values()
    assert stage["TracingEnabled"] is True


def test_no_function_takes_concurrency_from_the_account_for_itself() -> None:
    for name, function in find("AWS::Lambda::Function").items():
        assert "ReservedConcurrentExecutions" not in function, name


def test_every_function_has_its_own_log_group_that_is_deleted_with_the_stack() -> None:
    groups = {name: one for name, one in read_stack().items() if one["Type"] == "AWS::Logs::LogGroup"}
    for name, function in find("AWS::Lambda::Function").items():
        assert function["LoggingConfig"] == {"LogGroup": {"Ref": f"{name}Logs"}}
        assert f"{name}Logs" in groups
    for name, group in groups.items():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
        assert group["DeletionPolicy"] == group["UpdateReplacePolicy"] == "Delete", name


def test_the_choice_of_workers_is_mapped_number_by_number() -> None:
    automatic, *chosen = TEMPLATE["Mappings"]["Workers"].items()
    assert [name for name, _ in (automatic, *chosen)] == PARAMETERS["WorkerConcurrency"]["AllowedValues"]
    assert automatic == ("auto", {"AtTenCallsPerSecond": 5, "AtThreeCallsPerSecond": 3})
    assert all(set(entry.values()) == {int(name)} for name, entry in chosen)


# What stays, and for how long


def test_the_ledger_forgets_by_time_can_be_restored_and_is_kept_when_the_stack_goes() -> None:
    ledger = read_stack()["Ledger"]
    properties = ledger["Properties"]
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["DeletionProtectionEnabled"] is True
    assert ledger["DeletionPolicy"] == ledger["UpdateReplacePolicy"] == "Retain"


def test_photos_are_private_and_do_not_outlast_their_days_nor_the_stack() -> None:
    bucket = read_stack()["Photos"]
    properties = bucket["Properties"]
    assert list(properties["PublicAccessBlockConfiguration"].values()) == [True] * 4
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "VersioningConfiguration" not in properties
    (rule,) = properties["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", {"Ref": "PhotoRetentionDays"})
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Delete"


def test_photos_travel_encrypted_only() -> None:
    (statement,) = find("AWS::S3::BucketPolicy")["PhotosPolicy"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2


def test_a_browser_may_only_post_photos() -> None:
    (rule,) = find("AWS::S3::Bucket")["Photos"]["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedMethods"] == ["POST"]


# Encryption


def test_without_a_key_everything_is_encrypted_by_keys_that_aws_manages() -> None:
    (rule,) = find("AWS::S3::Bucket")["Photos"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert find("AWS::DynamoDB::Table")["Ledger"]["SSESpecification"] == {"SSEEnabled": True}
    for name, queue in find("AWS::SQS::Queue").items():
        assert queue["SqsManagedSseEnabled"] is True, name
    assert json.dumps(KEY) not in json.dumps(read_stack())


def test_with_a_key_it_encrypts_bucket_ledger_every_queue_and_every_log() -> None:
    (rule,) = find("AWS::S3::Bucket", KmsKeyArn=KEY_ARN)["Photos"]["BucketEncryption"][
        "ServerSideEncryptionConfiguration"
    ]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    assert rule["BucketKeyEnabled"] is True
    table = find("AWS::DynamoDB::Table", KmsKeyArn=KEY_ARN)["Ledger"]
    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
    for name, queue in find("AWS::SQS::Queue", KmsKeyArn=KEY_ARN).items():
        assert queue["KmsMasterKeyId"] == KEY, name
        assert "SqsManagedSseEnabled" not in queue, name
    groups = find("AWS::Logs::LogGroup", KmsKeyArn=KEY_ARN, ApiAccessLogs="true")
    assert len(groups) == len(FUNCTIONS) + 1
    assert [group["KmsKeyId"] for group in groups.values()] == [KEY] * len(groups)


def test_with_a_key_no_photo_is_put_under_another_or_under_none() -> None:
    policy = find("AWS::S3::BucketPolicy", KmsKeyArn=KEY_ARN)["PhotosPolicy"]["PolicyDocument"]
    _, *statements = policy["Statement"]
    header = "s3:x-amz-server-side-encryption"
    for statement in statements:
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert (statement["Action"], statement["Resource"]) == (
            "s3:PutObject",
            {"Fn::Sub": "${Photos.Arn}/*"},
        )
    # Only where it is named: what is put without a word is encrypted by the bucket's own key.
    assert [statement["Condition"] for statement in statements] == [
        {"Null": {name: "false"}, "StringNotEquals": {name: only}}
        for name, only in ((header, "aws:kms"), (f"{header}-aws-kms-key-id", KEY))
    ]


def read_key_uses(function: str, **parameters: str) -> dict[str, set[str]]:
    """Return for what services a function may use the key, by action."""
    uses: dict[str, set[str]] = {}
    for statement in read_statements(function, KmsKeyArn=KEY_ARN, **parameters):
        if statement["Resource"] == KEY:
            services = statement["Condition"]["StringEquals"]["kms:ViaService"]
            uses[statement["Action"]] = {service["Fn::Sub"].partition(".")[0] for service in services}
    return uses


@pytest.mark.parametrize(
    ("function", "decrypts", "encrypts"),
    [
        ("Uploads", {"dynamodb", "s3", "sqs"}, {"s3", "sqs"}),
        ("Api", {"dynamodb", "s3", "secretsmanager", "sqs"}, {"s3", "sqs"}),
        ("Compare", {"dynamodb", "s3", "secretsmanager", "sqs"}, {"sqs"}),
        ("Publish", {"dynamodb", "sqs"}, {"sqs"}),
        ("Sweep", {"dynamodb", "s3", "sqs"}, {"s3", "sqs"}),
    ],
)
def test_a_function_may_use_the_key_only_through_the_services_that_it_uses(
    function: str, decrypts: set[str], encrypts: set[str]
) -> None:
    assert read_key_uses(function) == {"kms:Decrypt": decrypts, "kms:GenerateDataKey": encrypts}


@pytest.mark.parametrize("function", ["Api", "Compare", "Diagnose"])
def test_where_no_key_is_stored_no_secret_is_decrypted(function: str) -> None:
    uses = read_key_uses(function, ProviderCredentials="federated")
    assert "secretsmanager" not in uses.get("kms:Decrypt", set())


def test_the_diagnostic_function_may_read_the_providers_key_and_nothing_else() -> None:
    assert read_key_uses("Diagnose") == {"kms:Decrypt": {"secretsmanager"}}
    for credentials, action in (
        ("static", "secretsmanager:GetSecretValue"),
        ("federated", "sts:GetWebIdentityToken"),
    ):
        actions = {
            action
            for statement in read_statements("Diagnose", ProviderCredentials=credentials)
            for action in list_actions(statement)
        }
        assert actions == {
            action,
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "xray:PutTelemetryRecords",
            "xray:PutTraceSegments",
        }


def test_nothing_but_a_person_starts_the_diagnostic_function() -> None:
    assert "Events" not in FUNCTIONS["Diagnose"]


# Queues, and what is asynchronous


def list_sources(**parameters: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the queue, the function and the properties of each mapping of a queue to a function."""
    stack = read_stack(**({"AllowedRegions": ALL_REGIONS} | parameters))
    for resource in stack.values():
        if resource["Type"] != "AWS::Lambda::EventSourceMapping":
            continue
        source, attribute = resource["Properties"]["EventSourceArn"]["Fn::GetAtt"]
        if attribute == "Arn":
            yield source, find_function(resource["Properties"]["FunctionName"]["Ref"]), resource["Properties"]


def find_function(name: str) -> str:
    """Return the name of the function that is invoked by `name`, which may be its alias."""
    alias = read_stack().get(name, {})
    if alias.get("Type") == "AWS::Lambda::Alias":
        function: str = alias["Properties"]["FunctionName"]["Ref"]
        return function
    return name


@pytest.mark.parametrize(
    ("aws_region", "parameters", "regions"),
    [
        *((profile.aws_region, {}, {region}) for region, profile in PROFILES.items()),
        ("ap-southeast-3", {"DefaultRegion": "malaysia"}, {Region.MALAYSIA}),
        ("us-east-1", {"DefaultRegion": "hong-kong"}, {Region.HONG_KONG}),
        ("us-east-1", {"AllowedRegions": "indonesia"}, {Region.INDONESIA}),
        (
            "ap-southeast-1",
            {"AllowedRegions": "hong-kong,indonesia", "DefaultRegion": "indonesia"},
            {Region.HONG_KONG, Region.INDONESIA},
        ),
        ("ap-southeast-1", {"AllowedRegions": ALL_REGIONS}, set(Region)),
    ],
)
def test_a_stack_has_the_lanes_of_its_allowed_regions_and_no_others(
    aws_region: str, parameters: dict[str, str], regions: set[Region]
) -> None:
    stack = read_stack(aws_region, **parameters)
    lanes = {name_queue(region, priority) for region, priority in product(regions, Priority)}
    assert {name for name in stack if name.endswith(("BulkQueue", "UrgentQueue"))} == lanes
    sources = {
        resource["Properties"]["EventSourceArn"]["Fn::GetAtt"][0]
        for resource in stack.values()
        if resource["Type"] == "AWS::Lambda::EventSourceMapping"
    }
    assert sources == lanes | {"Ledger", "UploadsQueue"}
    variables = stack["Compare"]["Properties"]["Environment"]["Variables"]
    assert {
        (region, priority): variables[f"{region}_{priority}_QUEUE_URL".upper().replace("-", "_")]
        for region, priority in LANES
    } == {
        (region, priority): {"Ref": name_queue(region, priority)} if region in regions else "none"
        for region, priority in LANES
    }
    sent_to = {
        resource["Fn::GetAtt"][0]
        for function in ("Api", "Uploads", "Compare", "Sweep")
        for resource in list_send_targets(function, stack)
    }
    assert {name for name in sent_to if name.endswith(("BulkQueue", "UrgentQueue"))} == lanes


def list_send_targets(function: str, stack: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the queues that a function may send to."""
    return [
        resource
        for policy in stack[f"{function}Role"]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "sqs:SendMessage" in list_actions(statement)
        for resource in (
            statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        )
    ]


@pytest.mark.parametrize(("region", "priority"), LANES)
def test_each_lane_that_exists_has_an_output(region: Region, priority: Priority) -> None:
    output = TEMPLATE["Outputs"][f"{name_queue(region, priority)}Url"]
    assert output["Value"] == {"Ref": name_queue(region, priority)}
    assert output["Condition"] == RESOURCES[name_queue(region, priority)]["Condition"]


def test_a_worker_takes_eight_pairs_at_once_and_each_lane_has_its_own_workers() -> None:
    sources = {queue: one for queue, function, one in list_sources() if function == "Compare"}
    assert sources.keys() == {name_queue(region, priority) for region, priority in LANES}
    for region, priority in LANES:
        source = sources[name_queue(region, priority)]
        assert (source["BatchSize"], source["MaximumBatchingWindowInSeconds"]) == (8, 0)
        (limit,) = source["ScalingConfig"].values()
        column = WORKERS[PROFILES[region].default_qps]
        by_parameter = {"Fn::FindInMap": ["Workers", {"Ref": "WorkerConcurrency"}, column]}
        assert limit == (by_parameter if priority is Priority.BULK else 2)


def test_every_queue_that_feeds_a_function_has_dead_letters_and_reports_single_failures() -> None:
    stack = read_stack(AllowedRegions=ALL_REGIONS)
    two_hours_s = 7200
    for name, function, source in list_sources():
        queue = stack[name]["Properties"]
        # Throttled invocations count as receives, and a small account throttles for a while.
        receives, visibility_s = queue["RedrivePolicy"]["maxReceiveCount"], queue["VisibilityTimeout"]
        assert receives * visibility_s >= two_hours_s / 2
        # AWS advises six times the timeout.
        assert visibility_s >= 6 * FUNCTIONS[function]["Timeout"], name
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


# Time limits and loops


def test_each_time_limit_contains_the_next_one() -> None:
    clock, timeout_s, api_gateway_s = FakeClock(), FUNCTIONS["Compare"]["Timeout"], 29
    queues = [queue for queue, function, _ in list_sources() if function == "Compare"]
    deadline = Deadline.after(timeout_s - CLOSING_TIME_S, clock)
    last_call_ends_s = (deadline.at_ms - clock.now_ms()) / 1000 + CALL_TIMEOUT_S
    lease_s = (deadline.lease_until_ms - clock.now_ms()) / 1000
    assert 0 < last_call_ends_s < lease_s
    assert last_call_ends_s < timeout_s
    for queue in queues:
        assert lease_s < QUEUES[queue]["VisibilityTimeout"]
    assert ANSWER_TIME_S + CALL_TIMEOUT_S < FUNCTIONS["Api"]["Timeout"] <= api_gateway_s


def list_loops() -> set[str]:
    """Return the functions that can invoke themselves by way of queues, by what their roles allow."""
    stack = read_stack(AllowedRegions=ALL_REGIONS)
    consumers: dict[str, set[str]] = {}
    for queue, function, _ in list_sources():
        consumers.setdefault(queue, set()).add(function)
    invoked = {
        function: {
            consumer
            for target in list_send_targets(function, stack)
            for consumer in consumers.get(target["Fn::GetAtt"][0], ())
        }
        for function in FUNCTIONS
    }

    def reaches(start: str, seen: frozenset[str] = frozenset()) -> set[str]:
        found = invoked[start] - seen
        return found.union(*(reaches(one, seen | found) for one in found))

    return {function for function in FUNCTIONS if function in reaches(function)}


def test_a_function_that_can_invoke_itself_by_a_queue_is_allowed_to() -> None:
    allowed = {name for name, one in FUNCTIONS.items() if one.get("RecursiveLoop") == "Allow"}
    assert list_loops() == allowed == {"Compare"}
    assert find("AWS::Lambda::Function")["Compare"]["RecursiveLoop"] == "Allow"


def test_what_lambda_drops_as_a_loop_raises_an_alarm() -> None:
    watched = {
        dimension["Value"]["Ref"]
        for alarm in list_alarms().values()
        if alarm.get("MetricName") == "RecursiveInvocationsDropped"
        for dimension in alarm["Dimensions"]
    }
    assert watched == list_loops()


def test_every_queue_keeps_its_messages_as_long_as_can_be() -> None:
    for name, queue in QUEUES.items():
        assert queue["MessageRetentionPeriod"] == 14 * 86_400, name


def test_the_outbox_wakes_publish_for_pending_records_only_and_loses_none() -> None:
    outbox = FUNCTIONS["Publish"]["Events"]["Outbox"]["Properties"]
    (only,) = outbox["FilterCriteria"]["Filters"]
    assert json.loads(only["Pattern"]) == {"dynamodb": {"NewImage": {"work": {"S": [OUTBOX]}}}}
    assert outbox["DestinationConfig"]["OnFailure"]["Destination"] == {"GetAtt": "OutboxDeadLetters.Arn"}
    stream_retention_s = 86_400
    assert outbox["MaximumRecordAgeInSeconds"] <= stream_retention_s / 2
    # The sweep publishes what the stream gave up.
    assert outbox["MaximumRetryAttempts"] == 10


def test_the_index_lists_unfinished_work_by_age() -> None:
    (index,) = RESOURCES["Ledger"]["Properties"]["GlobalSecondaryIndexes"]
    assert index["IndexName"] == WORK_INDEX
    assert index["KeySchema"] == [
        {"AttributeName": "work", "KeyType": "HASH"},
        {"AttributeName": "since_ms", "KeyType": "RANGE"},
    ]
    assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["touched_at_ms"]}


def test_the_sweep_runs_every_minute() -> None:
    (rule,) = find("AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert FUNCTIONS["Sweep"]["Timeout"] <= 60


def test_a_sweep_that_does_not_begin_or_fails_leaves_a_dead_letter() -> None:
    letters = {"Fn::GetAtt": ["SweepDeadLetters", "Arn"]}
    (rule,) = find("AWS::Events::Rule").values()
    (target,) = rule["Targets"]
    assert target["DeadLetterConfig"] == {"Arn": letters}
    (invocation,) = find("AWS::Lambda::EventInvokeConfig").values()
    assert invocation["DestinationConfig"] == {"OnFailure": {"Destination": letters}}
    (statement,) = find("AWS::SQS::QueuePolicy")["SweepDeadLettersPolicy"]["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["SweepEveryMinute", "Arn"]}}
    }


def test_whatever_invokes_a_function_without_waiting_for_it_has_somewhere_to_leave_what_failed() -> None:
    waiting = {"Api", "SQS"}
    asynchronous = {
        name: {event["Type"] for event in function.get("Events", {}).values()} - waiting
        for name, function in FUNCTIONS.items()
    }
    assert {name for name, kinds in asynchronous.items() if kinds} == {"Publish", "Sweep"}


# The API


def test_the_api_answers_only_signed_requests() -> None:
    assert RESOURCES["RestApi"]["Properties"]["Auth"]["DefaultAuthorizer"] == "AWS_IAM"
    methods = list_methods()
    signed = [method for name, method in methods if name != "options"]
    assert [method["security"] for method in signed] == [[{"AWS_IAM": []}]] * 4
    # What a browser sends unsigned reaches nothing of ours.
    preflights = [method for name, method in methods if name == "options"]
    assert [method["x-amazon-apigateway-integration"]["type"] for method in preflights] == ["mock"] * 3


def list_methods(**parameters: str) -> list[tuple[str, dict[str, Any]]]:
    (rest_api,) = find("AWS::ApiGateway::RestApi", **parameters).values()
    return [method for path in rest_api["Body"]["paths"].values() for method in path.items()]


def list_gateway_responses(**parameters: str) -> dict[str, dict[str, Any]]:
    (rest_api,) = find("AWS::ApiGateway::RestApi", **parameters).values()
    responses: dict[str, dict[str, Any]] = rest_api["Body"]["x-amazon-apigateway-gateway-responses"]
    return responses


def list_preflight_headers(**parameters: str) -> list[dict[str, Any]]:
    return [
        method["x-amazon-apigateway-integration"]["responses"]["default"]["responseParameters"]
        for name, method in list_methods(**parameters)
        if name == "options"
    ]


ALLOW_ORIGIN = "Access-Control-Allow-Origin"


def test_pages_of_the_allowed_origin_may_call_every_route_with_the_headers_that_it_takes() -> None:
    for headers in list_preflight_headers(ApiAllowedOrigin="https://app.example.com"):
        assert headers[f"method.response.header.{ALLOW_ORIGIN}"] == {"Fn::Sub": "'${ApiAllowedOrigin}'"}
        allowed = headers["method.response.header.Access-Control-Allow-Headers"].strip("'").split(",")
        assert set(allowed) >= {
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Prefer",
            "X-Amz-Content-Sha256",
            "X-Amz-Date",
            "X-Amz-Security-Token",
        }
    methods = {
        headers["method.response.header.Access-Control-Allow-Methods"] for headers in list_preflight_headers()
    }
    assert methods == {"'OPTIONS,POST'", "'DELETE,GET,OPTIONS'"}


def test_pages_of_the_allowed_origin_may_read_what_the_gateway_answers() -> None:
    for response in list_gateway_responses(ApiAllowedOrigin="https://app.example.com").values():
        header = response["responseParameters"][f"gatewayresponse.header.{ALLOW_ORIGIN}"]
        assert header == {"Fn::Sub": "'${ApiAllowedOrigin}'"}


def test_no_page_may_call_the_api_by_default() -> None:
    headers = [*list_preflight_headers(), *list_gateway_responses().values()]
    assert ALLOW_ORIGIN not in str(headers)


def test_the_allowed_origin_is_in_the_stage_which_no_version_keeps() -> None:
    (stage,) = find("AWS::ApiGateway::Stage").values()
    assert stage["Variables"][api.ALLOWED_ORIGIN] == {"Ref": "ApiAllowedOrigin"}
    assert "AllowedOrigin" not in str(TEMPLATE["Globals"])


def test_the_gateway_answers_with_a_problem_document_whatever_the_request_accepts() -> None:
    for response in list_gateway_responses().values():
        headers = response["responseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        templates = response["responseTemplates"]
        assert templates.keys() == {"application/json", "application/problem+json"}
        assert len(set(templates.values())) == 1
        text = templates["application/json"].replace("$context.error.messageString", '"…"')
        assert json.loads(text).keys() >= {"type", "title", "code", "detail", "errors"}


@pytest.mark.parametrize("kind", ["DEFAULT_5XX", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT"])
def test_a_function_that_is_throttled_or_fails_is_unavailable_for_a_few_seconds(kind: str) -> None:
    response = list_gateway_responses()[kind]
    assert response["statusCode"] == "503"
    assert response["responseParameters"]["gatewayresponse.header.Retry-After"] == "'5'"
    check_problem(RESOURCES["RestApi"]["Properties"]["GatewayResponses"][kind], 503, "api_unavailable")


def test_the_api_is_regional_and_has_no_edge() -> None:
    assert RESOURCES["RestApi"]["Properties"]["EndpointConfiguration"] == {"Type": "REGIONAL"}


def test_the_api_takes_no_tls_older_than_1_2() -> None:
    rest_api = RESOURCES["RestApi"]["Properties"]
    assert rest_api["SecurityPolicy"] == "SecurityPolicy_TLS13_1_2_2021_06"
    # Without it API Gateway refuses such a policy.
    assert rest_api["EndpointAccessMode"] == "BASIC"


def test_the_api_is_limited_in_rate_and_burst_and_says_when_to_retry() -> None:
    (settings,) = RESOURCES["RestApi"]["Properties"]["MethodSettings"]
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert settings["ThrottlingRateLimit"] == {"Ref": "ApiRateLimit"}
    assert settings["ThrottlingBurstLimit"] == {"Ref": "ApiBurstLimit"}
    throttled = RESOURCES["RestApi"]["Properties"]["GatewayResponses"]["THROTTLED"]
    assert throttled["ResponseParameters"]["Headers"]["Retry-After"] == "'5'"
    check_problem(throttled, 429, "too_many_requests")


def test_the_answer_to_a_request_that_is_too_large_names_the_alternative() -> None:
    check_problem(
        RESOURCES["RestApi"]["Properties"]["GatewayResponses"]["REQUEST_TOO_LARGE"], 413, "request_too_large"
    )


def check_problem(response: dict[str, Any], status: int, code: str) -> None:
    problem = json.loads(response["ResponseTemplates"]["application/problem+json"])
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"urn:facematch:problem:{code}"


def test_the_gateways_own_logs_hold_neither_bodies_nor_persons() -> None:
    (stage,) = find("AWS::ApiGateway::Stage", ApiAccessLogs="true").values()
    (settings,) = stage["MethodSettings"]
    assert (settings["DataTraceEnabled"], settings["LoggingLevel"]) == (False, "OFF")
    access = stage["AccessLogSetting"]
    assert access["DestinationArn"] == {"Fn::GetAtt": ["AccessLogs", "Arn"]}
    logged = set(re.findall(r"\$context\.([\w.]+)", access["Format"]))
    assert logged == {
        "error.responseType",
        "httpMethod",
        "integrationLatency",
        "requestId",
        "requestTime",
        "resourcePath",
        "responseLatency",
        "responseLength",
        "status",
        "xrayTraceId",
    }
    assert json.loads(access["Format"]).keys() >= {"time", "request_id", "route", "status"}


@pytest.mark.parametrize("parameter", [{}, {"ApiAccessLogs": "true", "LocalStack": "true"}], ids=str)
def test_the_gateway_logs_only_where_that_is_wanted_and_can_be(parameter: dict[str, str]) -> None:
    (stage,) = find("AWS::ApiGateway::Stage", **parameter).values()
    assert "AccessLogSetting" not in stage
    assert "AccessLogs" not in read_stack(**parameter)


def test_the_administrators_are_defined_by_the_stage_which_no_version_keeps() -> None:
    (stage,) = find("AWS::ApiGateway::Stage").values()
    assert stage["Variables"][api.ADMINISTRATORS] == {"Ref": "AdminPrincipals"}
    assert "AdminPrincipals" not in str(TEMPLATE["Globals"])
    stage_variable_limit = 512
    assert PARAMETERS["AdminPrincipals"]["MaxLength"] <= stage_variable_limit


# Permissions


def read_statements(function: str, **parameters: str) -> Iterator[dict[str, Any]]:
    """Return what a function's role allows."""
    role = find("AWS::IAM::Role", **parameters)[f"{function}Role"]
    for policy in role["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def list_actions(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else action


def test_every_function_has_its_own_role_that_only_lambda_assumes() -> None:
    roles = find("AWS::IAM::Role")
    assert roles.keys() == {f"{name}Role" for name in FUNCTIONS}
    for name, function in find("AWS::Lambda::Function").items():
        assert function["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
    for role in roles.values():
        assert "ManagedPolicyArns" not in role
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


@pytest.mark.parametrize("credentials", ["static", "federated"])
@pytest.mark.parametrize("key", ["none", KEY_ARN], ids=["no key", "a key"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_statement_allows_every_action_or_resource(function: str, key: str, credentials: str) -> None:
    # AWS has no resource to name there.
    nameless = {"sts:GetWebIdentityToken", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}
    for statement in read_statements(function, KmsKeyArn=key, ProviderCredentials=credentials):
        assert "*" not in "".join(list_actions(statement))
        assert statement["Resource"] != "*" or set(list_actions(statement)) <= nameless


@pytest.mark.parametrize(
    ("action", "credentials"),
    [("secretsmanager:GetSecretValue", "static"), ("sts:GetWebIdentityToken", "federated")],
)
def test_only_those_that_call_the_provider_may_come_by_its_key(action: str, credentials: str) -> None:
    for other in ("static", "federated"):
        allowed = {
            function
            for function in FUNCTIONS
            for statement in read_statements(function, ProviderCredentials=other)
            if action in list_actions(statement)
        }
        assert allowed == ({"Api", "Compare", "Diagnose"} if other == credentials else set())


@pytest.mark.parametrize("function", ["Api", "Compare", "Diagnose"])
def test_a_token_is_for_the_provider_alone_short_lived_and_signed_as_the_code_asks(function: str) -> None:
    statements = read_statements(function, ProviderCredentials="federated")
    (condition,) = (one["Condition"] for one in statements if one["Action"] == "sts:GetWebIdentityToken")
    assert condition == {
        "ForAllValues:StringEquals": {"sts:IdentityTokenAudience": [{"Ref": "ProviderOidcAudience"}]},
        "Null": {"sts:IdentityTokenAudience": "false"},
        "NumericLessThanEquals": {"sts:DurationSeconds": TOKEN_LIFETIME_S},
        "StringEquals": {"sts:SigningAlgorithm": SIGNING_ALGORITHM},
    }


# Parameters


def test_every_parameter_has_a_description_bounds_and_one_group() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = sorted(name for group in groups for name in group["Parameters"])
    assert grouped == sorted(PARAMETERS), "Add it to one of the ParameterGroups of template.yaml."
    users = str([TEMPLATE[part] for part in ("Conditions", "Globals", "Resources", "Rules")])
    for name, parameter in PARAMETERS.items():
        assert parameter["Description"].endswith("."), name
        assert f"'{name}'" in users or f"${{{name}}}" in users, f"Nothing in template.yaml uses {name}."
        bounds = {"MinValue", "MaxValue"} if parameter["Type"] == "Number" else {"AllowedPattern"}
        bounded = "AllowedValues" in parameter or bounds <= parameter.keys()
        assert bounded, f"Give {name} AllowedValues or {' and '.join(bounds)} in template.yaml."


@pytest.mark.parametrize("name", [name for name, one in PARAMETERS.items() if "AllowedPattern" in one])
def test_a_default_matches_its_pattern(name: str) -> None:
    parameter = PARAMETERS[name]
    if "Default" in parameter:
        assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"])


ROLE = "arn:aws:iam::123456789012:role/support/kyc-desk"
SESSION = "arn:aws:sts::123456789012:assumed-role/kyc-desk/ann"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AdminPrincipals", ROLE),
        ("AdminPrincipals", f"{ROLE},{SESSION},arn:aws:iam::123456789012:user/ann"),
        ("AdminPrincipals", "arn:aws-us-gov:iam::123456789012:root"),
        ("ApiAllowedOrigin", "none"),
        ("ApiAllowedOrigin", "https://app.example.com"),
        ("ApiAllowedOrigin", "http://localhost:8080"),
        ("ProviderSecretArn", "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:kyc/key+1@x-a1B2c3"),
        # The longest names that the services take.
        (
            "ProviderSecretArn",
            f"arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:{'a' * 512}-a1B2c3",
        ),
        ("ProviderRoleArn", f"acs:ram::1234567890123456:role/{'a' * 64}"),
        ("ProviderOidcProviderArn", f"acs:ram::1234567890123456:oidc-provider/{'a' * 128}"),
        ("ProviderOidcAudience", "a" * 128),
        ("KmsKeyArn", KEY_ARN),
        ("KmsKeyArn", "arn:aws:kms:ap-east-1:123456789012:key/mrk-0123456789abcdef0123456789abcdef"),
        ("SingaporePriceUsd", "0.0015"),
        ("ProviderEndpoints", "hong-kong.public=127.0.0.1:4580,malaysia.internal=localhost:1"),
    ],
)
def test_a_parameter_takes_what_it_is_for(name: str, value: str) -> None:
    assert re.fullmatch(PARAMETERS[name]["AllowedPattern"], value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AdminPrincipals", ""),
        ("AdminPrincipals", "*"),
        ("AdminPrincipals", "123456789012"),
        ("AdminPrincipals", "arn:aws:iam::123456789012:role/*"),
        ("AdminPrincipals", f"{ROLE}, {ROLE}"),
        ("AdminPrincipals", f"{ROLE},"),
        ("AdminPrincipals", "arn:aws:s3:::bucket"),
        ("ApiAllowedOrigin", "*"),
        ("ApiAllowedOrigin", ""),
        ("ApiAllowedOrigin", "app.example.com"),
        ("ApiAllowedOrigin", "https://app.example.com/"),
        ("ApiAllowedOrigin", "https://a.example.com,https://b.example.com"),
        ("ApiAllowedOrigin", "https://a'b.example.com"),
        ("ProviderSecretArn", "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:*"),
        ("ProviderSecretArn", "arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:facematch/????"),
        ("KmsKeyArn", "alias/facematch"),
        ("KmsKeyArn", "arn:aws:kms:ap-east-1:123456789012:alias/facematch"),
        ("KmsKeyArn", "*"),
        ("SingaporePriceUsd", "-1"),
        ("SingaporePriceUsd", "free"),
        ("ProviderEndpoints", "https://collector.example"),
        ("ProviderEndpoints", ""),
    ],
)
def test_a_parameter_refuses_what_it_is_not_for(name: str, value: str) -> None:
    assert re.fullmatch(PARAMETERS[name]["AllowedPattern"], value) is None


def test_only_a_local_stack_accepts_emulators() -> None:
    rule = TEMPLATE["Rules"]["OnlyLocalStacksHaveEmulators"]
    assert rule["RuleCondition"] == {"Equals": [{"Ref": "LocalStack"}, "false"]}
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Equals": [{"Ref": "ProviderEndpoints"}, "auto"]}
    assert PARAMETERS["LocalStack"]["Default"] == "false"


def test_a_stack_outside_the_jurisdictions_must_name_its_own() -> None:
    rule = TEMPLATE["Rules"]["OutsideTheJurisdictionsAStackNamesThem"]
    (contains,) = rule["RuleCondition"]["Not"]
    _, aws_region = contains["Contains"]
    assert aws_region == {"Ref": "AWS::Region"}
    (assertion,) = rule["Assertions"]
    (both,) = assertion["Assert"]["Not"]
    assert both == {
        "And": [
            {"Equals": [{"Ref": "DefaultRegion"}, "auto"]},
            {"Equals": [{"Ref": "AllowedRegions"}, "auto"]},
        ]
    }


# Alarms and dashboard


def list_alarms() -> dict[str, dict[str, Any]]:
    return find("AWS::CloudWatch::Alarm")


def list_watched_metrics() -> Iterator[tuple[str, str]]:
    """Yield the namespace and name of each metric that an alarm watches."""
    for alarm in list_alarms().values():
        metrics = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
        for metric in metrics or [alarm]:
            namespace = metric["Namespace"]
            yield namespace["Fn::Sub"] if isinstance(namespace, dict) else namespace, metric["MetricName"]


def read_dashboard() -> list[dict[str, Any]]:
    """Return the dashboard's widgets; what CloudFormation fills in is unchanged."""
    (dashboard,) = find("AWS::CloudWatch::Dashboard").values()
    text, _ = dashboard["DashboardBody"]["Fn::Sub"]
    widgets: list[dict[str, Any]] = json.loads(text)["widgets"]
    return [widget["properties"] for widget in widgets]


def list_shown_metrics() -> Iterator[tuple[str, str]]:
    """Yield the namespace and name of each metric on the dashboard, searched-for ones included."""
    for widget in read_dashboard():
        for metric in widget["metrics"]:
            if isinstance(metric[0], str):
                yield metric[0], metric[1]
                continue
            (search,) = re.findall(
                r"SEARCH\('\{\"(.+?)\",region,service\} MetricName=(.+?)'", metric[0]["expression"]
            )
            yield from ((search[0], name) for name in re.findall(r'"([A-Z]\w+)"', search[1]))


def list_watched(metric: str, dimension: str) -> set[str]:
    """Return the resources of which an alarm watches a metric."""
    return {
        str(next(iter(one["Value"].values()))[0] if "Fn::GetAtt" in one["Value"] else one["Value"]["Ref"])
        for alarm in list_alarms().values()
        if alarm.get("MetricName") == metric
        for one in alarm["Dimensions"]
        if one["Name"] == dimension
    }


def test_every_dead_letter_queue_has_its_alarm() -> None:
    watched = list_watched("ApproximateNumberOfMessagesVisible", "QueueName")
    assert watched == {name for name in QUEUES if name.endswith("DeadLetters")}


def test_every_function_has_an_alarm_for_throttles() -> None:
    # Whoever runs the doctor sees for themselves that its function is throttled.
    assert list_watched("Throttles", "FunctionName") == FUNCTIONS.keys() - {"Diagnose"}


def test_the_backlog_is_watched_by_the_age_of_comparisons_and_not_of_messages() -> None:
    # A message that is sent again is new.
    assert list_watched("ApproximateAgeOfOldestMessage", "QueueName") == {"ResultsQueue"}
    assert list_alarms()["BacklogAgeAlarm"]["MetricName"] == "OldestComparisonAge"


def test_calls_that_may_have_been_billed_raise_an_alarm_whoever_made_them() -> None:
    watched = {
        dimension["Value"]
        for alarm in list_alarms().values()
        if alarm.get("MetricName") == "CallsPossiblyBilled"
        for dimension in alarm["Dimensions"]
    }
    assert watched == {"api", "compare"}


def test_each_service_is_watched_for_what_it_counts() -> None:
    """A metric has the service that counts it as its dimension."""
    for name, alarm in list_alarms().items():
        for dimension in alarm.get("Dimensions", []):
            if dimension["Name"] == "service":
                source = (ROOT / f"src/facematch/handlers/{dimension['Value']}.py").read_text()
                shared = (ROOT / "src/facematch/handlers/telemetry.py").read_text()
                assert f'"{alarm["MetricName"]}"' in source + shared, name


@pytest.mark.parametrize(("region", "priority"), LANES)
def test_the_dashboard_shows_each_lane(region: Region, priority: Priority) -> None:
    (dashboard,) = find("AWS::CloudWatch::Dashboard", AllowedRegions=ALL_REGIONS).values()
    text, names = dashboard["DashboardBody"]["Fn::Sub"]
    name = name_queue(region, priority).removesuffix("Queue")
    assert f'"${{{name}}}"' in text
    assert names[name] == {"Fn::GetAtt": [f"{name}Queue", "QueueName"]}


def test_every_metric_of_ours_that_is_watched_or_shown_is_counted_by_the_code() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "src/facematch/handlers").glob("*.py"))
    named = {*list_watched_metrics(), *list_shown_metrics()}
    ours = {name for namespace, name in named if namespace == OURS}
    assert len(ours) > 20
    assert [name for name in sorted(ours) if f'"{name}"' not in sources] == []
    assert {namespace for namespace, _ in named} == {OURS, "AWS/ApiGateway", "AWS/Lambda", "AWS/SQS"}


def test_the_functions_count_in_a_namespace_of_their_own_stack() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == {"Sub": OURS}


def test_every_step_that_is_counted_is_shown() -> None:
    source = (ROOT / "src/facematch/handlers/telemetry.py").read_text()
    counted = set(re.findall(r'"([A-Z]\w+Duration)"', source))
    assert len(counted) == 8
    assert counted <= {name for _, name in list_shown_metrics()}


@pytest.mark.parametrize("region", Region)
def test_the_dashboard_shows_what_each_region_costs(region: Region) -> None:
    name = f"{name_region(region)}PriceUsd"
    expressions = [
        metric[0]["expression"]
        for widget in read_dashboard()
        for metric in widget["metrics"]
        if isinstance(metric[0], dict) and metric[0].get("label") == region
    ]
    (expression,) = expressions
    assert f'region="{region}"' in expression
    assert expression.endswith(f" * ${{{name}}}")


def test_every_alarm_goes_to_the_topic() -> None:
    topic = "arn:aws:sns:ap-southeast-1:123456789012:alarms"
    with_topic = find("AWS::CloudWatch::Alarm", AlarmTopicArn=topic)
    actions = [alarm["AlarmActions"] for alarm in with_topic.values()]
    assert actions == [[{"Ref": "AlarmTopicArn"}]] * len(with_topic)
    assert [name for name, alarm in list_alarms().items() if "AlarmActions" in alarm] == []


# What others see of a stack


def test_each_export_is_named_by_its_output() -> None:
    exported = {name: one["Export"]["Name"] for name, one in TEMPLATE["Outputs"].items() if "Export" in one}
    assert exported.keys() >= {
        "ApiUrl",
        "Bucket",
        "ResultsQueueArn",
        "ResultsQueueKeyArn",
        "ResultsQueueUrl",
        "Table",
    }
    assert exported == {name: {"Sub": f"${{AWS::StackName}}-{name}"} for name in exported}


def test_a_deployment_tags_all_that_it_makes() -> None:
    deployment = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]["deploy"]["parameters"]
    assert deployment["tags"] == "application=facematch data-classification=biometric"


def test_every_check_that_a_reviewers_tool_skips_says_why_beside_its_resource() -> None:
    by_resource = [
        (skip["id"], skip["comment"])
        for resource in RESOURCES.values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    by_comment = re.findall(r"# checkov:skip=(\w+):?(.*)", (ROOT / "template.yaml").read_text())
    assert len(by_comment) == 4 * len(FUNCTIONS)
    for check, reason in by_resource + by_comment:
        assert re.fullmatch(r"CKV2?_AWS_\d+", check)
        assert reason.endswith("."), check
