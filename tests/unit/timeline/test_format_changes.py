"""Another format in the middle of a stream: the same things go on happening, only written otherwise."""

import json

import pytest

from audit_event_operator.resource.formats import Format
from support.episodes import Stage

ATTACK = {"name": "attack", "type": "BruteForce", "startAfter": "5s", "attempts": {"min": 12, "max": 12}}


def without_words(events):
    return [event._replace(body=b"", content_type="") for event in events]


@pytest.mark.parametrize("activity", ["Sessions", "Independent"])
@pytest.mark.parametrize("chosen", [each for each in Format if each is not Format.JSON])
def test_a_patch_of_the_format_changes_nothing_but_the_words(activity, chosen):
    spec = {"activity": activity, "interval": "500ms", "scenarios": [ATTACK]}
    once, patched = Stage(**spec).until(10), Stage(**spec).until(10)
    before = len(patched.told.events)
    once.until(60)
    patched.patch(format=chosen.value)
    patched.until(60)
    assert without_words(patched.told.events) == without_words(once.told.events)
    assert patched.told.events[:before] == once.told.events[:before]
    content_types = {event.content_type for event in patched.told.events[before:]}
    assert len(content_types) == 1
    assert any(event.mark is not None for event in patched.told.events[before:]), "an episode is under way"
    assert all(
        new.body != old.body for new, old in zip(patched.told.events[before:], once.told.events[before:], strict=True)
    )
    patched.patch(format="Json")
    once.until(80)
    patched.until(80)
    assert patched.told.events[-10:] == once.told.events[-10:]


def test_cloud_events_say_whose_stream_they_are():
    stage = Stage(format="CloudEvents", interval="1s", source="/namespaces/team-a/auditeventgenerators/logins").until(5)
    sources = {json.loads(event.body)["source"] for event in stage.told.events}
    assert sources == {"/namespaces/team-a/auditeventgenerators/logins"}
