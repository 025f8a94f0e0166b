"""The live generator and a synthetic clock read the same timeline."""

import asyncio
from fractions import Fraction

import pytest

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress
from audit_event_operator.timeline.play import play
from audit_event_operator.timeline.replay import Replay
from audit_event_operator.timeline.timeline import Timeline
from support.doubles.synthetic_clock import SECOND, START_UNIX_NS, at, no_entropy, said_until
from support.worlds import counted


async def said_live(spec, seconds, brokers, destinations, entropy=no_entropy):
    """On a clock that jumps, over a broker that takes everything at once."""
    loop = asyncio.get_running_loop()
    began = []

    def wall_ns():
        return START_UNIX_NS + round((loop.time() - began[0]) * 1e6) * 1_000

    fleet = Fleet(EngineContext(brokers, destinations, wall_ns=wall_ns, entropy=entropy))
    fleet.start()
    began.append(loop.time())
    fleet.apply(Ref("team", "stream"), "uid", 1, spec, Progress())
    await asyncio.sleep(seconds)
    await fleet.shutdown(0)
    return brokers.queues["audit_events"]


@pytest.mark.looptime
async def test_the_live_generator_says_the_same_events_at_the_same_moments(brokers, destinations):
    spec = parse_spec({"interval": "250ms", "eventsPerInterval": 3, "maxEvents": 200, "randomSeed": 7})
    live = await said_live(spec, 30, brokers, destinations)
    alone = Timeline("uid", spec, Progress(), cap=Fraction(5_000), entropy=no_entropy, now=at(0))
    assert live == [event for _, event in said_until(30, alone)]
    assert len(live) == 200


@pytest.mark.looptime
@pytest.mark.parametrize(
    "spec",
    [
        {"interval": "300ms", "eventsPerInterval": 2},
        {"interval": "1s", "traffic": {"arrival": "Poisson"}},
        {
            "interval": "1s",
            "traffic": {"jitterPercent": 80, "bursts": [{"every": "1m", "duration": "10s", "multiplierPercent": 300}]},
        },
        {"interval": "1s", "format": "CloudEvents"},
        {"interval": "1s", "format": "OCSF", "activity": "Sessions"},
        {"interval": "2s", "traffic": {"stages": [{"duration": "10m", "targetPercent": 400}]}},
        {
            "interval": "1s",
            "activity": "Sessions",
            "scenarios": [
                {"name": "guess", "type": "BruteForce", "every": "4m"},
                {"name": "typo", "type": "MistypedPassword", "every": "3m", "startAfter": "10s"},
            ],
        },
    ],
    ids=["Independent", "Poisson", "jitter in bursts", "CloudEvents", "OCSF", "stages", "Sessions"],
)
async def test_what_is_written_into_a_file_is_what_flows_live_ids_aside(spec, brokers, destinations):
    parsed = parse_spec({"randomSeed": 7, **spec})
    live = await said_live(parsed, 900, brokers, destinations, counted())
    replay = Replay("team/stream", "uid", parsed, start_ns=START_UNIX_NS)
    end_ns = START_UNIX_NS + 899 * SECOND
    written = [event for events in play([replay], from_ns=START_UNIX_NS, to_ns=end_ns) for event in events]
    assert len(written) > 500
    assert [without_id(event) for event in live[: len(written)]] == [without_id(event) for event in written]


def without_id(event):
    return event.body.replace(event.event_id.encode(), b"")
