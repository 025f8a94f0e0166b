"""The planned rate of a stream over time: average rates, as a chart of characters and as a picture. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from typing import Final, NamedTuple

from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.timeline.shaping import schedule_of

HOUR_NS: Final = 3_600 * 10**9
DAY_NS: Final = 24 * HOUR_NS
WEEK_NS: Final = 7 * DAY_NS
_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
_ROWS: Final = 5
_LABEL: Final = 9
_INK, _FAINT, _ACCENT = "#24292f", "#d0d7de", "#0969da"
_WIDTH, _LEFT, _HIGH = 860, 70, 130


class Rates(NamedTuple):
    """Average rates in events per second, one for each `cell_ns` from `from_ns` on."""

    from_ns: int
    cell_ns: int
    values: Sequence[float]

    @property
    def events(self) -> float:
        """How many that makes in all."""
        return sum(self.values) * self.cell_ns / 1e9


def planned(spec: GeneratorSpec, seed: int, from_ns: int, cell_ns: int, cells: int) -> Rates:
    """What a spec asks for when its run begins at `from_ns`, scenarios left out."""
    if spec.suspend:
        return Rates(from_ns, cell_ns, [0.0] * cells)
    intensity = schedule_of(spec, seed, begun_ns=from_ns, wall_offset_ns=0).intensity.starting(from_ns)
    amounts = [intensity.amount(cell * cell_ns) for cell in range(cells + 1)]
    each = [(after - before) / intensity.parts for before, after in pairwise(amounts)]
    return Rates(from_ns, cell_ns, [amount / (cell_ns / 1e9) for amount in each])


def chart(rates: Rates, mark_ns: int, form: str) -> list[str]:
    """Lines of text; a mark is written below every `mark_ns`, as `form` says for strftime."""
    most = max(rates.values)
    columns = [0 if not most else round(value / most * _ROWS * 8) or (1 if value else 0) for value in rates.values]
    lines = []
    for row in reversed(range(_ROWS)):
        label = f"{most:.3g}/s" if row == _ROWS - 1 else "0" if not row else ""
        cells = "".join(_EIGHTHS[min(8, max(0, column - row * 8))] for column in columns)
        lines.append(f"{label:>{_LABEL}} |{cells}".rstrip())
    marks = [" "] * (len(columns) + _LABEL)
    for cell, name in _marks(rates, mark_ns, form):
        marks[cell : cell + len(name)] = name
    lines.append(" " * (_LABEL + 2) + "".join(marks).rstrip())
    return lines


def picture(title: str, charts: Sequence[tuple[str, Rates, int, str]]) -> str:
    """An SVG document: charts one above the other, each with its caption and marks as for `chart`."""
    parts = [part for number, each in enumerate(charts) for part in _drawn(number * (_HIGH + 80), *each)]
    height = len(charts) * (_HIGH + 80)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="12" fill="{_INK}">'
    )
    background = f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", background, *parts, "</svg>", ""])


def _drawn(above: int, caption: str, rates: Rates, mark_ns: int, form: str) -> Iterator[str]:
    top, wide, most = above + 36, _WIDTH - _LEFT - 20, max(rates.values)
    scale = _HIGH / most if most else 0
    yield f'<text x="{_LEFT}" y="{above + 22}">{escape(caption)}</text>'
    for value in dict.fromkeys((0.0, most / 2, most)):
        y = top + _HIGH - value * scale
        yield f'<path d="M{_LEFT} {y:.1f}H{_LEFT + wide}" stroke="{_FAINT}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}/s</text>'
    step = wide / len(rates.values)
    for cell, name in _marks(rates, mark_ns, form):
        yield f'<text x="{_LEFT + cell * step:.1f}" y="{top + _HIGH + 18}">{name}</text>'
    points = [
        f"{_LEFT + (cell + side) * step:.1f},{top + _HIGH - value * scale:.1f}"
        for cell, value in enumerate(rates.values)
        for side in (0, 1)
    ]
    yield f'<polyline points="{" ".join(points)}" fill="none" stroke="{_ACCENT}" stroke-width="1.5"/>'


def _marks(rates: Rates, mark_ns: int, form: str) -> Iterator[tuple[int, str]]:
    """The cells in which a round moment of UTC lies, and how it is called."""
    end_ns = rates.from_ns + rates.cell_ns * len(rates.values)
    for moment in range(-(-rates.from_ns // mark_ns) * mark_ns, end_ns, mark_ns):
        name = datetime.fromtimestamp(moment // 10**9, UTC).strftime(form)
        yield (moment - rates.from_ns) // rates.cell_ns, name
