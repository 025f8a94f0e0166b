"""Every format in a real queue: changed by a patch while the stream flows, judged there, and the same for what is posted."""

from collections.abc import Iterator

import pytest

from audit_event_operator.events.layouts.chosen import layout_of
from audit_event_operator.resource.formats import Format
from support.formats.streams import JUDGES
from support.parts.operator_process import OperatorProcess
from support.waiting import wait_until


@pytest.fixture(scope="module")
def operator(run_operator) -> Iterator[OperatorProcess]:
    with run_operator(AEG_STATUS_COUNTER_SECONDS="1") as running:
        yield running


def faults(arrival, chosen: Format) -> list[str]:
    """What is wrong with a message that should have this format."""
    message, content_type = arrival.message, layout_of(chosen, "").content_type
    found = JUDGES[chosen](message.body) if chosen in JUDGES else []
    if message.properties.content_type != content_type:
        found.append(f"content type {message.properties.content_type} in place of {content_type}")
    if not message.properties.message_id or not message.properties.type:
        found.append("no message_id or no type")
    return found


def test_a_patch_changes_the_format_of_the_running_stream(generators, operator, consumer, queue, namespace) -> None:
    generators.create("stream", queue=queue, interval="20ms", activity="Sessions")
    generators.wait_for("stream", "Publishing")
    transition = generators.condition("stream")["lastTransitionTime"]
    for chosen in [*[*Format][1:], Format.JSON]:
        content_type = layout_of(chosen, "").content_type
        before = len(consumer.arrivals)
        generation = generators.patch("stream", format=chosen.value)["metadata"]["generation"]
        wait_until(
            lambda wanted=generation: generators.status("stream")["observedGeneration"] == wanted, what="the patch"
        )
        in_effect = len(consumer.arrivals)
        consumer.wait_for(in_effect + 60)
        assert in_effect - before < 500
        after = consumer.arrivals[in_effect + 10 : in_effect + 60]
        assert {arrival.message.properties.content_type for arrival in after} == {content_type}
        assert [fault for arrival in after for fault in faults(arrival, chosen)] == []
    assert generators.condition("stream")["lastTransitionTime"] == transition, "it stayed Ready"
    ids = [arrival.message.properties.message_id for arrival in consumer.arrivals]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("chosen", [*Format], ids=str)
def test_a_posted_event_is_written_in_the_format_of_its_generator(
    generators, operator, consumer, queue, chosen
) -> None:
    generators.create("silent", queue=queue, eventsPerInterval=0, format=chosen.value)
    generators.wait_for("silent", "Idle")
    posted = operator.post(
        f"/generate_event?generator={generators.namespace}/silent",
        {"event_type": "user_login", "user_id": "attacker_bob", "action_result": "FAILURE"},
    )
    assert posted.status == 202
    (arrival,) = consumer.wait_for(1)
    assert arrival.message.properties.message_id == posted.json()["event_id"]
    assert b"attacker_bob" in arrival.message.body
    assert faults(arrival, chosen) == []
