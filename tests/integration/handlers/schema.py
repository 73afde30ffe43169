"""The JSON Schema of what leaves on the results queue."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = Path(__file__).resolve().parents[3] / "schemas" / "result-event.schema.json"


@cache
def _validator() -> Any:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def check_result_event(event: Mapping[str, Any]) -> None:
    """Raise unless `event` is as the schema says."""
    _validator().validate(event)
