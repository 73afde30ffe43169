"""Finds comparisons by name: a comparison id, a pair id, or a region and pair id."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.comparison import Comparison
from facematch.domain.inbox import make_folder
from facematch.domain.principals import name_principal
from facematch.domain.regions import Region
from facematch_cli.regions import suggest_region
from facematch_client.errors import CommandError, ExitCode
from facematch_client.records import PAGE_LIMIT, Query, RecordReader, SearchResult, find_uploaded
from facematch_client.text import clean


def pair_name_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that limit a search by name."""
    command = click.option(
        "--all",
        "reads_all",
        is_flag=True,
        help=f"Search the whole ledger, not only its first {PAGE_LIMIT} MB.",
    )(command)
    return click.option(
        "--caller",
        metavar="ARN",
        help="The IAM user or role that sent the pair, if several pairs have this name.",
    )(command)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Finds comparisons in a ledger, with `caller` (an ARN) only those of this caller."""

    ledger: DynamoDbLedger
    caller: str | None
    reads_all: bool = False

    def find_one(self, name: str) -> Comparison:
        """Return the comparison with this name. For a pair in the bucket, it is that of the latest photos.

        Raises
        ------
        CommandError
            There is no comparison, not yet, or more than one.
        """
        uploaded = self._find_uploaded(name)
        if uploaded is not None:
            return uploaded
        found = self.find_all(name)
        if len(found) > 1:
            listed = ", ".join(f"{comparison.id} ({comparison.region})" for comparison in found)
            raise CommandError(
                f"{len(found)} comparisons have the name {clean(name)}. Choose one by its id. Newest first: "
                f"{listed}.",
                ExitCode.REFUSED,
            )
        return found[0]

    def find_all(self, name: str) -> list[Comparison]:
        """Return all comparisons with this name, newest first.

        Raises
        ------
        CommandError
            There is no comparison, or not yet.
        """
        by_id = None if "/" in name else self.ledger.find(name)
        if by_id is not None:
            return [by_id]
        region, pair_id = self._split(name)
        reader = RecordReader(self.ledger.client, self.ledger.table)
        query = Query(name=pair_id, region=region)
        found = reader.search(query, page_limit=None if self.reads_all else PAGE_LIMIT)
        owner = name_principal(self.caller) if self.caller else None
        ids = [record.id for record in found.records if owner in {None, record.caller}]
        comparisons = [comparison for comparison in map(self.ledger.find, ids) if comparison is not None]
        if not comparisons:
            raise self._explain_missing(name, found)
        return comparisons

    def _find_uploaded(self, name: str) -> Comparison | None:
        region, pair_id = self._split(name)
        if region is None:
            return None
        folder = make_folder(pair_id, name_principal(self.caller) if self.caller else None)
        _, comparison = find_uploaded(self.ledger, region, folder)
        return comparison

    def _split(self, name: str) -> tuple[str | None, str]:
        region, separator, pair_id = name.partition("/")
        if not separator:
            return None, name
        suggestion = "" if region in set(Region) else suggest_region(region)
        if suggestion:
            raise CommandError(f"There is no region {clean(region)}.{suggestion}", ExitCode.REFUSED)
        return region, pair_id

    def _explain_missing(self, name: str, found: SearchResult) -> CommandError:
        if found.incomplete_pairs:
            pair = found.incomplete_pairs[0]
            return CommandError(
                f"The pair {clean(pair.pair_id)} in {clean(pair.region)} has no comparison yet. Its "
                f"{pair.missing} photo is missing.",
                ExitCode.NO_VERDICT,
            )
        where = (
            f"the first {PAGE_LIMIT} MB of the ledger (--all searches all of it)"
            if found.is_cut
            else "the ledger"
        )
        return CommandError(
            f"No comparison with the id or pair id {clean(name)} is in {where}. Erased ones have no pair id.",
            ExitCode.REFUSED,
        )
