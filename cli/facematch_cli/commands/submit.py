"""`facematch submit`: many pairs into a stack's inbox."""

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from facematch.domain.clock import Clock
from facematch.use_cases.prepare_photos import PhotoPreparer
from facematch_cli.errors import CommandError, ExitCode, explain_error
from facematch_cli.journal import Journal, open_journal
from facematch_cli.options import Invocation, region_option, stack_options
from facematch_cli.output import Output, clean, count_of, format_duration, make_facts
from facematch_cli.pairs import read_pairs
from facematch_cli.stack import Stack
from facematch_cli.submission import (
    PlacedPair,
    Refusal,
    Sieve,
    Submitter,
    Upload,
    estimate_rest,
    estimate_verdicts_s,
    submit_all,
)
from imaging import Limits

_SECONDS_A_DAY: Final = 86_400


@click.command(short_help="Upload many pairs.")
@click.argument("pairs", type=click.Path(path_type=Path), metavar="FOLDER|MANIFEST.csv")
@region_option("Of pairs that name none; else the stack's own.")
@click.option("--workers", type=click.IntRange(1, 64), default=8, show_default=True, help="Pairs at a time.")
@click.option("--dry-run", is_flag=True, help="Check every photo and upload nothing.")
@click.option("--again", is_flag=True, help="Submit all of them, those too that were submitted before.")
@click.option(
    "--journal",
    "journal_path",
    type=click.Path(path_type=Path),
    help="Where to write down what is done; else beside the pairs.",
)
@click.option(
    "--refused",
    "refused_path",
    type=click.Path(path_type=Path),
    help="Where to list what was refused; else beside the pairs.",
)
@stack_options
def submit(
    invocation: Invocation,
    *,
    pairs: Path,
    region: str | None,
    workers: int,
    dry_run: bool,
    again: bool,
    journal_path: Path | None,
    refused_path: Path | None,
) -> ExitCode:
    """Upload many pairs of photos.

    FOLDER holds one folder a pair, named by its pair id, with a source and a target photo in it.
    MANIFEST.csv has the columns pair_id, source, target and, if you like, region; files are found from where
    it stands.

    Each photo is checked before it is uploaded. A run that stopped, for whatever reason, is taken up by the
    same command.
    """
    stack = invocation.find_stack()
    if next(read_pairs(pairs), None) is None:
        raise CommandError(
            f"There are no pairs in {pairs}: a folder holds one folder a pair, a manifest one line.",
            ExitCode.REFUSED,
        )
    stem = pairs.resolve()
    journal_path = journal_path or stem.with_name(f"{stem.name}.{stack.name}.journal")
    refused_path = refused_path or stem.with_name(f"{stem.name}.refused.csv")
    if stack.settings.reads_heic and find_spec("pillow_heif") is None:
        invocation.output.note("This stack reads HEIC, this command does not: install facematch-cli[heic].")
    with (
        open_journal(journal_path, stack.id, again=again and not dry_run) as journal,
        _open_refused(refused_path) as refused,
    ):
        run = _Run(
            stack=stack,
            pairs=pairs,
            region=region,
            journal=journal,
            refused=refused,
            clock=invocation.clock,
            dry_run=dry_run,
        )
        try:
            run.submit_all(workers, invocation.output)
        except KeyboardInterrupt:
            raise CommandError(run.explain_stop("Stopped."), ExitCode.INTERRUPTED) from None
        except (BotoCoreError, ClientError) as error:
            explained = explain_error(error, is_local=stack.endpoint_url is not None)
            raise CommandError(run.explain_stop(explained.message), explained.exit_code) from None
    _print_summary(invocation.output, run, journal_path, refused_path)
    if not run.refusals:
        return ExitCode.DONE
    return ExitCode.PARTIAL if run.submitted or run.skipped else ExitCode.REFUSED


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run of a submission, and how far it is."""

    stack: Stack
    pairs: Path
    region: str | None
    journal: Journal
    refused: csv.DictWriter[str]
    clock: Clock
    dry_run: bool
    total: int = 0
    quota_s: float = 0.0
    submitted: int = 0
    skipped: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    started_at_ms: int = 0

    @property
    def refusals(self) -> int:
        """How many pairs were refused so far."""
        return self.reasons.total()

    @property
    def settled(self) -> int:
        """How many pairs are through, in this run or one before."""
        return self.submitted + self.refusals + self.skipped

    @property
    def elapsed_s(self) -> float:
        """How long the run has been uploading."""
        return (self.clock.now_ms() - self.started_at_ms) / 1000

    @property
    def rate(self) -> float:
        """Pairs a second so far."""
        return self.submitted / self.elapsed_s if self.elapsed_s else 0.0

    def submit_all(self, workers: int, output: Output) -> None:
        """Submit every pair that is not yet in the journal."""
        settings = self.stack.settings
        self._look_ahead()
        limits = Limits(
            max_source_size_bytes=settings.photo_size_limit_bytes, max_source_pixels=settings.pixel_limit
        )
        submitter = Submitter(_discard if self.dry_run else self._make_upload(), PhotoPreparer(limits))
        self.started_at_ms = self.clock.now_ms()
        with _make_progress(output) as progress:
            task = progress.add_task("", total=self.total, completed=self.settled, told=self._describe())

            def settle(pair: PlacedPair | Refusal) -> None:
                self._settle(pair)
                progress.update(task, completed=self.settled, told=self._describe())

            submit_all(self._sieve().sift(read_pairs(self.pairs)), submitter.submit, settle, workers=workers)

    def explain_stop(self, why: str) -> str:
        """Return why the run ended early, and the way on."""
        done = count_of(self.submitted, "pair")
        return f"{why} This run submitted {done}; the same command goes on where it stopped."

    def _sieve(self) -> Sieve:
        return Sieve(self.stack.settings.regions, self.region, self.journal.done)

    def _look_ahead(self) -> None:
        """Count the pairs: a pass over names alone."""
        sieve = self._sieve()
        to_come = Counter(
            pair.region if isinstance(pair, PlacedPair) else None
            for pair in sieve.sift(read_pairs(self.pairs))
        )
        self.skipped = sieve.skipped
        self.total = to_come.total() + sieve.skipped
        self.quota_s = estimate_verdicts_s(to_come, self.stack.settings.calls_per_s)

    def _make_upload(self) -> Upload:
        bucket, client = self.stack.settings.bucket, self.stack.s3()

        def upload(key: str, photo: bytes) -> None:
            client.put_object(Bucket=bucket, Key=key, Body=photo)

        return upload

    def _settle(self, pair: PlacedPair | Refusal) -> None:
        if isinstance(pair, Refusal):
            self.reasons[pair.reason] += 1
            self.refused.writerow(asdict(pair))
            return
        self.submitted += 1
        if not self.dry_run:
            self.journal.note(pair.key)

    def _describe(self) -> str:
        rest_s, slower = estimate_rest(
            quota_s=self.quota_s,
            elapsed_s=self.elapsed_s,
            done=self.submitted + self.refusals,
            left=self.total - self.settled,
        )
        verdicts = f"verdicts in {format_duration(rest_s)} by the {slower}"
        return f"{self.rate:.1f}/s  {self.refusals} refused  {verdicts}"


def _discard(_key: str, _photo: bytes) -> None:
    """Upload nothing."""


def _make_progress(output: Output) -> Progress:
    return Progress(
        TextColumn("Submitting"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}", style="dim"),
        console=output.notes,
        disable=output.as_json or not output.notes.is_terminal,
    )


@contextmanager
def _open_refused(path: Path) -> Iterator[csv.DictWriter[str]]:
    with path.open("w", encoding="utf-8", newline="", buffering=1) as file:
        rows = csv.DictWriter(file, [column.name for column in fields(Refusal)])
        rows.writeheader()
        empty_bytes = file.tell()
        try:
            yield rows
        finally:
            if file.tell() == empty_bytes:
                path.unlink()


def _list_reasons(reasons: Counter[str]) -> str:
    listed = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {clean(reason)}" for reason, count in listed)


def _print_summary(output: Output, run: _Run, journal_path: Path, refused_path: Path) -> None:
    if output.as_json:
        output.print_document(
            {
                "dry_run": run.dry_run,
                "submitted": run.submitted,
                "submitted_before": run.skipped,
                "refused": run.refusals,
                "reasons": dict(run.reasons),
                "duration_s": round(run.elapsed_s, 1),
                "verdicts_take_s": round(run.quota_s),
                "journal": str(journal_path),
                "refused_csv": str(refused_path) if run.refusals else None,
            }
        )
        return
    verb = "fit to submit" if run.dry_run else "submitted"
    done = count_of(run.submitted, "pair")
    pace = f" in {format_duration(run.elapsed_s)}, {run.rate:.1f} a second" if run.submitted else ""
    output.print(
        make_facts(
            {
                verb: f"{done}{pace}",
                "before": f"{count_of(run.skipped, 'pair')}, by {journal_path}" if run.skipped else None,
                "refused": Text(str(run.refusals), "bold red" if run.refusals else ""),
                "why": _list_reasons(run.reasons) if run.refusals else None,
                "each": str(refused_path) if run.refusals else None,
                "verdicts": f"take {format_duration(run.quota_s)} by the quota" if run.submitted else None,
            }
        )
    )
    if run.quota_s > run.stack.photo_retention_days * _SECONDS_A_DAY:
        output.note(
            "That is longer than the stack keeps photos (PhotoRetentionDays): submit in parts, or raise that."
        )
    if run.submitted and not run.dry_run:
        output.note("`facematch results --follow` shows the verdicts as they come.")
