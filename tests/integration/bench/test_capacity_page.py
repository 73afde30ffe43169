import re

import pytest

from bench.capacity.report import CHART, PAGE, TABLES, draw_page_chart, render_page

pytestmark = pytest.mark.verify


def test_the_tables_of_the_page_are_what_the_simulation_gives() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert re.findall(r"<!-- table: (\w+) -->", page) == list(TABLES)
    assert render_page(page) == page


def test_the_chart_of_the_page_is_what_the_simulation_gives() -> None:
    assert CHART.read_text(encoding="utf-8") == draw_page_chart()
