"""Messages cross threads in order, with one wake-up for many, and in slices that leave the reading loop alone."""

import asyncio
import threading
from itertools import pairwise

from audit_event_operator.cluster.resources.mailbox import Mailbox
from support.waiting import until


async def test_everything_that_several_threads_say_arrives_each_in_its_order():
    read: list[tuple[int, int]] = []
    box = Mailbox(asyncio.get_running_loop(), read.append)
    writers = [
        threading.Thread(target=lambda who=who: [box.put((who, number)) for number in range(5_000)]) for who in range(3)
    ]
    for writer in writers:
        writer.start()
    await until(lambda: len(read) == 15_000)
    for who in range(3):
        assert [number for writer, number in read if writer == who] == list(range(5_000))


async def test_a_long_list_wakes_the_loop_once():
    loop, read = asyncio.get_running_loop(), []
    box, wakes = Mailbox(loop, read.append), 0
    wake = loop.call_soon_threadsafe

    def counted(*arguments):
        nonlocal wakes
        wakes += 1
        return wake(*arguments)

    loop.call_soon_threadsafe = counted
    for number in range(1_000):
        box.put(number)
    await until(lambda: len(read) == 1_000)
    assert wakes == 1


async def test_the_loop_turns_while_a_long_list_is_read(monkeypatch):
    loop, read, turns = asyncio.get_running_loop(), [], []
    now = loop.time()

    def slowly(message):
        nonlocal now
        now += 0.002
        read.append(message)

    box = Mailbox(loop, slowly)
    monkeypatch.setattr(loop, "time", lambda: now)
    for number in range(30):
        box.put(number)
    while len(read) < 30:
        turns.append(len(read))
        await asyncio.sleep(0)
    assert max(after - before for before, after in pairwise(turns)) <= 3


async def test_nothing_is_read_once_it_is_closed():
    read: list[int] = []
    box = Mailbox(asyncio.get_running_loop(), read.append)
    box.put(1)
    box.close()
    await asyncio.sleep(0.01)
    assert read == []
