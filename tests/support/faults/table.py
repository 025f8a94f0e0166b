"""A plugin of pytest (`-p support.faults.table`) that makes the table of the fault matrix from the tests that ran.

A test names its row (`pytest.mark.row(7)`), and its figures by the fixture `measured`. The table goes to the terminal and, as
Markdown, to the file that AEG_FAULT_TABLE names; `PYTHONPATH=tests python -m support.faults.table FILE` copies it into
docs/reliability.md. It works with and without pytest-xdist.
"""

import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from faults.rows import ROWS
from support.faults.measurements import PROPERTY

ROW = "row"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.user_properties += [(ROW, int(number)) for mark in item.iter_markers(ROW) for number in mark.args]


class Table:
    """Collects the reports."""

    def __init__(self) -> None:
        self.results: dict[int, list[tuple[str, bool]]] = defaultdict(list)
        self.measurements: dict[int, list[str]] = defaultdict(list)

    def take(self, report: pytest.TestReport) -> None:
        if report.when != "call" and not report.failed:
            return
        said: list[tuple[str, Any]] = report.user_properties
        for row in (value for key, value in said if key == ROW):
            self.results[row].append((report.nodeid, report.passed))
            self.measurements[row] += [value for key, value in said if key == PROPERTY and report.when == "call"]

    def result(self, row: int) -> str:
        results = self.results.get(row)
        if not results:
            return "not run"
        failed = sum(1 for _, passed in results if not passed)
        return f"FAILED ({failed} of {len(results)})" if failed else "holds"

    def observed(self, row: int) -> str:
        measurements = dict.fromkeys(self.measurements.get(row, ()))
        count = len({nodeid for nodeid, _ in self.results.get(row, ())})
        tests = f"{count} test{'s' if count > 1 else ''}"
        if not measurements:
            return tests if count else ""
        return "; ".join(measurements) + (f" ({tests})" if count > len(measurements) else "")

    def markdown(self) -> str:
        lines = ["| # | injected | expected | observed | |", "|---|---|---|---|---|"]
        for number, row in ROWS.items():
            cells = (number, row.fault, row.expected, self.observed(number), self.result(number))
            lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
        return "\n".join(lines) + "\n"


_table = Table()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _table.take(report)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or not _table.results:
        return
    terminalreporter.section("fault matrix")
    for number, row in ROWS.items():
        terminalreporter.write_line(f"{number:>2}  {_table.result(number):<16} {row.fault}")
        if observed := _table.observed(number):
            terminalreporter.write_line(f"{'':20} {observed}")
    if path := os.environ.get("AEG_FAULT_TABLE"):
        Path(path).write_text(_table.markdown(), encoding="utf-8")


def main(table: Path, page: Path) -> None:
    """Put a table that was written by a run into the page, between its two comments."""
    text = page.read_text(encoding="utf-8")
    begin = text.index("\n", text.index("<!-- table:")) + 1
    end = text.index("<!-- end of table -->")
    page.write_text(text[:begin] + table.read_text(encoding="utf-8") + text[end:], encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parents[3] / "docs" / "reliability.md")
