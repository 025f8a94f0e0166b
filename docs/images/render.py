"""Draws the pictures of the concepts from the code that makes the streams: `python docs/images/render.py` writes them anew."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Final

ROOT: Final = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "operator"))

import yaml  # noqa: E402

from audit_event_operator.events.event import AuditEvent  # noqa: E402
from audit_event_operator.events.mix import weights_of  # noqa: E402
from audit_event_operator.pacing.shape import Shape  # noqa: E402
from audit_event_operator.resource.spec import Activity, parse_spec  # noqa: E402
from audit_event_operator.resource.status import Progress  # noqa: E402
from audit_event_operator.resource.traffic import Traffic  # noqa: E402
from audit_event_operator.timeline.reading import Reading  # noqa: E402
from audit_event_operator.timeline.timeline import Timeline  # noqa: E402
from audit_event_operator.world.cast import WorldCast  # noqa: E402
from audit_event_operator.world.hours import LocalTime  # noqa: E402
from audit_event_operator.world.scenarios.truth import Record  # noqa: E402
from audit_event_operator.world.world import World  # noqa: E402

NS: Final = 10**9
MONDAY: Final = 1_767_567_600  # 5 January 2026, 00:00 in Berlin
START: Final = (MONDAY + 10 * 3_600) * NS
INK, FAINT, ACCENT, FAILED = "#24292f", "#d0d7de", "#0969da", "#cf222e"
WIDTH: Final = 860


def picture(title: str, height: int, parts: Iterator[str]) -> str:
    """An SVG document."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{title}" font-family="system-ui, sans-serif" font-size="12" fill="{INK}">'
    )
    return "\n".join(
        [
            head,
            f"<title>{title}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def text(x: float, y: float, what: str, anchor: str = "start") -> str:
    """A text at a place."""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{what}</text>'


def line(x1: float, y1: float, x2: float, y2: float) -> str:
    """A faint line."""
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{FAINT}"/>'


def week() -> Iterator[str]:
    """The rate that the office sample asks for, second week of its run."""
    raw = yaml.safe_load((ROOT / "manifests/samples/15-traffic.yaml").read_text(encoding="utf-8"))["spec"]
    raw["traffic"].pop("bursts")
    spec = parse_spec(raw)
    traffic = spec.traffic or Traffic()
    shape = Shape(spec.events_per_interval, spec.interval_ns, traffic, begun_ns=(MONDAY - 604_800) * NS)
    left, top, wide, high, most = 60, 40, WIDTH - 80, 180, 2.5
    yield text(left, 22, "Events per second over a week (profile of the sample office, Europe/Berlin)")
    for value in (0, 1, 2):
        y = top + high - value / most * high
        yield line(left, y, left + wide, y)
        yield text(left - 8, y + 4, f"{value}/s", "end")
    for day, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")):
        x = left + day * wide / 7
        yield line(x, top, x, top + high)
        yield text(x + wide / 14, top + high + 18, name, "middle")
    steps = 7 * 96
    points = []
    for quarter in range(steps):
        y = top + high - float(shape.rate((MONDAY + quarter * 900) * NS)) / most * high
        points += [f"{left + quarter * wide / steps:.1f},{y:.1f}", f"{left + (quarter + 1) * wide / steps:.1f},{y:.1f}"]
    yield f'<polyline points="{" ".join(points)}" fill="none" stroke="{ACCENT}" stroke-width="1.5"/>'


def sessions() -> Iterator[str]:
    """Half an hour of a small fleet in the morning: who is logged in where, and what happens there."""
    spec = parse_spec({"activity": "Sessions", "entities": {"users": {"count": 40}, "hosts": {"count": 8}}})
    mix = weights_of(
        {"user_login_success": 8, "user_login_failure": 2, "user_logout": 10, "sudo_command": 30, "file_modified": 12}
    )
    world = World(WorldCast(spec.entities, 8), weights_of(mix, Activity.SESSIONS), LocalTime(UTC), fresh=True)
    start, seconds, step = MONDAY + 10 * 3_600, 1_800, 6
    rows: dict[tuple[str, str], int] = {}
    bars, dots, opened = [], [], {}
    left, top, wide, row_high = 225, 44, WIDTH - 245, 17
    for number in range(seconds // step):
        moment = number * step
        happened = world.happen(number, (start + moment) * NS)
        row = rows.setdefault((happened.user, happened.host), len(rows))
        x, y = left + moment / seconds * wide, top + row * row_high + 8
        session = str(happened.values.get("session_id", ""))
        if happened.kind == "user_login_success":
            opened[session] = (x, y)
        elif happened.kind == "user_logout":
            begin, _ = opened.pop(session)
            bars.append((begin, x, y))
        elif happened.kind == "user_login_failure":
            dots.append(f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" stroke="{FAILED}" stroke-width="2"/>')
        else:
            dots.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2"/>')
    bars += [(begin, left + wide, y) for begin, y in opened.values()]
    yield text(
        12,
        22,
        "Half an hour of a small fleet: bars are sessions, dots are what their users do, crosses are failed logins",
    )
    for (user, host), row in rows.items():
        y = top + row * row_high + 8
        yield line(left, y, left + wide, y)
        yield text(left - 8, y + 4, f"{user} on {host}", "end")
    for begin, end, y in bars:
        place = f'x="{begin:.1f}" y="{y - 5:.1f}" width="{max(2, end - begin):.1f}"'
        yield f'<rect {place} height="10" rx="3" fill="{ACCENT}" opacity="0.35"/>'
    yield from dots
    bottom = top + len(rows) * row_high + 14
    for minutes in range(0, 31, 5):
        x = left + minutes / 30 * wide
        yield text(x, bottom, datetime.fromtimestamp(start + minutes * 60, UTC).strftime("%H:%M"), "middle")


_STAGED: Final = {
    "activity": "Sessions",
    "interval": "4s",
    "randomSeed": 8,
    "scenarios": [
        {"name": "guess", "type": "BruteForce", "startAfter": "90s", "successPercent": 100},
        {"name": "typo", "type": "MistypedPassword", "startAfter": "5m"},
    ],
}
_ROWS: Final = (
    ("user_login", "SUCCESS", "logins"),
    ("sudo_command", "", "commands"),
    ("file_modified", "", "changed files"),
    ("", "", "the rest"),
)


def _played(seconds: int) -> tuple[list[tuple[float, AuditEvent]], list[Record]]:
    """What a stream with scenarios says, each event with its second, and the records of its episodes."""
    stream = Timeline(
        "a", parse_spec(_STAGED), Progress(), cap=Fraction(1_000), entropy=Random(8).randbytes, now=Reading(0, START)
    )
    said: list[tuple[float, AuditEvent]] = []
    now = Reading(0, START)
    stream.begin(now)
    while now.ns < seconds * NS:
        stream.advance(now)
        for event in (*stream.act(1_000, 0, now, ready=True), *stream.take(1_000, 0, now)):
            said.append((now.ns / NS, event))
            if event.mark is not None:
                stream.episodes.settle(event.mark, published=True)
        wait_ns = stream.wait_ns(now) or NS
        now = Reading(now.ns + wait_ns, now.unix_ns + wait_ns)
    return said, stream.episodes.playbook.records


def attack() -> Iterator[str]:
    """Seven minutes of a stream in which somebody guesses a password, and somebody else mistypes one."""
    seconds, left, top, row_high = 420, 225, 44, 22
    said, records = _played(seconds)
    wide = WIDTH - left - 20
    yield text(
        12,
        22,
        "Seven minutes: users who behave (dots), an attack and a mistyped password (crosses fail, rings succeed)",
    )
    names = [*(name for _, _, name in _ROWS), "BruteForce", "MistypedPassword"]
    for row, name in enumerate(names):
        y = top + row * row_high + 11
        yield line(left, y, left + wide, y)
        yield text(left - 8, y + 4, name, "end")
    for second, event in said:
        x = left + second / seconds * wide
        if event.mark is not None:
            y = top + (len(_ROWS) + (event.mark.scenario == "typo")) * row_high + 11
            colour = FAILED if event.mark.scenario == "guess" else ACCENT
            if event.action_result == "FAILURE":
                yield f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" stroke="{colour}" stroke-width="2"/>'
            else:
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#fff" stroke="{colour}" stroke-width="2"/>'
            continue
        row = next(
            index
            for index, (kind, result, _) in enumerate(_ROWS)
            if kind in ("", event.event_type) and result in ("", event.action_result)
        )
        yield f'<circle cx="{x:.1f}" cy="{top + row * row_high + 11:.1f}" r="2.2"/>'
    bottom = top + len(names) * row_high + 16
    for minute in range(seconds // 60 + 1):
        yield text(left + minute * 60 / seconds * wide, bottom, f"{minute} min", "middle")
    for index, record in enumerate(records):
        alerts = " and ".join(f"{each.times} {each.rule}" for each in record.expected()) or "none"
        yield text(12, bottom + 24 + index * 18, f"Expected alerts of {record.type}: {alerts}")


def pictures() -> dict[str, str]:
    """File name and content of each."""
    timeline = list(sessions())
    rows = sum(" on " in part and 'text-anchor="end"' in part for part in timeline)
    return {
        "week.svg": picture("The rate over a week", 250, week()),
        "attack.svg": picture("An attack in a stream of users who behave", 252, attack()),
        "sessions.svg": picture("Sessions over half an hour", 44 + rows * 17 + 26, iter(timeline)),
    }


if __name__ == "__main__":
    for name, content in pictures().items():
        (Path(__file__).parent / name).write_text(content, encoding="utf-8")
