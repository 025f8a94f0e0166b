"""The live generator and a synthetic clock read the same timeline."""

import asyncio
from fractions import Fraction

import pytest

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress
from audit_event_operator.timeline.timeline import Timeline
from support.doubles.synthetic_clock import START_UNIX_NS, at, no_entropy, said_until


@pytest.mark.looptime
async def test_the_live_generator_says_the_same_events_at_the_same_moments(brokers, destinations):
    """On a clock that jumps, over a broker that takes everything at once."""
    spec = parse_spec({"interval": "250ms", "eventsPerInterval": 3, "maxEvents": 200, "randomSeed": 7})
    loop = asyncio.get_running_loop()
    began = []

    def wall_ns():
        return START_UNIX_NS + round((loop.time() - began[0]) * 1e6) * 1_000

    fleet = Fleet(EngineContext(brokers, destinations, wall_ns=wall_ns, entropy=no_entropy))
    fleet.start()
    began.append(loop.time())
    fleet.apply(Ref("team", "stream"), "uid", 1, spec, Progress())
    await asyncio.sleep(30)
    await fleet.shutdown(0)
    alone = Timeline("uid", spec, Progress(), cap=Fraction(5_000), entropy=no_entropy, now=at(0))
    live = brokers.queues["audit_events"]
    assert live == [event for _, event in said_until(30, alone)]
    assert len(live) == 200
