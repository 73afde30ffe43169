"""The environment variables of the functions, read from `template.yaml`."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from harness.template import read_template


def read_environment(known: Mapping[str, str]) -> dict[str, str]:
    """Return every variable of every function. `known` has the values of resources and parameters."""
    template = _template()
    parameters = template["Parameters"].items()
    defaults = {name: str(parameter["Default"]) for name, parameter in parameters if "Default" in parameter}
    functions = (
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    )
    variables: dict[str, Any] = {}
    for properties in (template["Globals"]["Function"], *functions):
        variables |= properties.get("Environment", {}).get("Variables", {})
    return {name: _resolve(value, defaults | dict(known)) for name, value in variables.items()}


@cache
def _template() -> dict[str, Any]:
    return read_template()


def _resolve(value: object, known: Mapping[str, str]) -> str:
    match value:
        case {"Ref": name}:
            return known[name]
        case {"If": [_, lane, absent]}:
            # A lane exists if its queue is known.
            return known.get(lane["Ref"], absent)
        case {"Sub": text}:
            return re.sub(r"\$\{([\w:]+)\}", lambda found: known[found[1]], text).strip()
    return str(value)
