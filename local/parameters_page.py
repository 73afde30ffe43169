"""Describes the template's parameters and outputs as `docs/parameters.md`; `make interfaces` writes it."""

from typing import Any, Final

import yaml

from local.processes import ROOT

PARAMETERS_PAGE: Final = ROOT / "docs" / "parameters.md"
_PAGE: Final = """\
# Parameters and outputs

`make interfaces` writes this page from `template.yaml`.

## Parameters

Every parameter except `ProviderSecretArn` has a default. Set parameters with `sam deploy --guided`, or with
`sam deploy --parameter-overrides`. A parameter that you do not name keeps its value.

{parameters}

## Outputs

Other stacks can import the outputs that have an export. Its name is `{{stack name}}-{{output}}`.

| output | value | export |
| --- | --- | --- |
{outputs}
"""


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as their plain values."""


def _read_tag(loader: _Loader, _: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return node.value


_Loader.add_multi_constructor("!", _read_tag)


def describe_parameters() -> str:
    """Return the page: one table for each group of parameters, and one of all outputs."""
    template: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # noqa: S506 - a SafeLoader
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    return _PAGE.format(
        parameters="\n\n".join(_describe_group(group, template["Parameters"]) for group in groups),
        outputs="\n".join(
            f"| `{name}` | {output['Description'].strip()} | {'yes' if 'Export' in output else ''} |"
            for name, output in template["Outputs"].items()
        ),
    )


def _describe_group(group: dict[str, Any], parameters: dict[str, Any]) -> str:
    rows = (_describe_parameter(name, parameters[name]) for name in group["Parameters"])
    head = f"### {group['Label']['default']}\n\n| parameter | default | meaning |\n| --- | --- | --- |"
    return "\n".join([head, *rows])


def _describe_parameter(name: str, parameter: dict[str, Any]) -> str:
    default = f"`{parameter['Default']}`" if "Default" in parameter else ""
    return f"| `{name}` | {default} | {parameter['Description'].strip()} |"
