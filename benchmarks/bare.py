"""A flood by pika alone: bodies made beforehand, no bookkeeping beyond what confirms need."""

import asyncio
import os
import sys
import time
from itertools import cycle

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

from audit_event_operator.events.factory import EventFactory, Slot
from benchmarks.common import measure, spec, target

WINDOW = 2_048
BATCH = 100


async def main(queue: str, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    to = target()
    events = cycle(
        EventFactory(spec(queue), seed=1).make([Slot(sequence, time.time_ns()) for sequence in range(20_000)])
    )
    ready = loop.create_future()
    state = {"sent": 0, "confirmed": 0, "due": False}

    def pump() -> None:
        state["due"] = False
        for _ in range(min(BATCH, WINDOW - (state["sent"] - state["confirmed"]))):
            event = next(events)
            properties = pika.BasicProperties(
                content_type="application/json",
                delivery_mode=2,
                message_id=event.event_id,
                timestamp=event.unix_seconds,
                type=event.event_type,
                app_id="bare",
            )
            channel.basic_publish("", queue, event.body, properties, mandatory=True)
            state["sent"] += 1
        schedule()

    def schedule() -> None:
        if not state["due"] and state["sent"] - state["confirmed"] < WINDOW:
            state["due"] = True
            loop.call_soon(pump)

    waiting: set[int] = set()
    settled = 0

    def on_ack(frame: pika.frame.Method) -> None:
        nonlocal settled
        tag = frame.method.delivery_tag
        if frame.method.multiple:
            state["confirmed"] += tag - settled - sum(1 for each in waiting if each <= tag)
            waiting.difference_update([each for each in waiting if each <= tag])
            settled = tag
        elif tag == settled + 1:
            settled = tag
            state["confirmed"] += 1
        else:
            waiting.add(tag)
            state["confirmed"] += 1
        schedule()

    connection = AsyncioConnection(
        pika.ConnectionParameters(to.host, to.port, to.virtual_host, pika.PlainCredentials(to.username, to.password)),
        on_open_callback=lambda opened: opened.channel(on_open_callback=ready.set_result),
    )
    channel = await ready
    confirms = loop.create_future()
    channel.confirm_delivery(on_ack, callback=confirms.set_result)
    await confirms
    declared = loop.create_future()
    channel.queue_declare(queue, durable=True, callback=declared.set_result)
    await declared
    schedule()
    await measure(lambda: state["confirmed"], seconds)
    sys.stdout.flush()
    os._exit(0 if connection.is_open else 1)  # there is nothing to take leave of


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
