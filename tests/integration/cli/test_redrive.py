import io
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from facematch.domain.comparison import Outcome
from facematch_cli.dead_letters import Redriver, Source, list_queues
from facematch_client.errors import ExitCode
from tests.factories import make_comparison, make_ended
from tests.fakes.clock import START_MS, FakeClock
from tests.integration.cli.environment import CliEnvironment, Ran

POINTER = {
    "requestContext": {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 9},
    "DDBStreamBatchInfo": {"batchSize": 2, "startSequenceNumber": "4421584500000000017450439091"},
}
LANE = {"region": "singapore", "priority": "bulk"}


class OldSqs:
    """SQS as it is where messages can't be moved by the cloud itself."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def start_message_move_task(self, **_: str) -> None:
        raise ClientError({"Error": {"Code": "InvalidAction", "Message": "No."}}, "StartMessageMoveTask")


@pytest.fixture
def old_cloud(cli: CliEnvironment) -> CliEnvironment:
    """A stack whose cloud has no `StartMessageMoveTask`, at a time after all that a test does."""
    client = OldSqs(cli.sqs)

    class Session:
        """Hands out that client."""

        def client(self, name: str, **_: Any) -> Any:
            return client if name == "sqs" else getattr(cli, name)

    cli.clock = FakeClock(at_ms=max(time.time() * 1000, START_MS) + 3_600_000)
    cli.change_stack(session=Session())
    return cli


def find(ran: Ran, source: str) -> Any:
    return ran.document[source]


def test_a_dry_run_says_what_is_there_and_why_and_leaves_it(old_cloud: CliEnvironment) -> None:
    dead = old_cloud.stack.dead_letters
    old_cloud.ledger.register(
        make_comparison(id="faulted", unbilled_calls={Outcome.FAULTED: 2}, last_code="InternalError")
    )
    old_cloud.ledger.register(make_comparison(id="untried"))
    old_cloud.ledger.register(make_ended(id="ended"))
    for comparison_id in ("faulted", "untried", "ended", "unknown"):
        old_cloud.send(dead.comparisons, {"comparison_id": comparison_id})
    old_cloud.send(dead.comparisons, "Dear Sir or Madam")

    ran = old_cloud.run("redrive", "--dry-run", "--json")

    assert ran.exit_code == ExitCode.DONE
    whys = {letter["what"]: letter["why"] for letter in find(ran, "comparisons")["letters"]}
    assert whys["faulted"] == "2 calls; last code: InternalError"
    assert "before it called the provider" in whys["untried"]
    assert "the comparison has its verdict, match" in whys["ended"]
    assert "does not have this comparison" in whys["unknown"]
    assert whys["not a comparison"] == "cannot read the message"
    assert old_cloud.depth(dead.comparisons) == 5


def test_uploads_are_shown_by_their_keys(old_cloud: CliEnvironment) -> None:
    dead = old_cloud.stack.dead_letters
    record = {"s3": {"object": {"key": "inbox/singapore/Nguy%E1%BB%85n+V%C4%83n/source.jpg"}}}
    old_cloud.send(dead.uploads, {"Records": [record]})
    old_cloud.send(dead.uploads, {"Records": [{}]})

    ran = old_cloud.run("redrive", "--dry-run", "--json", "--queue", "uploads")

    assert list(ran.document) == ["uploads"]
    assert {letter["what"] for letter in find(ran, "uploads")["letters"]} == {
        "inbox/singapore/Nguyễn Văn/source.jpg",
        "not an upload",
    }


def test_messages_go_back_to_the_queue_that_they_came_from(old_cloud: CliEnvironment) -> None:
    dead = old_cloud.stack.dead_letters
    for number in range(12):
        body = {"region": "indonesia" if number % 2 else "singapore", "priority": "urgent"}
        old_cloud.send(dead.comparisons, {"comparison_id": f"c-{number}", **body})
    old_cloud.send(dead.uploads, {"Records": []})

    ran = old_cloud.run("redrive", "--yes", "--json")

    assert ran.exit_code == ExitCode.DONE
    assert (find(ran, "comparisons")["put_back"], find(ran, "uploads")["put_back"]) == (12, 1)
    assert old_cloud.depth(dead.comparisons) == old_cloud.depth(dead.uploads) == 0
    for lane in ("singapore-urgent", "indonesia-urgent"):
        assert old_cloud.depth(old_cloud.queue_urls[lane]) == 6
    (upload,) = old_cloud.bodies(old_cloud.uploads)
    assert json.loads(upload) == {"Records": []}


def test_a_message_of_no_lane_stays_where_it_is(old_cloud: CliEnvironment) -> None:
    old_cloud.send(old_cloud.stack.dead_letters.comparisons, "Dear Sir or Madam")

    assert old_cloud.run("redrive", "--yes", "--json").exit_code == ExitCode.PARTIAL


def test_a_message_keeps_its_attributes(old_cloud: CliEnvironment) -> None:
    attribute: Any = {"trace": {"DataType": "String", "StringValue": "0815"}}
    old_cloud.sqs.send_message(
        QueueUrl=old_cloud.stack.dead_letters.comparisons,
        MessageBody=json.dumps(LANE),
        MessageAttributes=attribute,
    )

    old_cloud.run("redrive", "--yes")

    received = old_cloud.sqs.receive_message(QueueUrl=old_cloud.comparisons, MessageAttributeNames=["All"])
    assert received["Messages"][0]["MessageAttributes"] == attribute


def test_verdicts_that_could_not_be_published_are_published_again(old_cloud: CliEnvironment) -> None:
    dead = old_cloud.stack.dead_letters
    for name in ("stuck-1", "stuck-2", "published"):
        old_cloud.end(name)
    stuck = old_cloud.ledger.find("stuck-1")
    old_cloud.ledger.register(make_comparison(id="open"))
    old_cloud.ledger.mark_published("published", now_ms=1)
    old_cloud.send(dead.outbox, POINTER)

    ran = old_cloud.run("redrive", "--yes", "--json", "--queue", "outbox")

    reported = find(ran, "outbox")
    assert (reported["count"], reported["pending"], reported["put_back"]) == (1, 2, 2)
    assert "RetryAttemptsExhausted" in reported["letters"][0]["why"]
    for name, is_nudged in {"stuck-1": True, "stuck-2": True, "published": False, "open": False}.items():
        assert ("nudged_at_ms" in old_cloud.read_item(name)) is is_nudged
    assert old_cloud.read_item("stuck-1")["work"] == {"S": "outbox"}
    assert old_cloud.ledger.find("stuck-1") == stuck
    assert old_cloud.depth(dead.outbox) == 0


def test_a_verdict_of_this_very_moment_is_left_to_the_stream(old_cloud: CliEnvironment) -> None:
    old_cloud.end("fresh")
    old_cloud.clock = FakeClock(at_ms=START_MS + 2000)

    ran = old_cloud.run("redrive", "--yes", "--json", "--queue", "outbox")

    assert find(ran, "outbox")["pending"] == 0
    assert "nudged_at_ms" not in old_cloud.read_item("fresh")


def test_empty_queues_are_reported(old_cloud: CliEnvironment) -> None:
    ran = old_cloud.run("redrive")

    assert ran.exit_code == ExitCode.DONE
    assert "empty" in ran.err


def test_a_program_must_say_that_it_means_it(old_cloud: CliEnvironment) -> None:
    assert old_cloud.run("redrive", "--json").exit_code == ExitCode.USAGE


def test_where_the_cloud_can_move_messages_it_does_and_the_move_is_followed(cli: CliEnvironment) -> None:
    (queue,) = list_queues(cli.stack, [Source.COMPARISONS])
    arn = "arn:aws:sqs:ap-southeast-1:000000000000:dead"
    attributes: Any = {"Attributes": {"QueueArn": arn}}
    progress: list[int] = []
    with Stubber(cli.sqs) as stub:
        stub.add_response("get_queue_attributes", attributes)
        stub.add_response("start_message_move_task", {"TaskHandle": "task"}, {"SourceArn": arn})
        stub.add_response("get_queue_attributes", attributes)
        for status, moved in (("RUNNING", 0), ("RUNNING", 40), ("COMPLETED", 60)):
            result = {"Status": status, "ApproximateNumberOfMessagesMoved": moved}
            asked = {"SourceArn": arn, "MaxResults": ANY}
            stub.add_response("list_message_move_tasks", {"Results": [result]}, asked)

        count = Redriver(cli.sqs, cli.ledger, cli.clock).redrive(queue, progress.append)

        stub.assert_no_pending_responses()
    assert (count, progress) == (60, [0, 40, 20])
    assert cli.clock.slept_s == 2


@pytest.mark.parametrize(
    ("answer", "exit_code", "left"), [("y", ExitCode.DONE, 0), ("n", ExitCode.INTERRUPTED, 1)]
)
def test_a_person_is_asked_first(
    old_cloud: CliEnvironment, monkeypatch: pytest.MonkeyPatch, answer: str, exit_code: ExitCode, left: int
) -> None:
    old_cloud.send(old_cloud.stack.dead_letters.comparisons, {"comparison_id": "c-1", **LANE})
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))

    ran = old_cloud.run("redrive")

    assert ran.exit_code == exit_code
    assert "Redrive them?" in ran.err
    assert old_cloud.depth(old_cloud.stack.dead_letters.comparisons) == left
