"""The resources of `template.yaml` after the SAM transform, with its conditions evaluated."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from harness.template import ROOT

_ABSENT = object()
"""Represents `AWS::NoValue`."""


def read_stack(aws_region: str = "ap-southeast-1", /, **parameters: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a stack with these parameters, by name. References are not resolved."""
    template = transform()
    defaults = {
        name: str(parameter.get("Default", "none")) for name, parameter in template["Parameters"].items()
    }
    choice = _Choice({"AWS::Region": aws_region} | defaults | parameters, template["Conditions"])
    return {
        name: choice.prune(resource)
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or choice.holds({"Condition": resource["Condition"]})
    }


def transform(**parameters: str) -> dict[str, Any]:
    """Return the template after the SAM transform with these parameters."""
    template: dict[str, Any] = json.loads(_transform(frozenset(parameters.items())))
    return template


@cache
def _transform(parameters: frozenset[tuple[str, str]]) -> str:
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="ap-southeast-1"))
    return json.dumps(translator.translate(json.loads(_package()), parameter_values=dict(parameters)))


@cache
def _package() -> str:
    """Return the template as if its code was uploaded."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for properties in (
        template["Globals"]["Function"],
        *(resource["Properties"] for resource in template["Resources"].values()),
    ):
        # The transform requires that `sam package` has uploaded the code.
        for name in {"CodeUri", "ContentUri"} & properties.keys():
            properties[name] = "s3://bucket/code"
    for name in ("SecurityPolicy", "EndpointAccessMode"):
        # A transform that supports them needs an older pydantic than ours. `sam validate` checks them.
        del template["Resources"]["RestApi"]["Properties"][name]
    return json.dumps(template)


@dataclass(frozen=True, slots=True)
class _Choice:
    parameters: Mapping[str, str]
    conditions: Mapping[str, Any]

    def holds(self, condition: Mapping[str, Any]) -> bool:
        """Return the value of a condition."""
        match condition:
            case {"Condition": name}:
                return self.holds(self.conditions[name])
            case {"Fn::Not": [negated]}:
                return not self.holds(negated)
            case {"Fn::And": conditions}:
                return all(map(self.holds, conditions))
            case {"Fn::Or": conditions}:
                return any(map(self.holds, conditions))
            case {"Fn::Equals": [left, right]}:
                return bool(self._read(left) == self._read(right))
        raise ValueError(condition)

    def _read(self, value: Any) -> Any:
        """Return the value of an operand."""
        match value:
            case {"Ref": name}:
                return self.parameters[name]
            case {"Fn::Split": [separator, text]}:
                return self._read(text).split(separator)
            case {"Fn::Join": [separator, texts]}:
                return separator.join(self._read(texts))
        return value

    def prune(self, value: Any) -> Any:
        """Return a value with its conditions evaluated."""
        match value:
            case {"Ref": "AWS::NoValue"}:
                return _ABSENT
            case {"Fn::If": [name, chosen, other]}:
                return self.prune(chosen if self.holds({"Condition": name}) else other)
            case dict():
                pruned = {name: self.prune(field) for name, field in value.items()}
                return {name: field for name, field in pruned.items() if field is not _ABSENT}
            case list():
                return [item for item in map(self.prune, value) if item is not _ABSENT]
        return value
