"""Checks the bucket: notifications, lifecycle and encryption."""

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from facematch_cli.doctor.check import Check, failed, passed, warned

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import LifecycleRuleOutputTypeDef, QueueConfigurationOutputTypeDef

_EVENT: Final = "s3:ObjectCreated:*"
_PREFIX: Final = "inbox/"
_NO_KEY: Final = "none"


def check_notification(client: "S3Client", bucket: str, queue_arn: str) -> Check:
    """Check that the bucket sends notifications of the inbox to the uploads queue."""
    name = "bucket.notification"
    found = client.get_bucket_notification_configuration(Bucket=bucket).get("QueueConfigurations", [])
    if any(_covers_inbox(configuration, queue_arn) for configuration in found):
        return passed(name, "The bucket sends notifications of the inbox to the uploads queue.")
    return failed(
        name,
        "The bucket sends no notifications of the inbox: uploaded pairs stay there.",
        f"Add a notification of {_EVENT}, prefix {_PREFIX}, to {queue_arn}. Upload these pairs again.",
    )


def check_lifecycle(client: "S3Client", bucket: str, retention_days: int) -> Check:
    """Check that the bucket deletes every photo after `PhotoRetentionDays`."""
    name = "bucket.lifecycle"
    fix = f"Add a lifecycle rule for the whole bucket that expires objects after {retention_days} days."
    try:
        rules = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        rules = []
    days = [
        rule["Expiration"]["Days"]
        for rule in rules
        if rule["Status"] == "Enabled" and "Days" in rule.get("Expiration", {}) and not _is_limited(rule)
    ]
    if not days:
        return failed(name, "The bucket does not delete old photos.", fix)
    if min(days) != retention_days:
        return warned(
            name, f"The bucket deletes photos after {min(days)} days, not after PhotoRetentionDays.", fix
        )
    return passed(name, f"The bucket deletes every photo after {retention_days} days.")


def check_encryption(client: "S3Client", bucket: str, key_arn: str) -> Check:
    """Check that the bucket encrypts photos, with the stack's key if it has one."""
    name = "bucket.encryption"
    found = client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    rules = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in found]
    if key_arn == _NO_KEY and rules:
        return passed(name, f"The bucket encrypts photos ({rules[0].get('SSEAlgorithm')}).")
    if any(rule.get("KMSMasterKeyID") == key_arn for rule in rules):
        return passed(name, "The bucket encrypts photos with the stack's KMS key.")
    return failed(
        name,
        "The bucket does not encrypt photos with the stack's KMS key.",
        f"Set the bucket's default encryption to SSE-KMS with {key_arn}.",
    )


def _covers_inbox(configuration: "QueueConfigurationOutputTypeDef", queue_arn: str) -> bool:
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    filters = {str(rule.get("Name", "")).lower(): rule.get("Value", "") for rule in rules}
    # A shorter prefix includes the inbox.
    return (
        configuration["QueueArn"] == queue_arn
        and _EVENT in configuration["Events"]
        and _PREFIX.startswith(filters.get("prefix", ""))
        and not filters.get("suffix")
    )


def _is_limited(rule: "LifecycleRuleOutputTypeDef") -> bool:
    """Return whether a lifecycle rule applies to some objects only."""
    limits = {name: value for name, value in rule.get("Filter", {}).items() if value}
    return bool(limits or rule.get("Prefix"))
