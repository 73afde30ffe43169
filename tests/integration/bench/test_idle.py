from bench.capacity.idle import PAGE, render_page


def test_the_table_of_the_page_is_what_is_computed() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert "<!-- table: idle -->" in page
    assert render_page(page) == page
