"""Takes posted events and tells what became of them, within two seconds. Knows nothing of HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from audit_event_operator.engine.elsewhere import Elsewhere, NothingElsewhere, ServedElsewhere
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.layouts import Layout
from audit_event_operator.events.layouts.chosen import layout_of, source_of
from audit_event_operator.events.layouts.seed_json import SEED_JSON
from audit_event_operator.resource.entities import Entities

POST_SECONDS: Final = 2.0


class PostOutcome(StrEnum):
    """What became of a posted event."""

    PUBLISHED = "published"
    NOT_CONFIRMED = "not_confirmed"
    NO_MEMORY = "no_memory"
    NOT_ACCEPTING = "not_accepting"
    UNKNOWN_GENERATOR = "unknown_generator"
    SERVED_ELSEWHERE = "served_elsewhere"
    NO_TARGET = "no_target"


@dataclass(frozen=True, slots=True)
class Submission:
    """The place of one posted event, as it is right now.

    `entities` complete the event and `layout` writes it; `destination` tells people where it goes (empty when there is no
    such place), and `post` publishes it and waits for the broker's confirm.
    """

    entities: Entities
    destination: str
    post: Callable[[AuditEvent], Awaitable[PostOutcome]]
    layout: Layout = SEED_JSON
    elsewhere: ServedElsewhere | None = None
    """Who serves the generator instead of this process."""


class Submissions:
    """Where events are posted: to a generator's destination, or to the default one; an answer takes at most `seconds`."""

    def __init__(self, fleet: Fleet, *, seconds: float = POST_SECONDS) -> None:
        self._fleet = fleet
        self.elsewhere: Elsewhere = NothingElsewhere()
        """Knows what other processes serve."""
        self._seconds = seconds

    def open(self, ref: Ref | None) -> Submission:
        """The place of one event, a generator's or the default one. There always is one; it may refuse the event."""
        fleet, entities, destination = self._fleet, Entities(), ""
        layout: Layout = SEED_JSON
        outbox: Outbox | PostOutcome | None = None
        elsewhere: ServedElsewhere | None = None
        if ref is None:
            otherwise = PostOutcome.NO_TARGET
            if fleet.default_stream is not None:
                outbox, destination = fleet.default_stream.outbox, fleet.default_stream.destination.label
        elif (generator := fleet.generator(ref)) is None:
            elsewhere = self.elsewhere.find(ref)
            otherwise = PostOutcome.UNKNOWN_GENERATOR if elsewhere is None else PostOutcome.SERVED_ELSEWHERE
        else:
            outbox, otherwise = generator.outbox, PostOutcome.NOT_CONFIRMED
            if generator.spec is not None:
                entities, destination = generator.spec.entities, generator.spec.destination_label
                layout = layout_of(generator.spec.format, source_of(ref.namespace, ref.name))
        if not fleet.running:
            outbox = PostOutcome.NOT_ACCEPTING
        post = partial(self._post, otherwise if outbox is None else outbox)
        return Submission(entities, destination, post, layout, elsewhere)

    def refuse(self) -> None:
        """Count a post that is turned away."""
        self._fleet.totals.refused_posts += 1

    async def _post(self, outbox: Outbox | PostOutcome, event: AuditEvent) -> PostOutcome:
        """Publish one event.

        An event that was not written in time is withdrawn and was never generated; one that was written settles by
        itself and is counted once, whatever the caller was told.
        """
        if isinstance(outbox, PostOutcome):
            if outbox is not PostOutcome.UNKNOWN_GENERATOR:
                self.refuse()
            return outbox
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        parcel = outbox.post(event, waiter)
        if parcel is None:
            self.refuse()
            return PostOutcome.NO_MEMORY
        done, _ = await asyncio.wait([waiter], timeout=self._seconds)
        if done and waiter.result():
            return PostOutcome.PUBLISHED
        if not done:
            waiter.cancel()
            outbox.withdraw(parcel)
        if not done or not parcel.attempt:
            self.refuse()  # a failed attempt has been counted as such
        return PostOutcome.NOT_CONFIRMED
