"""Whatever somebody else chose is in a log line, it stays one line, and says what it says."""

import io
import json
import logging
import re
import unicodedata

from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit_event_operator.logs import Repeats, configure_logging

FORGED = "2026-01-01 00:00:00,000 ERROR   forged"
NASTY = st.sampled_from(
    ["\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\u2029", "\x00", "\x1b[2J", "\u202e", "\u2066", "\u200b",
     "\ufeff", "\ud800", "\U0001f600", '"', "'", "\\", "%s", "%(x)s", "{}", FORGED]
)  # fmt: skip
TEXTS = st.lists(NASTY | st.text(st.characters(), max_size=6), max_size=6).map("".join)
START = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (WARNING|ERROR  ) ")
logger = logging.getLogger("audit_event_operator.test")


def harmless(line):
    """No control character, mark of direction, half surrogate or separator of lines is in it."""
    return not {unicodedata.category(char) for char in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def written(form, text, *, failing=False):
    stream = io.StringIO()
    configure_logging(form, "INFO", stream)
    try:
        raise ValueError(text)
    except ValueError:
        logger.warning("Queue %s of %r.", text, text, exc_info=failing)
    logger.error("the next one")
    return stream.getvalue()


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
@example(text=f"a\n{FORGED}")
def test_a_plain_record_is_one_line(text):
    said = written("plain", text)
    said.encode()
    lines = said.splitlines()
    assert len(lines) == 2
    assert all(START.match(line) and harmless(line) for line in lines)


@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
@example(text=f"a\n{FORGED}")
def test_a_traceback_cannot_pass_for_a_record(text):
    first, *trace, last = written("plain", text, failing=True).splitlines()
    assert START.match(first)
    assert START.match(last)
    assert "Traceback" in trace[0]
    assert all(line.startswith("    ") and harmless(line) for line in trace)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, failing=st.booleans())
@example(text='"}\n{"severity": "ERROR", "message": "forged"}', failing=True)
def test_a_json_record_is_one_line_of_json(text, failing):
    lines = written("json", text, failing=failing).splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["severity"] for record in records] == ["WARNING", "ERROR"]
    assert all(line.isprintable() and line.isascii() for line in lines)
    assert ("exc_info" in records[0]) == failing


def test_an_error_that_repeats_is_left_out_after_a_hundred_a_minute_and_the_rest_is_counted():
    now = [0.0]
    repeats = Repeats(lambda: now[0])

    def passes(text="No more files: %s", level=logging.ERROR, **more):
        record = logging.makeLogRecord({"name": "asyncio", "levelno": level, "msg": text, "args": ("x",), **more})
        return record.getMessage() if repeats.filter(record) else None

    assert sum(passes() is not None for _ in range(5_000)) == 100
    assert passes("Another error: %s") == "Another error: x"
    assert sum(passes(exc_info=(OSError, OSError(), None)) is not None for _ in range(100)) == 20
    assert all(passes("A line: %s", logging.INFO) for _ in range(500))
    now[0] = 61.0
    assert passes() == "No more files: x (4900 more like this were left out)"
    assert passes() == "No more files: x"


def test_what_is_remembered_of_errors_is_bounded():
    repeats = Repeats(lambda: 0.0)
    for number in range(10_000):
        repeats.filter(logging.makeLogRecord({"name": "a", "levelno": logging.ERROR, "msg": f"error {number}"}))
    assert len(repeats._seen) <= 1_000
