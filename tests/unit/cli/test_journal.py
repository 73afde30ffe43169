from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch_cli.errors import CommandError
from facematch_cli.journal import open_journal
from tests.unit.cli.factories import STACK_ID


def write_journal(path: Path, *keys: str) -> bytes:
    with open_journal(path, STACK_ID) as journal:
        for key in keys:
            journal.note(key)
    return path.read_bytes()


def read_done(path: Path) -> frozenset[str]:
    with open_journal(path, STACK_ID) as journal:
        return journal.done


def test_a_new_journal_holds_nothing(tmp_path: Path) -> None:
    assert read_done(tmp_path / "journal") == frozenset()


def test_a_later_run_knows_what_earlier_ones_did(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal", "singapore/1", "singapore/2")
    write_journal(tmp_path / "journal", "singapore/Nguyễn Văn")

    assert read_done(tmp_path / "journal") == {"singapore/1", "singapore/2", "singapore/Nguyễn Văn"}


def test_a_note_is_in_the_file_before_the_journal_is_closed(tmp_path: Path) -> None:
    with open_journal(tmp_path / "journal", STACK_ID) as journal:
        journal.note("singapore/1")

        assert b"singapore/1" in (tmp_path / "journal").read_bytes()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(data=st.data())
def test_wherever_a_journal_is_torn_its_whole_lines_count_and_it_goes_on(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal"
    keys = [f"singapore/{number}" for number in range(4)]
    whole = write_journal(path, *keys)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    whole_lines = max(whole[:cut].count(b"\n") - 1, 0)

    assert read_done(path) == set(keys[:whole_lines])
    write_journal(path, "singapore/next")

    assert read_done(path) == {*keys[:whole_lines], "singapore/next"}


def test_again_forgets_what_was_done(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal", "singapore/1")

    with open_journal(tmp_path / "journal", "another-stack", again=True) as journal:
        assert journal.done == frozenset()


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path / "journal", STACK_ID),
        pytest.raises(CommandError, match="Another submit"),
        open_journal(tmp_path / "journal", STACK_ID),
    ):
        pass


def test_the_journal_of_another_stack_is_refused(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal", "singapore/1")

    with pytest.raises(CommandError, match="another stack"), open_journal(tmp_path / "journal", "other"):
        pass


@pytest.mark.parametrize("content", [b"Dear diary\n", b"[]\n", b'{"a": 1}\n'])
def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal").write_bytes(content)

    with pytest.raises(CommandError, match="no journal"), open_journal(tmp_path / "journal", STACK_ID):
        pass

    assert (tmp_path / "journal").read_bytes() == content


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal", "singapore/1")
    with (tmp_path / "journal").open("ab") as file:
        file.write(b"\0\0\0\n")

    with pytest.raises(CommandError, match="damaged"), open_journal(tmp_path / "journal", STACK_ID):
        pass
