"""Takes posted events and says what became of them, within two seconds. Knows nothing of HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.resource.spec import Entities

POST_SECONDS: Final = 2.0


class PostOutcome(StrEnum):
    """What became of a posted event."""

    PUBLISHED = "published"
    NOT_CONFIRMED = "not_confirmed"
    NOT_ACCEPTING = "not_accepting"
    UNKNOWN_GENERATOR = "unknown_generator"
    NO_TARGET = "no_target"


class Submissions:
    """Where an event is posted: to a generator's broker and queue, or to the default target.

    Args:
        fleet: the generators, and the stream of the default target.
        seconds: how long an answer may take.
    """

    def __init__(self, fleet: Fleet, *, seconds: float = POST_SECONDS) -> None:
        self._fleet = fleet
        self._seconds = seconds

    async def post(self, event: AuditEvent, ref: Ref | None) -> PostOutcome:
        """Publish one event and wait for the broker's word.

        An event that was not written in time is withdrawn and was never generated; one that was written settles by
        itself and is counted once, whatever the caller was told.
        """
        if not self._fleet.running:
            return self._refuse(PostOutcome.NOT_ACCEPTING)
        outbox = self._outbox(ref)
        if isinstance(outbox, PostOutcome):
            return outbox if outbox is PostOutcome.UNKNOWN_GENERATOR else self._refuse(outbox)
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        parcel = outbox.post(event, waiter)
        done, _ = await asyncio.wait([waiter], timeout=self._seconds)
        if not done:
            waiter.cancel()
            outbox.withdraw(parcel)
            return self._refuse(PostOutcome.NOT_CONFIRMED)
        if waiter.result():
            return PostOutcome.PUBLISHED
        # A failed attempt has been counted as such; a post that never became one is counted here.
        return PostOutcome.NOT_CONFIRMED if parcel.attempt else self._refuse(PostOutcome.NOT_CONFIRMED)

    def names(self, ref: Ref | None) -> tuple[Sequence[str], Sequence[str]]:
        """Hosts and users from which a posted event is completed: the generator's, else the built-in ones."""
        generator = None if ref is None else self._fleet.generator(ref)
        entities = generator.spec.entities if generator is not None and generator.spec is not None else Entities()
        return entities.hosts.names, entities.users.names

    def _outbox(self, ref: Ref | None) -> Outbox | PostOutcome:
        if ref is None:
            default_stream = self._fleet.default_stream
            return (
                PostOutcome.NO_TARGET
                if default_stream is None or default_stream.outbox is None
                else default_stream.outbox
            )
        generator = self._fleet.generator(ref)
        if generator is None:
            return PostOutcome.UNKNOWN_GENERATOR
        return PostOutcome.NOT_CONFIRMED if generator.outbox is None else generator.outbox

    def _refuse(self, outcome: PostOutcome) -> PostOutcome:
        self._fleet.totals.refused_posts += 1
        return outcome
