import csv
import json
from pathlib import Path

import pytest

from facematch.settings import read_settings
from facematch_client.errors import ExitCode
from tests.factories.command import write_pair
from tests.factories.photos import encode, make_portrait, make_scene
from tests.integration.cli.environment import CliEnvironment


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Three pairs, all of them good."""
    folder = tmp_path / "pairs"
    for number in range(3):
        write_pair(
            folder / f"c-{number}",
            {"source.jpg": make_portrait(number), "target.png": make_portrait(f"other {number}")},
        )
    return folder


def read_refused(pairs: Path) -> list[dict[str, str]]:
    with pairs.with_name("pairs.refused.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_folder_of_pairs_lands_in_the_inbox(cli: CliEnvironment, pairs: Path) -> None:
    ran = cli.run("submit", pairs)

    assert ran.exit_code == ExitCode.DONE
    assert cli.list_keys() == sorted(
        f"inbox/singapore/c-{number}/{name}" for number in range(3) for name in ("source.jpg", "target.png")
    )
    stored = cli.s3.get_object(Bucket=cli.bucket, Key="inbox/singapore/c-1/source.jpg")["Body"].read()
    assert stored == make_portrait(1)
    assert not pairs.with_name("pairs.refused.csv").exists()


def test_a_manifest_sends_each_pair_to_its_region(cli: CliEnvironment, pairs: Path) -> None:
    manifest = pairs / "all.csv"
    manifest.write_text(
        "pair_id,source,target,region\n"
        "one,c-0/source.jpg,c-0/target.png,indonesia\n"
        "two,c-1/source.jpg,c-1/target.png,\n"
    )

    assert cli.run("submit", manifest, "--region", "singapore").exit_code == ExitCode.DONE

    folders = {key.rpartition("/")[0] for key in cli.list_keys()}
    assert folders == {"inbox/indonesia/one", "inbox/singapore/two"}


def test_what_was_submitted_is_not_uploaded_again(cli: CliEnvironment, pairs: Path) -> None:
    cli.run("submit", pairs)
    for key in cli.list_keys():
        cli.s3.delete_object(Bucket=cli.bucket, Key=key)
    write_pair(pairs / "c-3", {"source.jpg": make_portrait(3), "target.png": make_portrait(4)})

    ran = cli.run("submit", pairs, "--json")

    assert (ran.document["submitted"], ran.document["submitted_before"]) == (1, 3)
    assert cli.list_keys() == ["inbox/singapore/c-3/source.jpg", "inbox/singapore/c-3/target.png"]
    assert cli.run("submit", pairs, "--again", "--json").document["submitted"] == 4


def test_refused_pairs_are_listed_with_the_reason_and_tried_again_next_time(
    cli: CliEnvironment, pairs: Path
) -> None:
    (pairs / "c-1" / "target.png").write_bytes(b"Dear Sir or Madam")

    ran = cli.run("submit", pairs, "--json")

    assert ran.exit_code == ExitCode.PARTIAL
    assert (ran.document["submitted"], ran.document["refused"]) == (2, 1)
    (refused,) = read_refused(pairs)
    assert (refused["pair_id"], refused["photo"], refused["reason"]) == ("c-1", "target", "not_an_image")
    assert refused["file"] == str(pairs / "c-1" / "target.png")
    (pairs / "c-1" / "target.png").write_bytes(make_portrait("mended"))

    assert cli.run("submit", pairs).exit_code == ExitCode.DONE
    assert len(cli.list_keys()) == 6


def test_the_summary_counts_the_reasons(cli: CliEnvironment, pairs: Path) -> None:
    (pairs / "c-1" / "target.png").write_bytes(b"Dear Sir or Madam")
    (pairs / "c-2" / "target.png").unlink()

    assert "1 not_an_image, 1 photo_missing" in " ".join(cli.run("submit", pairs).out.split())
    reasons = cli.run("submit", pairs, "--json").document["reasons"]
    assert reasons == {"not_an_image": 1, "photo_missing": 1}


@pytest.mark.parametrize("manifest", ["pair_id,source,target\n", "name,source,target\na,b,c\n"])
def test_what_holds_no_pairs_is_refused_and_nothing_is_left_beside_it(
    cli: CliEnvironment, tmp_path: Path, manifest: str
) -> None:
    (tmp_path / "pairs.csv").write_text(manifest)
    (tmp_path / "empty").mkdir()

    for name in ("pairs.csv", "empty"):
        assert cli.run("submit", tmp_path / name).exit_code == ExitCode.REFUSED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "pairs.csv"]


def test_with_every_pair_refused_the_input_is(cli: CliEnvironment, pairs: Path) -> None:
    assert cli.run("submit", pairs, "--region", "malaysia").exit_code == ExitCode.REFUSED
    assert {row["reason"] for row in read_refused(pairs)} == {"region_not_allowed"}


def test_a_dry_run_checks_and_uploads_nothing(cli: CliEnvironment, pairs: Path) -> None:
    ran = cli.run("submit", pairs, "--dry-run")

    assert ran.exit_code == ExitCode.DONE
    assert "fit to submit   3 pairs" in ran.out
    assert cli.list_keys() == []
    assert cli.run("submit", pairs, "--json").document["submitted"] == 3


def test_a_cloud_that_refuses_stops_the_run_and_the_same_command_goes_on(
    cli: CliEnvironment, pairs: Path
) -> None:
    for key in cli.list_keys():
        cli.s3.delete_object(Bucket=cli.bucket, Key=key)
    cli.s3.delete_bucket(Bucket=cli.bucket)

    ran = cli.run("submit", pairs)

    assert ran.exit_code == ExitCode.UNREACHABLE
    assert "The same command continues" in ran.err
    assert not pairs.with_name("pairs.refused.csv").exists()
    cli.s3.create_bucket(
        Bucket=cli.bucket, CreateBucketConfiguration={"LocationConstraint": "ap-southeast-1"}
    )
    assert cli.run("submit", pairs).exit_code == ExitCode.DONE
    assert len(cli.list_keys()) == 6


def test_more_pairs_than_the_quota_takes_while_photos_are_kept_are_warned_of(
    cli: CliEnvironment, pairs: Path
) -> None:
    cli.change_stack(photo_retention_days=0)

    assert "PhotoRetentionDays" in cli.run("submit", pairs).err


def test_the_journal_names_each_pair_once(cli: CliEnvironment, pairs: Path) -> None:
    cli.run("submit", pairs, "--workers", "2", "--journal", pairs.with_name("mine.journal"))

    header, *lines = (json.loads(line) for line in pairs.with_name("mine.journal").read_text().splitlines())
    assert header["stack"] == cli.stack.id
    assert [line["pair"] for line in lines] == [f"singapore/c-{number}" for number in range(3)]


def test_a_corrected_photo_is_submitted_again(cli: CliEnvironment, pairs: Path) -> None:
    cli.run("submit", pairs)
    (pairs / "c-1" / "target.png").write_bytes(make_portrait("corrected"))

    ran = cli.run("submit", pairs)

    assert ran.exit_code == ExitCode.DONE
    assert "changed     1 pair of these, with a new photo" in ran.out
    stored = cli.s3.get_object(Bucket=cli.bucket, Key="inbox/singapore/c-1/target.png")["Body"].read()
    assert stored == make_portrait("corrected")
    again = cli.run("submit", pairs, "--json").document
    assert (again["submitted"], again["submitted_before"]) == (0, 3)


def test_another_file_in_the_manifest_is_a_correction_too(cli: CliEnvironment, pairs: Path) -> None:
    manifest = pairs / "all.csv"
    manifest.write_text("pair_id,source,target\none,c-0/source.jpg,c-0/target.png\n")
    cli.run("submit", manifest)
    manifest.write_text("pair_id,source,target\none,c-0/source.jpg,c-1/target.png\n")

    reported = cli.run("submit", manifest, "--json").document

    assert (reported["submitted"], reported["changed"], reported["submitted_before"]) == (1, 1, 0)


def test_a_file_that_was_only_touched_is_not_uploaded_again(cli: CliEnvironment, pairs: Path) -> None:
    cli.run("submit", pairs)
    (pairs / "c-1" / "target.png").touch()

    reported = cli.run("submit", pairs, "--json").document

    assert (reported["submitted"], reported["changed"], reported["submitted_before"]) == (0, 0, 3)


def test_refused_photos_are_listed_by_line_in_the_manifests_order(cli: CliEnvironment, pairs: Path) -> None:
    (pairs / "letter.jpg").write_bytes(b"Dear Sir or Madam")
    manifest = pairs / "all.csv"
    manifest.write_text(
        "pair_id,source,target\n"
        "z,letter.jpg,nowhere.jpg\n"
        "good,c-0/source.jpg,c-0/target.png\n"
        "a,c-1/source.jpg,\n"
        "good,c-1/source.jpg,c-1/target.png\n"
    )

    ran = cli.run("submit", manifest, "--json")

    assert (ran.document["submitted"], ran.document["refused"]) == (1, 3)
    with Path(ran.document["refused_csv"]).open() as file:
        rows = [(row["line"], row["photo"], row["reason"]) for row in csv.DictReader(file)]
    assert rows == [
        ("2", "source", "not_an_image"),
        ("2", "target", "unreadable_file"),
        ("4", "target", "photo_missing"),
        ("5", "", "repeated_pair_id"),
    ]


def test_a_manifest_with_semicolons_in_another_encoding_is_submitted(
    cli: CliEnvironment, pairs: Path
) -> None:
    manifest = pairs / "all.csv"
    manifest.write_bytes("Pair_ID;Source;Target\n客户一;c-0/source.jpg;c-0/target.png\n".encode("gbk"))

    refused = cli.run("submit", manifest)
    ran = cli.run("submit", manifest, "--encoding", "gbk")

    assert (refused.exit_code, ran.exit_code) == (ExitCode.REFUSED, ExitCode.DONE)
    assert "--encoding gbk" in refused.err
    assert cli.list_keys()[0] == "inbox/singapore/客户一/source.jpg"
    assert cli.run("submit", manifest, "--encoding", "klingon").exit_code == ExitCode.USAGE


def test_a_folder_whose_photos_have_other_names_says_so_and_takes_them(
    cli: CliEnvironment, tmp_path: Path
) -> None:
    folder = tmp_path / "pairs"
    write_pair(folder / "c-1", {"selfie.jpg": make_portrait(1), "id.jpg": make_portrait(2)})
    write_pair(folder, {"loose.jpg": make_portrait(3)})

    refused = cli.run("submit", folder)
    rows = read_refused(folder)
    ran = cli.run("submit", folder, "--source-name", "selfie", "--target-name", "id")

    assert refused.exit_code == ExitCode.REFUSED
    assert [row["photo"] for row in rows] == ["source", "target"]
    assert "it has id.jpg, selfie.jpg" in rows[0]["message"]
    assert "1 photo outside the pairs' folders ignored: loose.jpg" in ran.err
    assert ran.exit_code == ExitCode.DONE
    assert cli.list_keys() == ["inbox/singapore/c-1/source.jpg", "inbox/singapore/c-1/target.jpg"]


def test_a_region_that_resembles_one_is_answered_with_it(cli: CliEnvironment, pairs: Path) -> None:
    ran = cli.run("submit", pairs, "--region", "Singapore")

    assert ran.exit_code == ExitCode.USAGE
    assert "Did you mean singapore?" in ran.err


def test_the_estimate_is_the_least_that_verdicts_take(cli: CliEnvironment, pairs: Path) -> None:
    ran = cli.run("submit", pairs)

    assert "take at least" in ran.out
    assert "longer with cold starts" in ran.out


def test_verdicts_are_waited_for_and_written_beside_the_pairs(cli: CliEnvironment, pairs: Path) -> None:
    ran = cli.run("submit", pairs, "--wait", "3")

    assert ran.exit_code == ExitCode.NO_VERDICT
    with pairs.with_name("pairs.verdicts.csv").open() as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["waiting"] * 3
    assert cli.run("submit", pairs, "--wait", "3", "--json").exit_code == ExitCode.USAGE


def test_warnings_are_counted_by_their_reason_before_anything_is_uploaded(
    cli: CliEnvironment, pairs: Path
) -> None:
    (pairs / "c-1" / "source.jpg").write_bytes(encode(make_scene()))

    ran = cli.run("submit", pairs, "--dry-run", "--json")

    assert ran.exit_code == ExitCode.DONE
    assert ran.document["warnings"] == {"no_face": 5, "face_too_small": 1}
    assert cli.list_keys() == []
    with Path(ran.document["warnings_csv"]).open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["pair_id"], row["photo"], row["reason"]) for row in rows[2:4]] == [
        ("c-1", "source", "face_too_small"),
        ("c-1", "target", "no_face"),
    ]
    assert rows[2]["file"] == str(pairs / "c-1" / "source.jpg")


def test_a_pair_with_warnings_is_submitted_nevertheless(cli: CliEnvironment, pairs: Path) -> None:
    ran = cli.run("submit", pairs)

    assert ran.exit_code == ExitCode.DONE
    assert f"warnings 6 no_face; each in {pairs.with_name('pairs.warnings.csv')}" in " ".join(
        ran.out.replace("\n", "").split()
    )
    assert len(cli.list_keys()) == 6
    assert cli.run("submit", pairs, "--json").document["warnings"] == {}
    assert not pairs.with_name("pairs.warnings.csv").exists()


def test_what_a_stack_crops_around_its_face_is_not_warned_of(cli: CliEnvironment, pairs: Path) -> None:
    settings = read_settings(cli.make_environment(FACE_FRAMING="true"))
    cli.change_stack(settings=settings)
    for photo in ("source.jpg", "target.png"):
        (pairs / "c-1" / photo).write_bytes(encode(make_scene()))

    assert cli.run("submit", pairs, "--dry-run", "--json").document["warnings"] == {"no_face": 4}
