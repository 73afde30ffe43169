"""Reads `template.yaml` for tests."""

from pathlib import Path
from typing import Any

from generate.cloudformation import parse_template

ROOT = Path(__file__).parents[1]


def read_template() -> dict[str, Any]:
    return parse_template((ROOT / "template.yaml").read_text())


def read_table_schema() -> dict[str, Any]:
    """Return the ledger's keys and indexes as arguments of `create_table`."""
    properties = read_template()["Resources"]["Ledger"]["Properties"]
    names = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
    return {name: properties[name] for name in names}
