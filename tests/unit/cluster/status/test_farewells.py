"""What a resource says that is being deleted and cannot go."""

import asyncio
from datetime import UTC, datetime

import pytest

from audit_event_operator.cluster.status.farewells import Farewells, farewell
from audit_event_operator.engine.snapshot import Ref
from support.doubles.kubernetes import make_resource

pytestmark = pytest.mark.looptime
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COMPLETE = {"type": "Complete", "status": "True", "reason": "DurationElapsed"}
PUBLISHING = {
    "conditions": [
        {"type": "Ready", "status": "True", "reason": "Publishing", "message": "All is well."},
        {"type": "RateLimited", "status": "True", "reason": "RateLimited"},
        {"type": "GroundTruthUndelivered", "status": "True", "reason": "GroundTruthUndelivered"},
        COMPLETE,
    ],
    "eventsPublished": 7,
    "targetRate": "5/s",
    "scenarios": [{"name": "brute", "episodes": 3, "open": "an-episode"}],
}


def leaving(finalizers=("example.com/hold",), status=PUBLISHING):
    resource = make_resource("demo", deleting=True)
    resource["metadata"]["finalizers"] = list(finalizers)
    return resource | {"status": status}


def test_it_says_that_nothing_is_published_and_who_keeps_it_and_keeps_the_rest():
    told = farewell(leaving(), NOW)
    ready, reconciling, *others = told["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", "Terminating")
    assert (reconciling["type"], reconciling["status"]) == ("Reconciling", "True")
    assert "example.com/hold" in ready["message"]
    assert others == [COMPLETE]
    assert (told["eventsPublished"], told["targetRate"], told["observedRate"]) == (7, "0/s", "0/s")
    assert told["scenarios"] == [{"name": "brute", "episodes": 3}]


@pytest.mark.parametrize(
    "resource",
    [leaving(finalizers=()), leaving(finalizers=["foregroundDeletion"]), leaving(status=None), leaving(status={})],
)
def test_there_is_nothing_to_say_of_what_goes_by_itself_or_never_said_anything(resource):
    assert farewell(resource, NOW) is None


def test_it_is_said_once():
    assert farewell(leaving(status=farewell(leaving(), NOW)), NOW) is None


async def test_it_is_written_by_who_works(cluster):
    cluster.add(leaving())
    farewells = Farewells(cluster, lambda: NOW)
    farewells.leaving(Ref("default", "demo"), "uid-demo", leaving())
    farewells.leaving(Ref("default", "gone"), "uid-gone", leaving())
    assert cluster.statuses == []
    task = asyncio.create_task(farewells.run())
    await asyncio.sleep(1)
    task.cancel()
    (written,) = cluster.statuses
    assert written[2]["conditions"][0]["reason"] == "Terminating"
