"""What `template.yaml` sets in the functions' environment, so that no variable is forgotten here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_TEMPLATE = Path(__file__).resolve().parents[3] / "template.yaml"


@dataclass(frozen=True)
class Tagged:
    """A value with one of CloudFormation's tags, such as `!Ref`."""

    tag: str
    value: Any


class _Loader(yaml.SafeLoader):
    pass


def _read_tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Tagged:
    if isinstance(node, yaml.ScalarNode):
        return Tagged(tag, loader.construct_scalar(node))
    if isinstance(node, yaml.SequenceNode):
        return Tagged(tag, loader.construct_sequence(node, deep=True))
    return Tagged(tag, None)


_Loader.add_multi_constructor("!", _read_tagged)  # type: ignore[no-untyped-call]
_DOCUMENT = yaml.load(_TEMPLATE.read_text(), _Loader)  # noqa: S506 - a safe loader's subclass


def read_environment(known: Mapping[str, str]) -> dict[str, str]:
    """Return every variable of every function; `known` are the resources, and parameters that matter here."""
    defaults = {
        name: str(parameter["Default"])
        for name, parameter in _DOCUMENT["Parameters"].items()
        if "Default" in parameter
    }
    functions = [
        resource["Properties"]
        for resource in _DOCUMENT["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]
    variables: dict[str, Any] = {}
    for properties in (_DOCUMENT["Globals"]["Function"], *functions):
        variables |= properties.get("Environment", {}).get("Variables", {})
    return {name: _resolve(value, defaults | dict(known)) for name, value in variables.items()}


def _resolve(value: object, known: Mapping[str, str]) -> str:
    match value:
        case Tagged("Ref", name):
            return known[name]
        case Tagged("Sub", str(text)):
            return re.sub(r"\$\{([\w:]+)\}", lambda found: known[found[1]], text).strip()
    return str(value)
