"""Who may post events, as Kubernetes sees it."""

import asyncio

import pytest

from audit_event_operator.cluster.access import KubernetesAuthorizer
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
