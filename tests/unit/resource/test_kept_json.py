"""JSON text that is kept takes its own size."""

import sys
import tracemalloc

import orjson
import pytest

from audit_event_operator.resource.kept_json import kept_json

STATUS = {"conditions": [{"type": "Ready", "message": "x" * 300}]}


def test_a_text_takes_little_more_than_its_length():
    tracemalloc.start()
    try:
        kept = [kept_json(STATUS) for _ in range(100)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1.2 * sum(map(sys.getsizeof, kept)) + 4096


def test_it_is_the_same_text():
    assert kept_json(STATUS) == orjson.dumps(STATUS)
    assert kept_json({"b": 1, "a": 2}, orjson.OPT_SORT_KEYS) == b'{"a":2,"b":1}'


def test_what_has_no_text_is_refused():
    with pytest.raises(TypeError):
        kept_json({"a": object()})
