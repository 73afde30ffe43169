from console.overview import describe_overview, describe_result
from facematch.domain.comparison import State
from facematch.domain.regions import Region
from facematch.domain.verdict import Decision
from facematch_cli.overview import LATEST, Circuit, Overview, RegionUse, Tally
from facematch_cli.queues import Depth
from facematch_cli.records import Record
from tests.factories import make_comparison, make_ended, make_verdict
from tests.fakes.clock import START_MS


def make_overview() -> Overview:
    tally = Tally(START_MS, records=7, open=2, pending=1)
    tally.verdicts_today.update({"match": 3})
    return Overview(
        queues={"uploads": Depth(1, 2, 3), "results": Depth(4, 0, 0)},
        dead_letters={"uploads": Depth(1, 1, 0), "outbox": Depth(0, 0, 0)},
        regions={Region.MALAYSIA: RegionUse(3.0, 90, 0.5, 0.0, Circuit("open", 4.5))},
        tally=tally,
        is_cut=True,
    )


def test_each_queue_is_told_with_its_depth_and_its_dead_letters() -> None:
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


def test_each_region_is_told_with_its_quota_and_its_circuit() -> None:
    regions = describe_overview(make_overview())["regions"]

    assert regions["malaysia"]["share"] == 0.5
    assert regions["malaysia"]["circuit"] == {"state": "open", "open_s": 4.5}


def test_what_the_records_add_up_to_is_told_with_whether_there_are_more() -> None:
    told = describe_overview(make_overview())

    assert (told["open"], told["pending"], told["records"], told["is_cut"]) == (2, 1, 7, True)
    assert told["verdicts_today"] == {"match": 3}


def test_a_line_of_the_feed_holds_the_essentials_of_a_verdict() -> None:
    line = describe_result(make_ended(published_at_ms=START_MS + 2000))

    assert line is not None
    assert (line["verdict"], line["score"], line["attempts"]) == ("match", 52.57, 1)
    assert line["published_at_ms"] == START_MS + 2000


def test_a_line_tells_why_there_is_no_score() -> None:
    line = describe_result(make_ended(make_verdict(Decision.FAILED)))

    assert line is not None
    assert (line["verdict"], line["reason"], line["score"]) == ("failed", "some_reason", None)


def test_what_was_erased_is_told_as_that() -> None:
    line = describe_result(make_ended(state=State.ERASED))

    assert line is not None
    assert line["verdict"] == "erased"


def test_what_has_not_ended_has_no_line() -> None:
    assert describe_result(make_comparison()) is None


def test_the_latest_verdicts_are_kept_in_mind_and_no_others() -> None:
    tally = Tally(START_MS)
    ended = [make_record(number, ended_at_ms=START_MS - number) for number in range(LATEST + 2)]

    tally.add([*reversed(ended), make_record(99, ended_at_ms=None)])

    assert sorted(tally.latest, reverse=True) == [
        (START_MS - number, f"comparison-{number}") for number in range(LATEST)
    ]


def make_record(number: int, *, ended_at_ms: int | None) -> Record:
    return Record(
        id=f"comparison-{number}",
        region="malaysia",
        state=State.COMPLETED if ended_at_ms else State.REGISTERED,
        created_at_ms=START_MS - 1000,
        attempts=(),
        ended_at_ms=ended_at_ms,
        decision=None,
        is_pending=False,
    )
