"""What the pages take from the repository: its files by name, and the template's parameters as tables."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
_PLACE: Final = "<!-- parameters -->"
_OUTSIDE: Final = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([^)]+)\)")


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms for what they stand in front of."""


def _read_tag(loader: _Loader, _: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return node.value


_Loader.add_multi_constructor("!", _read_tag)


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:  # noqa: ANN401 - MkDocs calls it
    """Return a page's text with files outside the site named instead of linked, and parameters filled in."""
    depth = page.file.src_uri.count("/")
    return _OUTSIDE.sub(lambda link: _name_outside(link, depth), markdown).replace(
        _PLACE, render_parameters() if _PLACE in markdown else _PLACE
    )


def render_parameters() -> str:
    """Return the template's parameters as Markdown, one table for each of its groups."""
    template = yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # noqa: S506 - a SafeLoader
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    return "\n\n".join(
        "\n".join(
            [
                f"**{group['Label']['default']}**\n",
                "| parameter | default | decides |",
                "| --- | --- | --- |",
                *(_render_row(name, template["Parameters"][name]) for name in group["Parameters"]),
            ]
        )
        for group in groups
    )


def _render_row(name: str, parameter: dict[str, Any]) -> str:
    default = f"`{parameter['Default']}`" if "Default" in parameter else ""
    return f"| `{name}` | {default} | {parameter['Description'].strip()} |"


def _name_outside(link: re.Match[str], depth: int) -> str:
    """Return a link as it is where it stays within the site, else its text and the file's name."""
    ups = link[0].count("../")
    return link[0] if ups <= depth else f"{link[1]} (`{link[2]}` in the repository)"
