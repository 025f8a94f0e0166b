import pytest

from audit_event_operator.resource.conditions import Reason


async def test_livez_is_ok_whatever_the_broker_does(client, backend, a_snapshot, a_default_stream):
    backend.fleet.live = [a_snapshot(connected=False, reason=Reason.BROKER_UNREACHABLE)]
    backend.fleet.default_stream_row = a_default_stream(connected=False)
    answer = await client.get("/livez")
    assert answer.status == 200
    assert await answer.json() == {"status": "ok"}


async def test_livez_names_what_is_dead(client, backend):
    backend.not_live = ["the event loop has not moved for 12 s", "the supervisor has ended"]
    answer = await client.get("/livez")
    assert answer.status == 503
    assert await answer.json() == {"error": "The event loop has not moved for 12 s; the supervisor has ended."}


async def test_readyz_names_what_is_missing(client, backend):
    assert (await client.get("/readyz")).status == 200
    backend.not_ready = ["The CRD is not served yet."]
    answer = await client.get("/readyz")
    assert answer.status == 503
    assert await answer.json() == {"error": "The CRD is not served yet."}


async def test_healthz_is_exactly_the_promised_object(client, backend, a_snapshot):
    backend.fleet.live = [
        a_snapshot(name="one"),
        a_snapshot(name="two"),
        a_snapshot(name="three", reason=Reason.SUSPENDED, connected=False),
    ]
    answer = await client.get("/healthz")
    assert answer.status == 200
    assert await answer.json() == {
        "status": "healthy",
        "rabbitmq_connected": True,
        "generators": {"total": 3, "active": 2, "connected": 2, "suspended": 1, "failing": 0},
    }


async def test_healthz_is_unhealthy_when_the_default_target_is_down(client, backend, a_default_stream):
    backend.fleet.default_stream_row = a_default_stream(connected=False)
    answer = await client.get("/healthz")
    assert answer.status == 503
    assert await answer.json() == {
        "status": "unhealthy",
        "rabbitmq_connected": False,
        "generators": {"total": 0, "active": 0, "connected": 0, "suspended": 0, "failing": 0},
    }


async def test_healthz_without_default_target_needs_one_connected_among_the_active(client, backend, a_snapshot):
    backend.fleet.live = [a_snapshot(name="one", connected=False), a_snapshot(name="two", connected=True)]
    assert (await client.get("/healthz")).status == 200
    backend.fleet.live = [a_snapshot(connected=False)]
    assert (await client.get("/healthz")).status == 503


async def test_healthz_counts_stalled_ones_as_failing_only(client, backend, a_snapshot):
    backend.fleet.live = [a_snapshot(reason=Reason.SECRET_NOT_FOUND, connected=False)]
    answer = await client.get("/healthz")
    assert answer.status == 200
    assert (await answer.json())["generators"] == {
        "total": 1,
        "active": 0,
        "connected": 0,
        "suspended": 0,
        "failing": 1,
    }


async def test_healthz_with_nothing_at_all_is_healthy(client):
    assert (await client.get("/healthz")).status == 200


async def test_healthz_of_a_standby_is_healthy_and_says_so(client, backend, a_default_stream):
    backend.leader, backend.fleet.running, backend.fleet.default_stream_row = (
        False,
        False,
        a_default_stream(connected=False),
    )
    answer = await client.get("/healthz")
    assert answer.status == 200
    assert (await answer.json())["leader"] is False


@pytest.mark.parametrize("flag", ["1", "true"])
async def test_verbose_healthz_adds_rows_without_messages(client, backend, a_snapshot, flag):
    backend.fleet.live = [a_snapshot()]
    rows = (await (await client.get(f"/healthz?verbose={flag}")).json())["rows"]
    assert rows == [
        {"namespace": "team-a", "name": "logins", "state": "active", "reason": "Publishing", "connected": True}
    ]
