"""Runs the tools of the audit."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.processes import LOCAL, ROOT, make_environment

TOOLS: Final = LOCAL / "audit" / "bin"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The exit code and the output of a tool."""

    code: int
    output: str
    errors: str


def run_tool(command: Sequence[str | Path], *, text: str = "") -> ToolResult:
    """Run a tool in the repository with `text` as its input, without the user's AWS settings."""
    result = subprocess.run(
        command, cwd=ROOT, env=make_environment(), input=text, capture_output=True, text=True, check=False
    )
    return ToolResult(result.returncode, result.stdout.strip(), result.stderr.strip())
