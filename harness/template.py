"""Reads `template.yaml` for tests."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from local.cloudformation import parse_template

ROOT = Path(__file__).parents[1]


def read_template() -> dict[str, Any]:
    """Return a copy of the template. The template is parsed only once."""
    return deepcopy(_parse())


@cache
def _parse() -> dict[str, Any]:
    return parse_template((ROOT / "template.yaml").read_text())


def read_table_schema() -> dict[str, Any]:
    """Return the ledger's keys and indexes as arguments of `create_table`."""
    properties = read_template()["Resources"]["Ledger"]["Properties"]
    names = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
    return {name: properties[name] for name in names}
