"""Shows files outside the site by name: MkDocs calls this hook for each page."""

import re
from typing import Any, Final

_OUTSIDE: Final = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([^)]+)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:  # noqa: ANN401 - MkDocs calls it
    """Return a page's text in which links to files outside the site are replaced by their names."""
    depth = page.file.src_uri.count("/")
    return _OUTSIDE.sub(lambda link: _name_outside(link, depth), markdown)


def _name_outside(link: re.Match[str], depth: int) -> str:
    """Return a link unchanged if its target is in the site, otherwise its text and the file's name."""
    ups = link[0].count("../")
    return link[0] if ups <= depth else f"{link[1]} (`{link[2]}` in the repository)"
