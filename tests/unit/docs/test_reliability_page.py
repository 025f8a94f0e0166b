"""The table in docs/reliability.md is generated from docs/reliability-figures.md.

`PYTHONPATH=tests python -m support.faults.table` rewrites it.
"""

from support.faults.table import FIGURES, PAGE, Section, read_figures, renewed, write_figures, write_table

DELIVERED = "published 5, missing 1, copies 2 of 3 retried, uncounted 4 of 6 unknown"


def test_the_table_is_up_to_date_with_the_figures():
    page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page, read_figures(FIGURES.read_text(encoding="utf-8")))


def test_what_a_run_writes_can_be_read_again():
    sections = read_figures(write_figures({7: Section("FAILED (1 of 2)", 2, ("a: 1", DELIVERED))}))
    assert sections[7] == Section("FAILED (1 of 2)", 2, ("a: 1", DELIVERED))
    assert sections[8] == Section()


def test_a_row_sums_up_the_deliveries_of_its_tests_and_shows_one_figure():
    section = Section(
        "holds", 3, (f"alarm, at once: True after 21 s, 3 skipped; {DELIVERED}", DELIVERED, "gone after 5 s")
    )
    row = next(line for line in write_table({7: section}).splitlines() if line.startswith("| [7]"))
    assert row.endswith("| 3 | 10 | 2 | 4 | True after 21 s | holds |")


def test_a_row_without_deliveries_or_figures_leaves_its_cells_empty():
    row = next(line for line in write_table({7: Section("holds", 1, ("all is well",))}).splitlines() if "[7]" in line)
    assert row.endswith("| 1 |  |  |  |  | holds |")
