"""Who may read what: metrics and pages each have readers of their own, probes are for everybody."""

import pytest

from audit_event_operator.resource.access import Decision

PAGES = ("/", "/generators", "/generators?fields=name", "/generators/team-a/logins", "/healthz?verbose=1")
PROBES = ("/livez", "/readyz", "/healthz")
REFUSED = [(Decision.UNAUTHENTICATED, 401), (Decision.FORBIDDEN, 403), (Decision.UNAVAILABLE, 503)]
BEARER = {"Authorization": "Bearer abc"}


@pytest.fixture
def backend(backend, a_snapshot):
    backend.fleet.live = [a_snapshot("team-a", "logins")]
    return backend


@pytest.mark.parametrize(("decision", "status"), REFUSED)
async def test_who_may_not_see_pages_sees_none_of_them(client, backend, decision, status):
    backend.page_readers.decision = decision
    for path in PAGES:
        answer = await client.get(path, headers=BEARER)
        assert (answer.status, answer.content_type) == (status, "application/json")
        assert "logins" not in (await answer.text()).replace("/generators/team-a/logins", "")
    for path in (*PROBES, "/metrics"):
        assert (await client.get(path)).status == 200
    assert {token for token, _ in backend.page_readers.asked} == {"abc"}
    paths = [path for _, path in backend.page_readers.asked]
    assert paths == ["/", "/generators", "/generators", "/generators/team-a/logins", "/generators"]


@pytest.mark.parametrize(("decision", "status"), REFUSED)
async def test_metrics_have_readers_of_their_own_on_both_ports(client, metrics_client, backend, decision, status):
    backend.metrics_readers.decision = decision
    for each in (client, metrics_client):
        assert (await each.get("/metrics")).status == status
    for path in (*PROBES, *PAGES):
        assert (await client.get(path)).status == 200


async def test_a_refusal_says_what_is_missing(ask, backend):
    backend.page_readers.decision = Decision.UNAUTHENTICATED
    said = {"error": "Reading /generators needs a valid token; send Authorization: Bearer <token>."}
    assert await ask("/generators") == (401, said)
    backend.page_readers.decision = Decision.FORBIDDEN
    said = {"error": "Reading /generators needs permission to get this nonResourceURL; a ClusterRole grants it."}
    assert await ask("/generators") == (403, said)


async def test_who_is_not_known_is_told_how_to_be(client, backend):
    backend.metrics_readers.decision = Decision.UNAUTHENTICATED
    assert (await client.get("/metrics")).headers["WWW-Authenticate"].startswith("Bearer ")
    backend.metrics_readers.decision = Decision.UNAVAILABLE
    assert (await client.get("/metrics")).headers["Retry-After"] == "5"
