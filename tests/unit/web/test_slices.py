import asyncio

import pytest

from audit_event_operator.web.slices import Slices


class Steps:
    """A clock that goes on by one second at each item."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, item):
        self.now += 1.0
        return item


async def test_work_comes_back_in_order_and_others_run_between_its_slices():
    clock, turns, done = Steps(), [], asyncio.Event()

    async def others():
        while not done.is_set():
            turns.append(clock.now)
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    assert await Slices(clock, 3.0).map(clock.work, range(10)) == list(range(10))
    done.set()
    await beside
    assert {3.0, 6.0, 9.0} <= set(turns), "after each three seconds of work it was the others' turn"


async def test_two_readers_have_one_slice_between_them_in_a_turn_of_the_loop():
    clock, done = Steps(), asyncio.Event()
    slices, longest = Slices(clock, 3.0), 0.0

    async def others():
        nonlocal longest
        while not done.is_set():
            before = clock.now
            await asyncio.sleep(0)
            longest = max(longest, clock.now - before)

    beside = asyncio.create_task(others())
    answers = await asyncio.gather(*(slices.map(clock.work, range(20)) for _ in range(5)))
    done.set()
    await beside
    assert answers == [list(range(20))] * 5
    assert longest == 3.0


async def test_nothing_to_do_is_nothing():
    assert await Slices().map(str, []) == []


async def test_what_fails_or_is_cancelled_does_not_keep_the_others_waiting():
    slices, clock = Slices(), Steps()
    with pytest.raises(ZeroDivisionError):
        await slices.map(lambda number: 1 // number, [1, 0])
    endless = asyncio.create_task(Slices(clock, 1.0).map(clock.work, iter(int, 1)))
    await asyncio.sleep(0)
    endless.cancel()
    with pytest.raises(asyncio.CancelledError):
        await endless
    assert await asyncio.wait_for(slices.map(str, [1]), 1) == ["1"]
