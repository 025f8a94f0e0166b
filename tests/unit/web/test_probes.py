import pytest

from audit_event_operator.resource.conditions import Reason


def counts(total=0, active=0, connected=0, suspended=0, failing=0):
    return {"total": total, "active": active, "connected": connected, "suspended": suspended, "failing": failing}


async def test_livez_is_ok_whatever_the_broker_does(ask, backend, a_snapshot, a_default_stream):
    backend.fleet.live = [a_snapshot(connected=False, reason=Reason.BROKER_UNREACHABLE)]
    backend.fleet.default_stream_row = a_default_stream(connected=False)
    assert await ask("/livez") == (200, {"status": "ok"})


async def test_livez_names_what_is_dead(ask, backend):
    backend.not_live = ["the event loop has not moved for 12 s", "the supervisor has ended"]
    said = "The event loop has not moved for 12 s; the supervisor has ended."
    assert await ask("/livez") == (503, {"error": said})


async def test_readyz_names_what_is_missing(ask, backend):
    assert (await ask("/readyz"))[0] == 200
    backend.not_ready = ["The CRD is not served yet."]
    assert await ask("/readyz") == (503, {"error": "The CRD is not served yet."})


async def test_healthz_is_exactly_the_promised_object(ask, backend, a_snapshot):
    suspended = a_snapshot(name="three", reason=Reason.SUSPENDED, connected=False)
    backend.fleet.live = [a_snapshot(name="one"), a_snapshot(name="two"), suspended]
    generators = counts(total=3, active=2, connected=2, suspended=1)
    promised = {"status": "healthy", "rabbitmq_connected": True, "generators": generators}
    assert await ask("/healthz") == (200, promised)


async def test_healthz_is_unhealthy_when_the_default_target_is_down(ask, backend, a_default_stream):
    backend.fleet.default_stream_row = a_default_stream(connected=False)
    unhealthy = {"status": "unhealthy", "rabbitmq_connected": False, "generators": counts()}
    assert await ask("/healthz") == (503, unhealthy)


async def test_healthz_without_default_target_needs_one_connected_among_the_active(ask, backend, a_snapshot):
    backend.fleet.live = [a_snapshot(name="one", connected=False), a_snapshot(name="two", connected=True)]
    assert (await ask("/healthz"))[0] == 200
    backend.fleet.live = [a_snapshot(connected=False)]
    assert (await ask("/healthz"))[0] == 503


async def test_healthz_counts_stalled_ones_as_failing_only(ask, backend, a_snapshot):
    backend.fleet.live = [a_snapshot(reason=Reason.SECRET_NOT_FOUND, connected=False)]
    status, answer = await ask("/healthz")
    assert (status, answer["generators"]) == (200, counts(total=1, failing=1))


async def test_healthz_with_nothing_at_all_is_healthy(ask):
    assert (await ask("/healthz"))[0] == 200


async def test_healthz_of_a_standby_is_healthy_and_says_so(ask, backend, a_default_stream):
    backend.leader = backend.fleet.running = False
    backend.fleet.default_stream_row = a_default_stream(connected=False)
    status, answer = await ask("/healthz")
    assert (status, answer["leader"]) == (200, False)


@pytest.mark.parametrize("flag", ["1", "true"])
async def test_verbose_healthz_adds_what_an_administrator_should_mend(ask, backend, flag):
    backend.warnings = ['Namespace "late" does not exist.']
    status, answer = await ask(f"/healthz?verbose={flag}")
    assert (status, answer["warnings"]) == (200, backend.warnings)
    assert "warnings" not in (await ask("/healthz"))[1]


@pytest.mark.parametrize("flag", ["1", "true"])
async def test_verbose_healthz_adds_rows_without_messages(ask, backend, a_snapshot, flag):
    backend.fleet.live = [a_snapshot()]
    _, answer = await ask(f"/healthz?verbose={flag}")
    row = {"namespace": "team-a", "name": "logins", "state": "active", "reason": "Publishing", "connected": True}
    assert answer["rows"] == [row]
