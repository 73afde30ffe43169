"""The stack that `template.yaml` makes: after the SAM transform, with its conditions decided."""

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
"""What `AWS::NoValue` leaves."""


def read_stack(aws_region: str = "ap-southeast-1", /, **parameters: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a stack with these parameters, by name; references stay as they are."""
    template = transform()
    defaults = {name: str(one.get("Default", "none")) for name, one in template["Parameters"].items()}
    choice = _Choice({"AWS::Region": aws_region} | defaults | parameters, template["Conditions"])
    return {
        name: choice.prune(resource)
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or choice.holds({"Condition": resource["Condition"]})
    }


def transform(**parameters: str) -> dict[str, Any]:
    """Return the template as the SAM transform leaves it, which knows the values of the parameters."""
    template: dict[str, Any] = json.loads(_transform(frozenset(parameters.items())))
    return template


@cache
def _transform(parameters: frozenset[tuple[str, str]]) -> str:
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="ap-southeast-1"))
    return json.dumps(translator.translate(json.loads(_package()), parameter_values=dict(parameters)))


@cache
def _package() -> str:
    """Return the template as the transform gets it, with its code uploaded."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    for properties in (
        template["Globals"]["Function"],
        *(resource["Properties"] for resource in template["Resources"].values()),
    ):
        # SAM takes code only from where `sam package` puts it.
        for name in {"CodeUri", "ContentUri"} & properties.keys():
            properties[name] = "s3://bucket/code"
    for name in ("SecurityPolicy", "EndpointAccessMode"):
        # The transform that knows them takes no pydantic as new as ours: `sam validate` looks at them.
        del template["Resources"]["RestApi"]["Properties"][name]
    return json.dumps(template)


@dataclass(frozen=True, slots=True)
class _Choice:
    parameters: Mapping[str, str]
    conditions: Mapping[str, Any]

    def holds(self, condition: Mapping[str, Any]) -> bool:
        """Decide a condition."""
        match condition:
            case {"Condition": name}:
                return self.holds(self.conditions[name])
            case {"Fn::Not": [inner]}:
                return not self.holds(inner)
            case {"Fn::And": inner}:
                return all(map(self.holds, inner))
            case {"Fn::Or": inner}:
                return any(map(self.holds, inner))
            case {"Fn::Equals": [left, right]}:
                return bool(self._read(left) == self._read(right))
        raise ValueError(condition)

    def _read(self, value: Any) -> Any:
        """Return what a condition compares."""
        match value:
            case {"Ref": name}:
                return self.parameters[name]
            case {"Fn::Split": [separator, text]}:
                return self._read(text).split(separator)
            case {"Fn::Join": [separator, texts]}:
                return separator.join(self._read(texts))
        return value

    def prune(self, value: Any) -> Any:
        """Return a value with only what its conditions choose."""
        match value:
            case {"Ref": "AWS::NoValue"}:
                return _ABSENT
            case {"Fn::If": [name, chosen, other]}:
                return self.prune(chosen if self.holds({"Condition": name}) else other)
            case dict():
                kept = {name: self.prune(inner) for name, inner in value.items()}
                return {name: inner for name, inner in kept.items() if inner is not _ABSENT}
            case list():
                return [inner for inner in map(self.prune, value) if inner is not _ABSENT]
        return value
