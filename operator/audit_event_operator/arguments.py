"""What people write on the command line, as values: durations, moments, sizes. Knows click, and no command in particular."""

import re
from datetime import UTC, datetime
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII | re.IGNORECASE
)
_SIZE: Final = re.compile(r"(\d+)\s*([kMG]?)i?B?", re.ASCII | re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_NS: Final = 1_000_000_000


class Duration(click.ParamType[float]):
    """A duration such as 5s or 1m30s, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse it, or fail with a sentence."""
        return nanoseconds(self, value, param, ctx) / 1e9


class ExactDuration(click.ParamType[int]):
    """A duration such as 5s or 1m30s, in nanoseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse it, or fail with a sentence."""
        return nanoseconds(self, value, param, ctx)


def nanoseconds(
    kind: click.ParamType[Any], value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> int:
    """A duration longer than 0 in nanoseconds; else `kind` fails with a sentence."""
    from audit_event_operator.resource.durations import parse_duration

    try:
        whole = parse_duration(str(value))
    except ValueError as error:
        kind.fail(str(error), param, ctx)
    if whole <= 0:
        kind.fail(f"{value!r} must be longer than 0", param, ctx)
    return whole


class Moment(click.ParamType[int]):
    """A time of RFC 3339 or a date, in nanoseconds since 1970; without a zone it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse it, or fail with a sentence."""
        if isinstance(value, int):
            return value
        from audit_event_operator.timeline.reading import unix_ns_of

        says = (
            f'{value!r} is no time; write a date or a time of RFC 3339, such as "2026-01-31" or "2026-01-31T08:30:00Z"'
        )
        if not _MOMENT.fullmatch(value):
            self.fail(says, param, ctx)
        try:
            moment = datetime.fromisoformat(value.upper())
        except ValueError:
            self.fail(says, param, ctx)
        unix_ns = unix_ns_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        if unix_ns < 0:
            self.fail(f"{value!r} is before 1970", param, ctx)
        return unix_ns


class Split(click.ParamType["str | int"]):
    """`host`, `hour`, or a size such as 100MB, in bytes."""

    name = "split"
    words = ("host", "hour")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | int:
        """Parse it, or fail with a sentence."""
        if isinstance(value, int):
            return value
        text = str(value)
        if text in self.words:
            return text
        size = _SIZE.fullmatch(text)
        if size is None or not int(size[1]):
            self.fail(f"{value!r} is neither host nor hour nor a size such as 100MB", param, ctx)
        return int(size[1]) * _UNITS[size[2].lower()]

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words."""
        return [CompletionItem(word) for word in self.words if word.startswith(incomplete)]
