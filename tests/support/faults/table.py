"""A plugin of pytest (`-p support.faults.table`) that makes the pages about the fault matrix from the tests that ran.

A test names its row (`pytest.mark.row(7)`) and reports its figures as sentences. A run writes them, one section per row, to
the file that AEG_FAULT_TABLE names. `PYTHONPATH=tests python -m support.faults.table FILE` makes docs/reliability-figures.md
of that file and, without FILE too, the table in docs/reliability.md of that page. Works with and without pytest-xdist.
"""

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from faults.rows import ROWS
from support.faults.measurements import PROPERTY

ROW = "row"
DOCS = Path(__file__).parents[3] / "docs"
PAGE, FIGURES = DOCS / "reliability.md", DOCS / "reliability-figures.md"
HEAD = """# Figures of the fault matrix

Everything that the tests of [the fault matrix](reliability.md#the-fault-matrix) measured in its latest run, row by row.
"""
SECTION = re.compile(r"^## (\d+)\n\n.*: (.+), (\d+) tests?\n((?:\n- .*\n)*)", re.MULTILINE)
# What the comparison of the delivery journal with the queues says of itself.
DELIVERY = re.compile(
    r"[:;]? ?published (\d+), missing (\d+), copies (\d+) of \d+ retried, uncounted \d+ of \d+ unknown( \(.*\))?"
)


class Section(NamedTuple):
    """What a run says of one row: whether it holds, by how many tests, and their figures as sentences."""

    result: str = "not run"
    tests: int = 0
    figures: tuple[str, ...] = ()

    def delivered(self) -> tuple[int, ...] | None:
        """Events published and missing, and copies, of all its tests; None when no test compares queues."""
        found = [DELIVERY.search(sentence) for sentence in self.figures]
        counts = [tuple(map(int, match.groups()[:3])) for match in found if match]
        return tuple(map(sum, zip(*counts, strict=True))) if counts else None

    def seen(self) -> str:
        """The first clause with a figure that is not about delivery."""
        clauses = (part for sentence in self.figures for part in re.split(r"[:;,] ", DELIVERY.sub("", sentence)))
        return next((clause for clause in clauses if re.search(r"\d", clause)), "")


Sections = Mapping[int, Section]


def write_figures(sections: Sections) -> str:
    """The page with every sentence."""
    text = HEAD
    for number, row in ROWS.items():
        result, tests, figures = sections.get(number, Section())
        text += f"\n## {number}\n\n{row.fault}: {result}, {tests} test{'' if tests == 1 else 's'}\n"
        text += "".join(f"\n- {sentence}\n" for sentence in figures)
    return text


def read_figures(page: str) -> dict[int, Section]:
    """The sections of such a page."""
    return {
        int(number): Section(result, int(tests), tuple(re.findall("^- (.*)$", figures, re.MULTILINE)))
        for number, result, tests, figures in SECTION.findall(page)
    }


def write_table(sections: Sections) -> str:
    """The table: a row per fault, a figure per cell."""
    lines = ["| # | injected | expected | tests | published | missing | copies | seen | result |", "|" + "---|" * 9]
    for number, row in ROWS.items():
        section = sections.get(number, Section())
        link = f"[{number}]({FIGURES.name}#{number})"
        delivered = section.delivered() or ("", "", "")
        cells = (link, row.fault, row.expected, section.tests, *delivered, section.seen(), section.result)
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def renewed(page: str, sections: Sections) -> str:
    """The page with the table in it, between its two comments."""
    begin = page.index("\n", page.index("<!-- table:")) + 1
    return page[:begin] + write_table(sections) + page[page.index("<!-- end of table -->") :]


class Collector:
    """Collects the reports of a run."""

    def __init__(self) -> None:
        self.results: dict[int, dict[str, bool]] = defaultdict(dict)
        self.figures: dict[int, dict[str, None]] = defaultdict(dict)

    def take(self, report: pytest.TestReport) -> None:
        if report.when != "call" and not report.failed:
            return
        said: list[tuple[str, Any]] = report.user_properties
        for row in (value for key, value in said if key == ROW):
            self.results[row][report.nodeid] = report.passed and self.results[row].get(report.nodeid, True)
            if report.when == "call":
                self.figures[row] |= dict.fromkeys(value for key, value in said if key == PROPERTY)

    def sections(self) -> dict[int, Section]:
        return {
            row: Section(_result(passed.values()), len(passed), tuple(self.figures[row]))
            for row, passed in self.results.items()
        }


def _result(passed: Iterable[bool]) -> str:
    passed = list(passed)
    return "holds" if all(passed) else f"FAILED ({passed.count(False)} of {len(passed)})"


_collector = Collector()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.user_properties += [(ROW, int(number)) for mark in item.iter_markers(ROW) for number in mark.args]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _collector.take(report)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    sections = _collector.sections()
    if hasattr(config, "workerinput") or not sections:
        return
    terminalreporter.section("fault matrix")
    for number, row in ROWS.items():
        section = sections.get(number, Section())
        terminalreporter.write_line(f"{number:>2}  {section.result:<16} {row.fault}")
        for sentence in section.figures:
            terminalreporter.write_line(f"{'':20} {sentence}")
    if path := os.environ.get("AEG_FAULT_TABLE"):
        Path(path).write_text(write_figures(sections), encoding="utf-8")


def main(run: Path | None) -> None:
    """Renew both pages from the file that a run wrote, or the table alone from the page of the figures."""
    if run is not None:
        FIGURES.write_text(run.read_text(encoding="utf-8"), encoding="utf-8")
    sections = read_figures(FIGURES.read_text(encoding="utf-8"))
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), sections), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
