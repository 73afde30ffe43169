"""Comparisons by what a user calls them: an id, a pair id, or a pair in the bucket by region and pair id."""

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
    """Add the options that say which pair a name is of."""
    command = click.option(
        "--all", "reads_all", is_flag=True, help=f"Search the whole ledger, not its first {PAGE_LIMIT} MB."
    )(command)
    return click.option(
        "--caller", metavar="ARN", help="The IAM user or role that asked, if several pairs have the name."
    )(command)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Finds comparisons in a ledger; only those of `caller`, an ARN, if one is given."""

    ledger: DynamoDbLedger
    caller: str | None
    reads_all: bool = False

    def find_one(self, name: str) -> Comparison:
        """Return the comparison of this name; of a pair in the bucket that of the photos that came last.

        Raises
        ------
        CommandError
            There is none, not yet, or there are several.
        """
        uploaded = self._find_uploaded(name)
        if uploaded is not None:
            return uploaded
        found = self.find_all(name)
        if len(found) > 1:
            listed = ", ".join(f"{one.id} ({one.region})" for one in found)
            raise CommandError(
                f"{len(found)} comparisons have the name {clean(name)}: choose one by its id. Newest first: "
                f"{listed}.",
                ExitCode.REFUSED,
            )
        return found[0]

    def find_all(self, name: str) -> list[Comparison]:
        """Return all comparisons of this name, the newest first.

        Raises
        ------
        CommandError
            There is none, or not yet.
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
        comparisons = [one for one in map(self.ledger.find, ids) if one is not None]
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
            half = found.incomplete_pairs[0]
            return CommandError(
                f"The pair {clean(half.pair_id)} in {clean(half.region)} has no comparison yet: it waits for "
                f"its {half.missing} photo.",
                ExitCode.NO_VERDICT,
            )
        where = (
            f"the first {PAGE_LIMIT} MB of the ledger (--all searches all of it)"
            if found.is_cut
            else "the ledger"
        )
        return CommandError(
            f"No comparison with the id or pair id {clean(name)} is in {where}. Erased ones have only an id.",
            ExitCode.REFUSED,
        )
