"""What thousands of generators cost that have nothing to do: memory for each, and no work."""

import asyncio
import gc
import tracemalloc

import pytest

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.generator import Generator
from audit_event_operator.engine.ports import Trouble
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress

pytestmark = pytest.mark.looptime

KIB_MOST = 12
"""Measured with the outlets of this test: 8. With those of RabbitMQ it is 11."""


POISSON = {"traffic": {"arrival": "Poisson"}}
IDLE = {"one tick in ten minutes": {}, "none at all": {"eventsPerInterval": 0}, "suspended": {"suspend": True}}


@pytest.fixture
async def fleet(context):
    made = Fleet(context)  # started inside of the test, where the clock jumps
    yield made
    await made.shutdown(0)


def apply_some(fleet, first, count, **spec):
    fleet.start()
    parsed = parse_spec({"interval": "10m", **spec})
    for number in range(first, first + count):
        fleet.apply(Ref("team", f"stream-{number}"), f"uid-{number}", 1, parsed, Progress())


@pytest.mark.parametrize("spec", IDLE.values(), ids=IDLE)
async def test_an_idle_generator_takes_little_memory(fleet, spec):
    apply_some(fleet, 0, 50, **spec)
    await asyncio.sleep(60)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        apply_some(fleet, 50, 200, **spec)
        await asyncio.sleep(60)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / 200 / 1024 < KIB_MOST


@pytest.fixture
def swept(monkeypatch):
    """The UIDs of those that the fleet has looked at, as often as it did."""
    swept, sweep = [], Generator.sweep
    monkeypatch.setattr(Generator, "sweep", lambda self: swept.append(self.uid) or sweep(self))
    return swept


@pytest.mark.parametrize("spec", [*IDLE.values(), POISSON], ids=[*IDLE, "Poisson"])
async def test_what_the_fleet_does_every_second_does_not_grow_with_idle_generators(fleet, swept, spec):
    apply_some(fleet, 0, 100, **spec)
    await asyncio.sleep(60)
    swept.clear()
    await asyncio.sleep(60)
    assert swept == []


async def test_what_is_in_trouble_is_looked_at_until_it_is_over(fleet, brokers, swept):
    apply_some(fleet, 0, 100)
    await asyncio.sleep(60)
    brokers.outlets[7].trouble(Trouble(Reason.BROKER_UNREACHABLE, "gone", asyncio.get_running_loop().time()))
    await asyncio.sleep(60)
    assert {*swept} == {"uid-7"}
    brokers.outlets[7].ready()
    await asyncio.sleep(2)
    swept.clear()
    await asyncio.sleep(60)
    assert swept == []


async def test_a_deleted_generator_is_gone_from_memory_soon_and_without_a_search_for_cycles(fleet, brokers):
    apply_some(fleet, 0, 20)
    await asyncio.sleep(60)
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(each, Generator) for each in gc.get_objects())
        apply_some(fleet, 20, 50)
        await asyncio.sleep(60)
        for number in range(20, 70):
            fleet.discard(f"uid-{number}")
        brokers.outlets.clear()  # the double remembers all it ever had
        assert len(fleet.series()) == 70
        await asyncio.sleep(10)
        assert sum(isinstance(each, Generator) for each in gc.get_objects()) == before
        assert len(fleet.series()) == 70, "their series are shown for a minute"
        assert sum(each.snapshot().counts.published for each in fleet.series()) == 70
        await asyncio.sleep(60)
        assert len(fleet.series()) == 20
    finally:
        gc.enable()
