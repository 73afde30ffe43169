"""Measures cold starts: each function as this project builds it, and as SAM's own Python builder does.

Both bundles have the same sources and requirements. The stock bundle is not compiled and not pruned, and
collects garbage during imports. The starts alternate, so that load on the machine affects both.
"""

import argparse
import re
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from harness.bundles import Bundle, ColdStart, find_bundles
from local.processes import LOCAL, ROOT
from local.stack import build, build_template

STARTS: Final = 15
_STOCK: Final = LOCAL / "stock"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The median start of one function, stock and ours. Times are in ms, memory in MiB, sizes in MB."""

    function: str
    stock_ms: float
    our_ms: float
    stock_memory_mib: float
    our_memory_mib: float
    stock_size_mb: float
    our_size_mb: float

    @property
    def ratio(self) -> float:
        """Our time divided by that of the stock bundle."""
        return self.our_ms / self.stock_ms


def main() -> None:
    """Build both bundles, measure the starts, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--starts", type=int, default=STARTS, help="number of starts of each bundle (%(default)s)"
    )
    starts: int = parser.parse_args().starts
    with ThreadPoolExecutor(2) as pool:
        for built in [pool.submit(build), pool.submit(build_stock)]:
            built.result()
    stock, ours = find_bundles(_STOCK), find_bundles(LOCAL / "build")
    print(render_table([compare(stock[name], ours[name], starts) for name in ours]))


def build_stock() -> None:
    """Build the template with SAM's own Python builder, not with the project's makefiles.

    Raises
    ------
    LocalError
        The build failed.
    """
    template = (ROOT / "template.yaml").read_text()
    path = _STOCK.with_suffix(".yaml")
    path.write_text(make_stock_template(template))
    build_template(path, _STOCK)


def make_stock_template(template: str) -> str:
    """Return the template without the project's build methods, for the folder `.local`."""
    # SAM's builder refuses requirements that need another layer. The measured bundles do not have them.
    optional = r"(  (?:Heic|Framing)Layer:\n(?: {4}.*\n)*?) {4}Metadata:\n(?: {6}.*\n)*"
    without_own = re.sub(optional, r"\1", template).replace("    Metadata: { BuildMethod: makefile }\n", "")
    stock = re.sub(r"BuildMethod: makefile\n(?: {6}.*\n)*", "BuildMethod: python3.13\n", without_own)
    return re.sub(r"((?:Code|Content)Uri): ", r"\1: ../", stock)


def compare(stock: Bundle, ours: Bundle, starts: int) -> Comparison:
    """Start both bundles of a function alternately."""
    starts_by_turn: list[tuple[ColdStart, ColdStart]] = [
        (stock.start(collecting=True), ours.start()) for _ in range(starts)
    ]
    return Comparison(
        function=ours.function,
        stock_ms=statistics.median(start.start_ms for start, _ in starts_by_turn),
        our_ms=statistics.median(start.start_ms for _, start in starts_by_turn),
        stock_memory_mib=statistics.median(start.peak_memory_mib for start, _ in starts_by_turn),
        our_memory_mib=statistics.median(start.peak_memory_mib for _, start in starts_by_turn),
        stock_size_mb=stock.size_bytes / 1e6,
        our_size_mb=ours.size_bytes / 1e6,
    )


def render_table(comparisons: list[Comparison]) -> str:
    """Return the comparisons as a Markdown table."""
    rows = [
        "| function | start, stock | start, ours | ratio | peak memory | unzipped |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    rows += [
        f"| {row.function.lower()} | {row.stock_ms:.0f} ms | {row.our_ms:.0f} ms | {row.ratio:.2f} "
        f"| {row.stock_memory_mib:.0f} → {row.our_memory_mib:.0f} MiB "
        f"| {row.stock_size_mb:.0f} → {row.our_size_mb:.0f} MB |"
        for row in comparisons
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
