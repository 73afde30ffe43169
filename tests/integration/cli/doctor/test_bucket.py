from typing import Any

import pytest

from facematch_cli.doctor.bucket import check_encryption, check_lifecycle, check_notification
from facematch_cli.doctor.check import Level
from tests.integration.cli.environment import CliEnvironment

KEY = "arn:aws:kms:ap-southeast-1:123456789012:key/11111111-2222-3333-4444-555555555555"


def find_arn(cli: CliEnvironment, url: str) -> str:
    reported = cli.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return reported["Attributes"]["QueueArn"]


def notify(cli: CliEnvironment, url: str, event: str = "s3:ObjectCreated:*", **rules: str) -> None:
    queue: Any = {"QueueArn": find_arn(cli, url), "Events": [event]}
    if rules:
        names = [{"Name": name, "Value": value} for name, value in rules.items()]
        queue["Filter"] = {"Key": {"FilterRules": names}}
    cli.s3.put_bucket_notification_configuration(
        Bucket=cli.bucket, NotificationConfiguration={"QueueConfigurations": [queue]}
    )


def expire(cli: CliEnvironment, days: int, *, status: Any = "Enabled", prefix: str = "") -> None:
    rule: Any = {"ID": "r", "Status": status, "Expiration": {"Days": days}, "Filter": {"Prefix": prefix}}
    cli.s3.put_bucket_lifecycle_configuration(Bucket=cli.bucket, LifecycleConfiguration={"Rules": [rule]})


def encrypt(cli: CliEnvironment, **rule: str) -> None:
    rules: Any = [{"ApplyServerSideEncryptionByDefault": rule}]
    cli.s3.put_bucket_encryption(Bucket=cli.bucket, ServerSideEncryptionConfiguration={"Rules": rules})


def check_reports(cli: CliEnvironment) -> Level:
    return check_notification(cli.s3, cli.bucket, find_arn(cli, cli.uploads)).level


def test_a_bucket_that_reports_the_inbox_is_fine(cli: CliEnvironment) -> None:
    notify(cli, cli.uploads, prefix="inbox/")

    assert check_reports(cli) is Level.OK


def test_a_bucket_that_reports_everything_reports_the_inbox(cli: CliEnvironment) -> None:
    notify(cli, cli.uploads)

    assert check_reports(cli) is Level.OK


def test_a_bucket_that_reports_nothing_is_found_with_the_queue_to_report_to(cli: CliEnvironment) -> None:
    arn = find_arn(cli, cli.uploads)

    check = check_notification(cli.s3, cli.bucket, arn)

    assert check.level is Level.ERROR
    assert check.fix is not None
    assert arn in check.fix


@pytest.mark.parametrize(
    ("event", "rules"),
    [
        ("s3:ObjectCreated:Put", {"prefix": "inbox/"}),
        ("s3:ObjectCreated:*", {"prefix": "inbox/singapore/"}),
        ("s3:ObjectCreated:*", {"prefix": "inbox/", "suffix": ".jpg"}),
    ],
)
def test_a_bucket_that_reports_only_some_photos_is_found(
    cli: CliEnvironment, event: str, rules: dict[str, str]
) -> None:
    notify(cli, cli.uploads, event, **rules)

    assert check_reports(cli) is Level.ERROR


def test_a_bucket_that_reports_to_another_queue_is_found(cli: CliEnvironment) -> None:
    notify(cli, cli.results, prefix="inbox/")

    assert check_reports(cli) is Level.ERROR


def test_photos_that_expire_in_time_are_fine(cli: CliEnvironment) -> None:
    expire(cli, 3)

    assert check_lifecycle(cli.s3, cli.bucket, 3).level is Level.OK


def test_photos_that_expire_at_another_time_are_a_warning(cli: CliEnvironment) -> None:
    expire(cli, 7)

    check = check_lifecycle(cli.s3, cli.bucket, 3)

    assert (check.level, "after 7 days" in check.finding) == (Level.WARNING, True)


@pytest.mark.parametrize("rule", [None, {"status": "Disabled"}, {"prefix": "comparisons/"}], ids=str)
def test_photos_that_do_not_all_expire_are_found(cli: CliEnvironment, rule: dict[str, str] | None) -> None:
    if rule is not None:
        expire(cli, 3, **rule)

    assert check_lifecycle(cli.s3, cli.bucket, 3).level is Level.ERROR


@pytest.mark.parametrize(
    ("rule", "key", "level"),
    [
        ({"SSEAlgorithm": "AES256"}, "none", Level.OK),
        ({"SSEAlgorithm": "AES256"}, KEY, Level.ERROR),
        ({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}, KEY, Level.OK),
        ({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": f"{KEY[:-1]}6"}, KEY, Level.ERROR),
    ],
    ids=str,
)
def test_photos_are_encrypted_by_the_key_of_the_stack(
    cli: CliEnvironment, rule: dict[str, str], key: str, level: Level
) -> None:
    encrypt(cli, **rule)

    assert check_encryption(cli.s3, cli.bucket, key).level is level
