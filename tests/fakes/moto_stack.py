"""A stack's bucket, ledger and queues in moto."""

from typing import Any, Final

import boto3

from facematch.adapters.ledger import DynamoDbLedger
from facematch.adapters.rate_limiter import DynamoDbRateLimiter
from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from harness.template import read_table_schema
from tests.fakes.clock import FakeClock
from tests.integration.aws_rules import refuse_invalid_requests

AWS_REGION: Final = "ap-southeast-1"


class MotoStack:
    """The resources of one stack, their names, and a clock; `queue_urls` are by the queues' short names."""

    def __init__(self, session: boto3.Session, name: str, *, calls_per_s: float = 1000.0) -> None:
        self.name = name
        self.bucket, self.table = f"{name}-photos", f"{name}-ledger"
        self.s3 = session.client("s3")
        self.sqs = session.client("sqs")
        self.dynamodb = session.client("dynamodb")
        refuse_invalid_requests(self.dynamodb)
        self.clock = FakeClock()
        self.ledger = DynamoDbLedger(self.dynamodb, self.table, 90)
        self.limiter = DynamoDbRateLimiter(self.dynamodb, self.table, dict.fromkeys(Region, calls_per_s))
        self.s3.create_bucket(
            Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": AWS_REGION}
        )
        self.create_table()
        self.lanes = [f"{region}-{priority}" for region in Region for priority in Priority]
        self.queue_urls = {lane: self.create_queue(lane) for lane in [*self.lanes, "results"]}

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that name the resources."""
        return {
            "TABLE_NAME": self.table,
            "BUCKET_NAME": self.bucket,
            "RESULTS_QUEUE_URL": self.queue_urls["results"],
            **{f"{lane}_QUEUE_URL".upper().replace("-", "_"): self.queue_urls[lane] for lane in self.lanes},
        }

    def create_table(self) -> None:
        """Create the ledger's table, as the template does."""
        self.dynamodb.create_table(
            TableName=self.table,
            **read_table_schema(),
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )

    def create_queue(self, name: str) -> str:
        """Create a queue; return its URL."""
        return self.sqs.create_queue(QueueName=f"{self.name}-{name}")["QueueUrl"]

    def put_photo(self, key: str, content: bytes) -> str:
        """Put an object into the bucket; return its ETag."""
        etag = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)["ETag"]
        return etag.strip('"')

    def list_keys(self) -> list[str]:
        """Return the keys of all objects in the bucket."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket)
        return sorted(entry["Key"] for entry in listed.get("Contents", []))

    def read_item(self, comparison_id: str) -> Any:
        """Return the item of a comparison, as DynamoDB has it."""
        key = {"pk": {"S": f"comparison#{comparison_id}"}}
        return self.dynamodb.get_item(TableName=self.table, Key=key)["Item"]
