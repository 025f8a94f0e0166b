"""The wall clock is set forward and back: streams keep their rhythm, for only the bodies of events look at it."""

import asyncio
import dataclasses

import pytest

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress

REF = Ref("team", "stream")
pytestmark = [pytest.mark.looptime, pytest.mark.row(43)]


@pytest.mark.parametrize("step_seconds", [3600, -3600])
async def test_a_step_of_the_wall_clock_makes_neither_a_burst_nor_a_pause(context, step_seconds):
    step = [0]
    fleet = Fleet(dataclasses.replace(context, wall_ns=lambda: context.wall_ns() + step[0] * 10**9))
    fleet.start()
    fleet.apply(REF, "u1", 1, parse_spec({"interval": "1s"}), Progress(), preexisting=False)
    await asyncio.sleep(10.1)
    before = fleet.find(REF)
    step[0] = step_seconds
    await asyncio.sleep(10)
    after = fleet.find(REF)
    assert after.counts.published - before.counts.published == 10
    assert after.counts.skipped == before.counts.skipped == 0
    moved = (after.facts.progress.last_publish_time - before.facts.progress.last_publish_time).total_seconds()
    assert moved == pytest.approx(step_seconds + 10, abs=1), "what is told follows the clock"
    await fleet.shutdown(0)
