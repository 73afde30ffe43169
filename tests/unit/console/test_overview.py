from console.overview import ResultFeed, describe_found, describe_overview, describe_result
from facematch.domain.comparison import State
from facematch.domain.lane import HoldReason, make_hold
from facematch.domain.regions import Region
from facematch.domain.verdict import Decision, Role
from facematch_client.overview import LATEST_COUNT, Overview, RegionUsage, Tally
from facematch_client.queues import Depth
from facematch_client.records import IncompletePair, Record, SearchResult
from tests.factories import COMPARISON_ID, make_comparison, make_ended, make_verdict
from tests.fakes.clock import START_MS
from tests.fakes.ledger import InMemoryLedger

HOLD = make_hold(HoldReason.OPERATOR, "Forbidden", START_MS)


def make_overview() -> Overview:
    tally = Tally(START_MS, records=7, open=2, pending=1)
    tally.verdicts_today.update({"match": 3})
    return Overview(
        queues={"uploads": Depth(1, 2, 3), "results": Depth(4, 0, 0)},
        dead_letters={"uploads": Depth(1, 1, 0), "outbox": Depth(0, 0, 0)},
        regions={Region.MALAYSIA: RegionUsage(3.0, 90, HOLD)},
        tally=tally,
        is_cut=True,
    )


def test_each_queue_is_shown_with_its_depth_and_its_dead_letters() -> None:
    queues = {queue["name"]: queue for queue in describe_overview(make_overview())["queues"]}

    assert queues == {
        "uploads": {
            "name": "uploads",
            "depth": {"ready": 1, "in_flight": 2, "delayed": 3},
            "dead_letters": 2,
        },
        "results": {
            "name": "results",
            "depth": {"ready": 4, "in_flight": 0, "delayed": 0},
            "dead_letters": None,
        },
        "outbox": {"name": "outbox", "depth": None, "dead_letters": 0},
    }


def test_each_region_is_shown_with_its_quota_and_the_reason_of_its_hold() -> None:
    region = describe_overview(make_overview())["regions"]["malaysia"]

    assert region["share"] == 0.5
    assert (region["hold"]["is_in_force"], region["hold"]["code"]) == (True, "Forbidden")
    assert region["hold"]["text"].startswith("the provider refuses the account or its key (Forbidden), since")


def test_an_erased_person_is_not_listed_although_the_verdict_was() -> None:
    ledger = InMemoryLedger()
    ledger.register(make_ended(published_at_ms=START_MS + 2000))
    feed = ResultFeed(ledger)
    before = Tally(START_MS, latest=[(START_MS + 1000, COMPARISON_ID)])
    assert [row["pair_id"] for row in feed.list_latest(before)] == ["pair-1"]

    after = Tally(START_MS)
    after.add([make_record(1, ended_at_ms=START_MS, state=State.ERASED)])

    assert (feed.list_latest(after), after.erased_today) == ([], 1)


def test_one_that_was_erased_after_it_was_counted_is_not_listed() -> None:
    ledger = InMemoryLedger()
    ledger.register(make_ended(state=State.ERASED))

    assert ResultFeed(ledger).list_latest(Tally(START_MS, latest=[(START_MS, COMPARISON_ID)])) == []


def test_a_published_verdict_is_read_once() -> None:
    ledger = InMemoryLedger()
    ledger.register(make_ended(published_at_ms=START_MS + 2000))
    feed = ResultFeed(ledger)
    tally = Tally(START_MS, latest=[(START_MS + 1000, COMPARISON_ID)])
    first = feed.list_latest(tally)
    ledger.comparisons.clear()

    assert feed.list_latest(tally) == first


def test_incomplete_pairs_come_before_comparisons_in_what_is_found() -> None:
    half = IncompletePair(
        pair_id="customer-1", region="singapore", caller=None, missing=Role.TARGET, since_ms=START_MS
    )
    reported = describe_found(SearchResult([make_record(1, ended_at_ms=None)], [half], is_cut=True))

    assert [(row["verdict"], row["id"]) for row in reported["rows"]] == [
        ("incomplete", None),
        ("open", "comparison-1"),
    ]
    assert reported["rows"][0]["reason"] == "waits for its target photo"
    assert (reported["has_more"], reported["is_cut"]) == (False, True)


def test_the_sums_of_the_records_say_whether_there_are_more() -> None:
    reported = describe_overview(make_overview())

    assert (reported["open"], reported["pending"], reported["records"], reported["is_cut"]) == (2, 1, 7, True)
    assert reported["verdicts_today"] == {"match": 3}


def test_a_line_of_the_feed_holds_the_essentials_of_a_verdict() -> None:
    line = describe_result(make_ended(published_at_ms=START_MS + 2000))

    assert line is not None
    assert (line["verdict"], line["score"], line["attempts"]) == ("match", 52.57, 1)
    assert line["published_at_ms"] == START_MS + 2000


def test_a_line_shows_why_there_is_no_score() -> None:
    line = describe_result(make_ended(make_verdict(Decision.FAILED)))

    assert line is not None
    assert (line["verdict"], line["reason"], line["score"]) == ("failed", "attempts_exhausted", None)


def test_an_erased_comparison_is_listed_as_erased() -> None:
    line = describe_result(make_ended(state=State.ERASED))

    assert line is not None
    assert line["verdict"] == "erased"


def test_what_has_not_ended_has_no_line() -> None:
    assert describe_result(make_comparison()) is None


def test_the_latest_verdicts_are_kept_in_mind_and_no_others() -> None:
    tally = Tally(START_MS)
    ended = [make_record(number, ended_at_ms=START_MS - number) for number in range(LATEST_COUNT + 2)]

    tally.add([*reversed(ended), make_record(99, ended_at_ms=None)])

    assert sorted(tally.latest, reverse=True) == [
        (START_MS - number, f"comparison-{number}") for number in range(LATEST_COUNT)
    ]


def make_record(number: int, *, ended_at_ms: int | None, state: State | None = None) -> Record:
    return Record(
        id=f"comparison-{number}",
        pair_id=None,
        region="malaysia",
        origin="upload",
        caller=None,
        state=state or (State.COMPLETED if ended_at_ms else State.REGISTERED),
        created_at_ms=START_MS - 1000,
        attempts=(),
        ended_at_ms=ended_at_ms,
        decision="match" if ended_at_ms else None,
        reason=None,
        score=None,
        is_pending=False,
    )
