from audit_event_operator.resource.advice import Advice, AdviceReason
from audit_event_operator.resource.conditions import Reason


async def test_generators_are_listed_in_order(client, backend, a_snapshot, a_default_stream):
    backend.fleet.live = [a_snapshot("b", "z"), a_snapshot("b", "a"), a_snapshot("a", "m")]
    backend.fleet.default_stream_row = a_default_stream()
    rows = (await (await client.get("/generators")).json())["generators"]
    assert [(row["namespace"], row["name"]) for row in rows] == [("a", "m"), ("b", "a"), ("b", "z")]


async def test_one_generator_shows_its_live_state(client, backend, a_snapshot):
    backend.fleet.live = [a_snapshot(reason=Reason.SECRET_NOT_FOUND)]
    answer = await client.get("/generators/team-a/logins")
    assert answer.status == 200
    row = await answer.json()
    assert row["ready"] == "False"
    assert row["reason"] == "SecretNotFound"
    assert row["message"] == "A sentence."
    assert row["target_events_per_second"] == 0.2
    assert row["last_publish_time"] == "2026-01-02T03:04:05+00:00"
    assert row["events_generated"] == sum(
        row[f"events_{each}"] for each in ("published", "dropped", "buffered", "in_flight")
    )


async def test_a_warning_about_the_spec_is_told(client, backend, a_snapshot):
    blanks = Advice(AdviceReason.BLANKS_IN_NAME, "spec.queue", "queue ends with a blank.")
    backend.fleet.live = [a_snapshot(advice=(blanks,))]
    assert (await (await client.get("/generators/team-a/logins")).json())["warnings"] == ["queue ends with a blank."]


async def test_an_unknown_generator_is_not_found(client):
    answer = await client.get("/generators/team-a/nobody")
    assert answer.status == 404
    assert "no such generator" in (await answer.json())["error"]
