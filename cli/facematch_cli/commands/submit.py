"""`facematch submit`: upload many pairs to a stack's inbox."""

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
from facematch.use_cases.prepare_photos import PhotoPreparer, photo_limits
from facematch_cli.batch import Batch
from facematch_cli.commands.verdicts import collect_verdicts, name_output
from facematch_cli.journal import Journal, open_journal, read_etags
from facematch_cli.options import Invocation, batch_options, stack_options
from facematch_cli.output import Output, make_facts
from facematch_cli.pairs import PairSource
from facematch_cli.submission import (
    Finding,
    PairFilter,
    PairOutcome,
    RefusedPair,
    RoutedPair,
    Submitter,
    Upload,
    estimate_remaining,
    estimate_verdicts_s,
    submit_all,
)
from facematch_client.errors import CommandError, ExitCode, explain_error
from facematch_client.faces import enable_face_detection, explain_missing_detector
from facematch_client.stack import Stack
from facematch_client.text import clean, count_of, format_duration

_SECONDS_A_DAY: Final = 86_400


@click.command(short_help="Upload many pairs.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=8, show_default=True, help="Pairs at the same time."
)
@click.option("--dry-run", is_flag=True, help="Check every photo, and upload nothing.")
@click.option("--again", is_flag=True, help="Submit all pairs, including those already submitted.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0), metavar="SECONDS",
    help="Wait for the verdicts, at most this long, and write them to a CSV file like `facematch verdicts`.",
)  # fmt: skip
@click.option(
    "--refused", "refused_path", type=click.Path(path_type=Path),
    help="The CSV file for refused photos. Default: next to the pairs.",
)  # fmt: skip
@click.option(
    "--warnings", "warnings_path", type=click.Path(path_type=Path),
    help="The CSV file for warnings. Default: next to the pairs.",
)  # fmt: skip
@stack_options
@batch_options
def submit(
    invocation: Invocation,
    *,
    pairs: PairSource,
    region: str | None,
    workers: int,
    dry_run: bool,
    again: bool,
    wait_s: float | None,
    journal_path: Path | None,
    refused_path: Path | None,
    warnings_path: Path | None,
) -> ExitCode:
    """Upload many pairs of photos.

    FOLDER has one folder per pair. Its name is the pair id, and it has a source and a target photo.
    MANIFEST.csv has the columns pair_id, source and target, and optionally region. File names are relative to
    the manifest.

    Each photo is checked before it is uploaded. A warning says that the comparison may be less reliable. If a
    run is interrupted, the same command continues it. A pair whose photo has changed is submitted again.
    """
    if wait_s is not None and (dry_run or invocation.output.as_json):
        raise CommandError(
            "--wait excludes --dry-run and --json. Use `facematch verdicts --json` afterwards.",
            ExitCode.USAGE,
        )
    stack = invocation.find_stack()
    _check_source(invocation.output, pairs)
    journal_path = journal_path or name_output(pairs, f"{stack.name}.journal")
    refused_path = refused_path or name_output(pairs, "refused.csv")
    warnings_path = warnings_path or name_output(pairs, "warnings.csv")
    if missing := explain_missing_detector(photo_limits(stack.settings)):
        invocation.output.note(missing)
    if stack.settings.photos.read_heic and find_spec("pillow_heif") is None:
        invocation.output.note(
            "The stack reads HEIC, but this command does not. In the clone of facematch, run "
            "`pip install './cli[heic]'`."
        )
    with (
        open_journal(journal_path, stack.id, again=again and not dry_run) as journal,
        _open_findings(refused_path) as refused,
        _open_findings(warnings_path) as warnings,
    ):
        run = _Run(
            stack=stack,
            pairs=pairs,
            region=region,
            journal=journal,
            refused=refused,
            warnings=warnings,
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
    _print_summary(invocation.output, run, journal_path, refused_path, warnings_path)
    exit_code = run.choose_exit_code()
    if wait_s is None:
        return exit_code
    batch = Batch(stack, pairs, region, read_etags(journal_path, stack.id))
    collected = collect_verdicts(invocation, batch, name_output(pairs, "verdicts.csv"), wait_s=wait_s)
    return collected if exit_code is ExitCode.DONE else exit_code


def _check_source(output: Output, pairs: PairSource) -> None:
    ignored = pairs.describe_ignored_photos()
    if next(pairs.read(), None) is None:
        raise CommandError(
            f"There are no pairs in {pairs.path}. A folder needs one folder per pair, a manifest one row."
            f"{' ' if ignored else ''}{ignored}",
            ExitCode.REFUSED,
        )
    if ignored:
        output.note(ignored)


@dataclass(slots=True, kw_only=True)
class _Run:
    """A run of a submission, and its progress.

    `reasons` counts the errors of refused pairs, `warning_counts` the warnings about the others.
    """

    stack: Stack
    pairs: PairSource
    region: str | None
    journal: Journal
    refused: csv.DictWriter[str]
    warnings: csv.DictWriter[str]
    clock: Clock
    dry_run: bool
    total: int = 0
    quota_s: float = 0.0
    submitted: int = 0
    changed: int = 0
    skipped: int = 0
    refusals: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    warning_counts: Counter[str] = field(default_factory=Counter)
    started_at_ms: int = 0

    @property
    def finished(self) -> int:
        """The number of finished pairs, in this run or an earlier one."""
        return self.submitted + self.refusals + self.skipped

    @property
    def elapsed_s(self) -> float:
        """The duration of the upload so far."""
        return (self.clock.now_ms() - self.started_at_ms) / 1000

    @property
    def rate(self) -> float:
        """The pairs per second so far."""
        return self.submitted / self.elapsed_s if self.elapsed_s else 0.0

    def submit_all(self, workers: int, output: Output) -> None:
        """Submit the pairs whose photos are not in the journal."""
        settings = self.stack.settings
        self._count_pairs()
        limits = enable_face_detection(photo_limits(settings))
        submitter = Submitter(_discard if self.dry_run else self._make_upload(), PhotoPreparer(limits))
        self.started_at_ms = self.clock.now_ms()
        with _make_progress(output) as progress:
            task = progress.add_task("", total=self.total, completed=self.finished, status=self._describe())

            def record(outcome: PairOutcome) -> None:
                self._record(outcome)
                progress.update(task, completed=self.finished, status=self._describe())

            submit_all(
                self._make_filter().select(self.pairs.read()), submitter.submit, record, workers=workers
            )

    def explain_stop(self, cause: str) -> str:
        """Return why the run ended early, and how to continue."""
        done = count_of(self.submitted, "pair")
        return f"{cause} This run submitted {done}. The same command continues."

    def choose_exit_code(self) -> ExitCode:
        """Return the exit code of the run."""
        if not self.refusals:
            return ExitCode.DONE
        return ExitCode.PARTIAL if self.submitted or self.skipped else ExitCode.REFUSED

    def _make_filter(self) -> PairFilter:
        return PairFilter(self.stack.settings.regions, self.region, self.journal.done)

    def _count_pairs(self) -> None:
        """Count the pairs, without reading photos."""
        pair_filter = self._make_filter()
        remaining = Counter(
            pair.region if isinstance(pair, RoutedPair) else None
            for pair in pair_filter.select(self.pairs.read())
        )
        self.skipped = pair_filter.skipped
        self.total = remaining.total() + pair_filter.skipped
        self.quota_s = estimate_verdicts_s(remaining, self.stack.settings.calls_per_s)

    def _make_upload(self) -> Upload:
        bucket, client = self.stack.settings.bucket, self.stack.s3()

        def upload(key: str, photo: bytes) -> str:
            return client.put_object(Bucket=bucket, Key=key, Body=photo)["ETag"].strip('"')

        return upload

    def _record(self, outcome: PairOutcome) -> None:
        if isinstance(outcome, RefusedPair):
            self.refusals += 1
            self.reasons.update(refusal.reason for refusal in outcome.refusals)
            self.refused.writerows(asdict(refusal) for refusal in outcome.refusals)
        elif outcome.etags is None:
            self.skipped += 1
        else:
            self.submitted += 1
            self.changed += outcome.is_changed
            self.warning_counts.update(warning.reason for warning in outcome.warnings)
            self.warnings.writerows(asdict(warning) for warning in outcome.warnings)
            if not self.dry_run:
                self.journal.record(outcome.routed.key, outcome.fingerprint, outcome.etags)

    def _describe(self) -> str:
        remaining_s, slower = estimate_remaining(
            quota_s=self.quota_s,
            elapsed_s=self.elapsed_s,
            done=self.submitted + self.refusals,
            left=self.total - self.finished,
        )
        verdicts = f"last verdict in {format_duration(remaining_s)} or later ({slower})"
        findings = f"{self.refusals} refused  {count_of(self.warning_counts.total(), 'warning')}"
        return f"{self.rate:.1f}/s  {findings}  {verdicts}"


def _discard(_key: str, _photo: bytes) -> str:
    """Upload nothing."""
    return ""


def _make_progress(output: Output) -> Progress:
    return Progress(
        TextColumn("Submitting"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}", style="dim"),
        console=output.notes,
        disable=output.as_json or not output.notes.is_terminal,
    )


@contextmanager
def _open_findings(path: Path) -> Iterator[csv.DictWriter[str]]:
    with path.open("w", encoding="utf-8", newline="", buffering=1) as file:
        rows = csv.DictWriter(file, [column.name for column in fields(Finding)])
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


def _print_summary(
    output: Output, run: _Run, journal_path: Path, refused_path: Path, warnings_path: Path
) -> None:
    if output.as_json:
        output.print_document(
            {
                "dry_run": run.dry_run,
                "submitted": run.submitted,
                "submitted_before": run.skipped,
                "changed": run.changed,
                "refused": run.refusals,
                "reasons": dict(run.reasons),
                "duration_s": round(run.elapsed_s, 1),
                "verdicts_take_at_least_s": round(run.quota_s),
                "journal": str(journal_path),
                "refused_csv": str(refused_path) if run.refusals else None,
                "warnings": dict(run.warning_counts),
                "warnings_csv": str(warnings_path) if run.warning_counts else None,
            }
        )
        return
    verb = "fit to submit" if run.dry_run else "submitted"
    done = count_of(run.submitted, "pair")
    pace = f" in {format_duration(run.elapsed_s)}, {run.rate:.1f} per second" if run.submitted else ""
    output.print(
        make_facts(
            {
                verb: f"{done}{pace}",
                "changed": f"{count_of(run.changed, 'pair')} of these, with a new photo"
                if run.changed
                else None,
                "before": f"{count_of(run.skipped, 'pair')}, according to {journal_path}"
                if run.skipped
                else None,
                "refused": Text(str(run.refusals), "bold red" if run.refusals else ""),
                "why": _list_reasons(run.reasons) if run.refusals else None,
                "each": str(refused_path) if run.refusals else None,
                "warnings": f"{_list_reasons(run.warning_counts)}; each in {warnings_path}"
                if run.warning_counts
                else None,
                "verdicts": f"take at least {format_duration(run.quota_s)} at the quota, longer with cold "
                "starts or other work"
                if run.submitted
                else None,
            }
        )
    )
    if run.quota_s > run.stack.photo_retention_days * _SECONDS_A_DAY:
        output.note(
            "That is longer than the stack keeps photos (PhotoRetentionDays). Submit in parts or increase it."
        )
    if run.submitted and not run.dry_run:
        output.note("To write the verdicts to a CSV file, run `facematch verdicts` with the same pairs.")
