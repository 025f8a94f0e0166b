"""Log lines: one per record, plain or JSON, on stderr; in plain form the lines of a traceback follow, indented.

Control characters are escaped, in messages and in tracebacks, so that no name, broker text or event field can forge
a line. A warning that repeats too often is left out. Knows nothing of what is logged.
"""

import logging
import sys
import time
import unicodedata
from collections.abc import Callable
from typing import Any, Final, Literal, TextIO

_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
"""Control and format characters (bidirectional marks among them), line separators, half surrogates."""

_MOST_REMEMBERED: Final = 1_000

_QUIET: Final = ("aiohttp.access", "asyncio", "kopf", "kubernetes", "urllib3", "aiohttp")


def visible(text: str) -> str:
    """The text with every character that could break or reorder a line written as an escape."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _HIDDEN_CATEGORIES else char
        for char in text
    )


class _Visible(logging.Filter):
    """Escapes the message of each record before any formatter sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = visible(record.getMessage()), ()
        return True


class Repeats(logging.Filter):
    """Lets the first `most` records of one warning or error through in each minute, and then says how many it left out.

    What is one: the same logger, level and unformatted message, with or without a traceback. `now`: seconds of a steady clock.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, *, most: int = 100, seconds: float = 60) -> None:
        super().__init__()
        self._now = now
        self._most = most
        self._seconds = seconds
        self._seen: dict[tuple[str, int, str, bool], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this one is logged."""
        if not logging.WARNING <= record.levelno < logging.CRITICAL:
            return True
        now, key = self._now(), (record.name, record.levelno, str(record.msg), bool(record.exc_info))
        began, count = self._seen.get(key, (now, 0))
        most = self._most // 5 if record.exc_info else self._most
        if now - began >= self._seconds:
            if count > most:
                record.msg = f"{record.getMessage()} ({count - most} more like this were left out)"
                record.args = ()
            began, count = now, 0
        self._forget_old(now)
        self._seen[key] = began, count + 1
        return count < most

    def _forget_old(self, now: float) -> None:
        if len(self._seen) >= _MOST_REMEMBERED:
            self._seen = {key: seen for key, seen in self._seen.items() if now - seen[0] < self._seconds}
        if len(self._seen) >= _MOST_REMEMBERED:  # messages that are not templates: count them anew
            self._seen.clear()


class _Plain(logging.Formatter):
    """A line, and tracebacks indented below it: an exception's own text may hold anything."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return "\n".join(f"    {visible(line)}" for line in super().formatException(ei).splitlines())

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return "\n".join(f"    {visible(line)}" for line in stack_info.splitlines())


def configure_logging(form: Literal["plain", "json"], level: str, stream: TextIO | None = None) -> None:
    """Send all log lines to `stream` (stderr) in the given form.

    Third-party chatter below WARNING is left out unless the level is DEBUG; an event body or a secret is never logged.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(Repeats())
    handler.addFilter(_Visible())
    handler.setFormatter(_formatter(form))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    if level != "DEBUG":
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)
        # pika logs each failed attempt several times over, with tracebacks; the link logs it once.
        logging.getLogger("pika").setLevel(logging.CRITICAL)


def _formatter(form: Literal["plain", "json"]) -> logging.Formatter:
    if form == "plain":
        return _Plain("%(asctime)s %(levelname)-7s %(message)s")
    from pythonjsonlogger.json import JsonFormatter

    return JsonFormatter(
        "%(levelname)s %(name)s %(message)s", timestamp=True, rename_fields={"levelname": "severity", "name": "logger"}
    )
