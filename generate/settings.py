"""The list of settings in the template whose change publishes new versions of the functions."""

import re
from typing import Any, Final

from local.cloudformation import parse_template

_VERSIONED: Final = ("Api", "Compare")
_REFERENCE: Final = re.compile(r"\$\{(\w+)\}|'(?:Ref|Condition)': '(\w+)'|'If': \['(\w+)'")


def list_settings(text: str) -> str:
    """Return the parameters of a template that its functions with versions depend on, with their values."""
    template = parse_template(text)
    functions = [template["Resources"][name]["Properties"] for name in _VERSIONED]
    # A route is not part of a version.
    parts = [{name: value for name, value in one.items() if name != "Events"} for one in functions]
    used = _list_parameters(template, [parts, template["Globals"]["Function"]])
    lines = [f"  {name}: ${{{name}}}" for name in template["Parameters"] if name in used]
    return "\n".join(["Content: !Sub |", *lines])


def _list_parameters(template: dict[str, Any], value: object) -> set[str]:
    """Return the parameters that a value is made from, conditions included."""
    named = {name for found in _REFERENCE.findall(str(value)) for name in found if name}
    conditions: dict[str, Any] = template["Conditions"]
    parameters: dict[str, Any] = template["Parameters"]
    return (named & parameters.keys()).union(
        *(_list_parameters(template, conditions[name]) for name in named & conditions.keys())
    )
