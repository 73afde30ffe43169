from typing import Any

import pytest

from facematch_cli.doctor.bucket import check_encryption, check_lifecycle, check_notification
from facematch_cli.doctor.check import Level
from tests.integration.cli.stand import Stand

KEY = "arn:aws:kms:ap-southeast-1:123456789012:key/11111111-2222-3333-4444-555555555555"


def find_arn(stand: Stand, url: str) -> str:
    told = stand.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return told["Attributes"]["QueueArn"]


def notify(stand: Stand, url: str, event: str = "s3:ObjectCreated:*", **rules: str) -> None:
    queue: Any = {"QueueArn": find_arn(stand, url), "Events": [event]}
    if rules:
        names = [{"Name": name, "Value": value} for name, value in rules.items()]
        queue["Filter"] = {"Key": {"FilterRules": names}}
    stand.s3.put_bucket_notification_configuration(
        Bucket=stand.name, NotificationConfiguration={"QueueConfigurations": [queue]}
    )


def expire(stand: Stand, days: int, *, status: Any = "Enabled", prefix: str = "") -> None:
    rule: Any = {"ID": "r", "Status": status, "Expiration": {"Days": days}, "Filter": {"Prefix": prefix}}
    stand.s3.put_bucket_lifecycle_configuration(Bucket=stand.name, LifecycleConfiguration={"Rules": [rule]})


def encrypt(stand: Stand, **rule: str) -> None:
    rules: Any = [{"ApplyServerSideEncryptionByDefault": rule}]
    stand.s3.put_bucket_encryption(Bucket=stand.name, ServerSideEncryptionConfiguration={"Rules": rules})


def check_reports(stand: Stand) -> Level:
    return check_notification(stand.s3, stand.name, find_arn(stand, stand.uploads)).level


def test_a_bucket_that_reports_the_inbox_is_fine(stand: Stand) -> None:
    notify(stand, stand.uploads, prefix="inbox/")

    assert check_reports(stand) is Level.OK


def test_a_bucket_that_reports_everything_reports_the_inbox(stand: Stand) -> None:
    notify(stand, stand.uploads)

    assert check_reports(stand) is Level.OK


def test_a_bucket_that_reports_nothing_is_found_with_the_queue_to_report_to(stand: Stand) -> None:
    arn = find_arn(stand, stand.uploads)

    check = check_notification(stand.s3, stand.name, arn)

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
    stand: Stand, event: str, rules: dict[str, str]
) -> None:
    notify(stand, stand.uploads, event, **rules)

    assert check_reports(stand) is Level.ERROR


def test_a_bucket_that_reports_to_another_queue_is_found(stand: Stand) -> None:
    notify(stand, stand.results, prefix="inbox/")

    assert check_reports(stand) is Level.ERROR


def test_photos_that_expire_in_time_are_fine(stand: Stand) -> None:
    expire(stand, 3)

    assert check_lifecycle(stand.s3, stand.name, 3).level is Level.OK


def test_photos_that_expire_at_another_time_are_a_warning(stand: Stand) -> None:
    expire(stand, 7)

    check = check_lifecycle(stand.s3, stand.name, 3)

    assert (check.level, "after 7 days" in check.finding) == (Level.WARNING, True)


@pytest.mark.parametrize("rule", [None, {"status": "Disabled"}, {"prefix": "comparisons/"}], ids=str)
def test_photos_that_do_not_all_expire_are_found(stand: Stand, rule: dict[str, str] | None) -> None:
    if rule is not None:
        expire(stand, 3, **rule)

    assert check_lifecycle(stand.s3, stand.name, 3).level is Level.ERROR


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
    stand: Stand, rule: dict[str, str], key: str, level: Level
) -> None:
    encrypt(stand, **rule)

    assert check_encryption(stand.s3, stand.name, key).level is level
