import os
from pathlib import Path

import pytest

from facematch.domain.verdict import Role
from facematch_cli.journal import Fingerprint, digest_photos, open_journal, read_etags, stamp_files
from facematch_client.errors import CommandError
from tests.factories.command import STACK_ID

FINGERPRINT = Fingerprint("digest", "stamp")
ETAGS = {Role.SOURCE: "etag-s", Role.TARGET: "etag-t"}


def write_journal(path: Path, *keys: str) -> bytes:
    with open_journal(path, STACK_ID) as journal:
        for key in keys:
            journal.record(key, FINGERPRINT, ETAGS)
    return path.read_bytes()


def read_done(path: Path) -> set[str]:
    with open_journal(path, STACK_ID) as journal:
        return set(journal.done)


def test_a_new_journal_holds_nothing(tmp_path: Path) -> None:
    assert read_done(tmp_path / "journal") == set()


def test_of_a_pair_that_was_submitted_twice_the_last_photos_count(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    write_journal(path, "singapore/1")
    with open_journal(path, STACK_ID) as journal:
        journal.record("singapore/1", Fingerprint("corrected", "later"), {**ETAGS, Role.TARGET: "etag-u"})

    with open_journal(path, STACK_ID) as journal:
        assert journal.done == {"singapore/1": Fingerprint("corrected", "later")}
    assert read_etags(path, STACK_ID) == {"singapore/1": {Role.SOURCE: "etag-s", Role.TARGET: "etag-u"}}


def test_without_a_journal_no_etags_are_known(tmp_path: Path) -> None:
    assert read_etags(tmp_path / "journal", STACK_ID) == {}


def test_etags_are_not_read_from_the_journal_of_another_stack(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal", "singapore/1")

    with pytest.raises(CommandError, match="another stack"):
        read_etags(tmp_path / "journal", "other")


def test_a_digest_distinguishes_photos_and_their_roles() -> None:
    one, other = {Role.SOURCE: b"a", Role.TARGET: b"b"}, {Role.SOURCE: b"b", Role.TARGET: b"a"}

    assert digest_photos(one) == digest_photos(dict(one))
    assert digest_photos(one) != digest_photos(other)
    assert digest_photos({Role.SOURCE: b"ab", Role.TARGET: b"c"}) != digest_photos(
        {Role.SOURCE: b"a", Role.TARGET: b"bc"}
    )


def test_a_stamp_changes_with_a_file_even_if_its_size_and_time_do_not(tmp_path: Path) -> None:
    files = {role: tmp_path / f"{role}.jpg" for role in Role}
    for file in files.values():
        file.write_bytes(b"1234")
    before, status = stamp_files(files), files[Role.TARGET].stat()
    assert stamp_files(files) == before

    corrected = tmp_path / "corrected"
    corrected.write_bytes(b"5678")
    corrected.replace(files[Role.TARGET])
    os.utime(files[Role.TARGET], ns=(status.st_atime_ns, status.st_mtime_ns))

    assert stamp_files(files) not in {before, None}
    files[Role.TARGET].unlink()
    assert stamp_files(files) is None


def test_a_later_run_knows_what_earlier_ones_did(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal", "singapore/1", "singapore/2")
    write_journal(tmp_path / "journal", "singapore/Nguyễn Văn")

    assert read_done(tmp_path / "journal") == {"singapore/1", "singapore/2", "singapore/Nguyễn Văn"}


def test_a_note_is_in_the_file_before_the_journal_is_closed(tmp_path: Path) -> None:
    with open_journal(tmp_path / "journal", STACK_ID) as journal:
        journal.record("singapore/1", FINGERPRINT, ETAGS)

        assert b"singapore/1" in (tmp_path / "journal").read_bytes()


def test_wherever_a_journal_is_torn_its_whole_lines_count_and_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    keys = [f"singapore/{number}" for number in range(3)]
    whole = write_journal(path, *keys)
    line_ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    for cut in sorted(
        {0, 1, *line_ends, *(end - 1 for end in line_ends), *(end + 9 for end in line_ends[:-1])}
    ):
        path.write_bytes(whole[:cut])
        whole_lines = max(whole[:cut].count(b"\n") - 1, 0)

        assert read_done(path) == set(keys[:whole_lines]), cut
        write_journal(path, "singapore/next")

        assert read_done(path) == {*keys[:whole_lines], "singapore/next"}, cut


def test_again_forgets_what_was_done(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal", "singapore/1")

    with open_journal(tmp_path / "journal", "another-stack", again=True) as journal:
        assert journal.done == {}


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

    with pytest.raises(CommandError, match="not a journal"), open_journal(tmp_path / "journal", STACK_ID):
        pass

    assert (tmp_path / "journal").read_bytes() == content


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal", "singapore/1")
    with (tmp_path / "journal").open("ab") as file:
        file.write(b"\0\0\0\n")

    with pytest.raises(CommandError, match="damaged"), open_journal(tmp_path / "journal", STACK_ID):
        pass
