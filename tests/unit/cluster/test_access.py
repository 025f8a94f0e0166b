"""Who may post events and who may read, as Kubernetes sees it."""

import asyncio

import pytest

from audit_event_operator.cluster.access import (
    OUTAGE_SECONDS,
    REMEMBERED_LIMIT,
    KubernetesAuthorizer,
    KubernetesReaders,
)
from audit_event_operator.cluster.api.errors import Forbidden, Unreachable
from audit_event_operator.resource.access import Decision

pytestmark = pytest.mark.looptime


@pytest.fixture
def cluster(cluster):
    cluster.tokens["good"] = {"username": "alice", "uid": "1", "groups": ["g"]}
    cluster.allowed = {("alice", "team"), ("alice", "ops")}
    return cluster


@pytest.fixture
def authorizer(cluster):
    return KubernetesAuthorizer(cluster, "ops")


@pytest.mark.parametrize(
    ("token", "namespace", "decision"),
    [
        ("good", "team", Decision.ALLOWED),
        ("good", None, Decision.ALLOWED),
        ("good", "other", Decision.FORBIDDEN),
        ("bad", "team", Decision.UNAUTHENTICATED),
        ("", "team", Decision.UNAUTHENTICATED),
        (None, "team", Decision.UNAUTHENTICATED),
        ("x" * 100_000, "team", Decision.UNAUTHENTICATED),
    ],
)
async def test_the_token_says_who_and_the_role_says_whether(authorizer, token, namespace, decision):
    assert await authorizer.may_post(token, namespace) is decision


@pytest.mark.parametrize("error", [Unreachable("away"), Forbidden("may not create tokenreviews")])
async def test_without_an_answer_nobody_is_let_in_and_nobody_is_accused(cluster, authorizer, error):
    cluster.broken["review_token"] = error
    assert await authorizer.may_post("good", "team") is Decision.UNAVAILABLE
    cluster.broken.clear()
    assert await authorizer.may_post("good", "team") is Decision.ALLOWED


async def test_an_answer_is_remembered_for_ten_seconds_and_no_longer(cluster, authorizer):
    for _ in range(5):
        await authorizer.may_post("good", "team")
    assert cluster.calls.count("review_token") == 1
    cluster.allowed.clear()
    await asyncio.sleep(10.5)
    assert await authorizer.may_post("good", "team") is Decision.FORBIDDEN


async def test_one_namespaces_answer_is_not_anothers(authorizer):
    assert await authorizer.may_post("good", "team") is Decision.ALLOWED
    assert await authorizer.may_post("good", "other") is Decision.FORBIDDEN


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def readers(cluster):
    cluster.allowed.add(("alice", "/metrics"))
    return KubernetesReaders(cluster)


async def test_reading_is_a_right_to_the_path(readers):
    assert await readers.may_read("good", "/metrics") is Decision.ALLOWED
    assert await readers.may_read("good", "/generators") is Decision.FORBIDDEN
    assert await readers.may_read("bad", "/metrics") is Decision.UNAUTHENTICATED
    assert await readers.may_read(None, "/metrics") is Decision.UNAUTHENTICATED


async def test_who_could_read_may_go_on_for_five_minutes_without_an_api_server(cluster, readers):
    assert await readers.may_read("good", "/metrics") is Decision.ALLOWED
    cluster.broken["review_token"] = Unreachable("away")
    began = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < began + OUTAGE_SECONDS - 1:
        assert await readers.may_read("good", "/metrics") is Decision.ALLOWED
        assert await readers.may_read("new", "/metrics") is Decision.UNAVAILABLE
        assert await readers.may_read("good", "/generators") is Decision.UNAVAILABLE
        await asyncio.sleep(7)
    await asyncio.sleep(8)
    assert await readers.may_read("good", "/metrics") is Decision.UNAVAILABLE


async def test_a_right_that_was_taken_away_is_gone_as_soon_as_the_api_server_answers(cluster, readers):
    assert await readers.may_read("good", "/metrics") is Decision.ALLOWED
    cluster.broken["review_token"] = Unreachable("away")
    await asyncio.sleep(30)
    assert await readers.may_read("good", "/metrics") is Decision.ALLOWED
    cluster.broken.clear()
    cluster.allowed.discard(("alice", "/metrics"))
    await asyncio.sleep(10.5)
    assert await readers.may_read("good", "/metrics") is Decision.FORBIDDEN
    cluster.broken["review_token"] = Unreachable("away")
    await asyncio.sleep(10.5)
    assert await readers.may_read("good", "/metrics") is Decision.UNAVAILABLE


async def test_an_api_server_that_says_nothing_is_waited_for_four_seconds(cluster, readers, monkeypatch):
    async def never(_):
        await asyncio.Event().wait()

    monkeypatch.setattr(cluster, "review_token", never)
    began = asyncio.get_running_loop().time()
    assert await readers.may_read("good", "/metrics") is Decision.UNAVAILABLE
    assert asyncio.get_running_loop().time() - began == pytest.approx(4)


async def test_many_wrong_tokens_do_not_push_the_last_good_one_out(cluster, readers):
    for number in range(REMEMBERED_LIMIT):
        await readers.may_read(f"wrong {number}", "/metrics")
    await readers.may_read("good", "/metrics")
    for number in range(REMEMBERED_LIMIT - 1):
        await readers.may_read(f"wrong again {number}", "/metrics")
    cluster.broken["review_token"] = Unreachable("away")
    assert await readers.may_read("good", "/metrics") is Decision.ALLOWED
