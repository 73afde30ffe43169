"""Reads CloudFormation templates in YAML."""

from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as `{tag: value}`."""


def _read_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {suffix: loader.construct_mapping(node, deep=True)}
    raise TypeError(node)


_Loader.add_multi_constructor("!", _read_tag)


def parse_template(text: str) -> dict[str, Any]:
    """Return a template as a dictionary."""
    template: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    return template
