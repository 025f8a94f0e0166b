"""What a changed spec means."""

import pytest

from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.timeline.change import Change, change_between


def change(before, after, **circumstances):
    return change_between(None if before is None else parse_spec(before), parse_spec(after), **circumstances)


@pytest.mark.parametrize(
    ("before", "after", "circumstances", "expected"),
    [
        (None, {}, {}, Change.FIRST),
        (None, {"suspend": True}, {"moved": True}, Change.FIRST),
        ({}, {}, {}, Change.RETIMED),
        ({}, {"interval": "1s"}, {}, Change.RETIMED),
        ({}, {"suspend": True}, {}, Change.RETIMED),
        ({"suspend": True}, {}, {}, Change.RESUMED),
        ({"suspend": True}, {"suspend": True}, {}, Change.RETIMED),
        ({}, {}, {"was_invalid": True}, Change.RESUMED),
        ({}, {"queue": "other"}, {"moved": True}, Change.MOVED),
        ({"suspend": True}, {"queue": "other"}, {"moved": True}, Change.RESUMED),
        ({}, {"runId": "again"}, {}, Change.NEW_RUN),
        ({"suspend": True}, {"runId": "again", "queue": "other"}, {"moved": True}, Change.NEW_RUN),
    ],
)
def test_the_change_that_does_most_wins(before, after, circumstances, expected):
    assert change(before, after, **circumstances) is expected


def test_only_a_change_in_place_keeps_ready():
    assert [each for each in Change if not each.resets_ready] == [Change.RETIMED]
