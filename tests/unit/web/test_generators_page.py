from audit_event_operator.resource.advice import Advice, AdviceReason
from audit_event_operator.resource.conditions import Reason


async def test_generators_are_listed_in_order(ask, backend, a_snapshot, a_default_stream):
    backend.fleet.live = [a_snapshot("b", "z"), a_snapshot("b", "a"), a_snapshot("a", "m")]
    backend.fleet.default_stream_row = a_default_stream()
    _, listed = await ask("/generators")
    assert [(row["namespace"], row["name"]) for row in listed["generators"]] == [("a", "m"), ("b", "a"), ("b", "z")]


async def test_one_generator_shows_its_live_state(ask, backend, a_snapshot):
    backend.fleet.live = [a_snapshot(reason=Reason.SECRET_NOT_FOUND)]
    status, row = await ask("/generators/team-a/logins")
    assert status == 200
    assert (row["ready"], row["reason"], row["message"]) == ("False", "SecretNotFound", "A sentence.")
    assert row["target_events_per_second"] == 0.2
    assert row["last_publish_time"] == "2026-01-02T03:04:05+00:00"
    ends = ("events_published", "events_dropped", "events_buffered", "events_in_flight")
    assert row["events_generated"] == sum(row[end] for end in ends)


async def test_a_warning_about_the_spec_is_told(ask, backend, a_snapshot):
    blanks = Advice(AdviceReason.BLANKS_IN_NAME, "spec.queue", "queue ends with a blank.")
    backend.fleet.live = [a_snapshot(advice=(blanks,))]
    assert (await ask("/generators/team-a/logins"))[1]["warnings"] == ["queue ends with a blank."]


async def test_an_unknown_generator_is_not_found(ask):
    status, answer = await ask("/generators/team-a/nobody")
    assert status == 404
    assert "no such generator" in answer["error"]
