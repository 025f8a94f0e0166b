"""Opens outlets to RabbitMQ: decides which outlet shares which link, and looks for changed Secrets while connected."""

import asyncio
import logging
import random
from collections import Counter
from typing import Final

from audit_event_operator.brokers.rabbitmq.channel_session import CLOSE_SECONDS
from audit_event_operator.brokers.rabbitmq.dial import Dialer
from audit_event_operator.brokers.rabbitmq.faults import ConnectResult
from audit_event_operator.brokers.rabbitmq.link import Link, LinkContext
from audit_event_operator.brokers.rabbitmq.places import Places
from audit_event_operator.brokers.rabbitmq.resolver import Resolver, TargetLookup
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.ports import ConnectionState, Destination, Outlet, OutletOwner
from audit_event_operator.resource.conditions import DestinationUnavailable
from audit_event_operator.targets.destination import RabbitMQDestination, Recipient
from audit_event_operator.targets.reference import TargetReference

logger = logging.getLogger(__name__)

LINKS_PER_REFERENCE: Final = 200
"""Of one namespace; with more queues and exchanges, its outlets share links."""

CONNECTING_AT_ONCE: Final = 40
"""Fewer than the threads that look host names up."""


class RabbitMQBrokers:
    """See `Brokers`. `totals` gets the time to each confirm, `connections` bounds them, `rng` spreads the pauses."""

    def __init__(
        self,
        targets: TargetLookup,
        dialer: Dialer,
        *,
        totals: Totals,
        timing: Timing,
        connections: Places,
        rng: random.Random,
    ) -> None:
        self._dialer = dialer
        self._resolver = Resolver(targets)
        turns = Places(CONNECTING_AT_ONCE)
        self._context = LinkContext(self._resolver, dialer, turns, connections, totals, timing, rng)
        self._link_counts: Counter[tuple[TargetReference, str]] = Counter()
        self._links: dict[TargetReference, dict[Recipient, Link]] = {}
        self._watches: dict[TargetReference, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def open(self, destination: Destination, outbox: Outbox, owner: OutletOwner) -> Outlet:
        """A new outlet; connecting goes on in the background.

        Raises:
            TypeError: the destination is not one in RabbitMQ, which is an error in how the operator was put together.
        """
        if not isinstance(destination, RabbitMQDestination):
            raise TypeError(f"RabbitMQBrokers carries events to a RabbitMQDestination, not to {destination!r}")
        link = self._link(destination.reference, destination.recipient, owner.namespace)
        return link.open(destination, outbox, owner)

    def connections(self) -> dict[ConnectionState, int]:
        """Connections by state."""
        return Counter(link.state for links in self._links.values() for link in links.values())

    def connect_results(self) -> dict[str, int]:
        """Connection attempts by result."""
        return {result.value: self._dialer.results[result] for result in ConnectResult}

    async def aclose(self) -> None:
        """Close everything within a little more than 2 s."""
        for link in [link for links in self._links.values() for link in links.values()]:
            self._stop(link)
        if self._ending:
            await asyncio.wait(self._ending, timeout=CLOSE_SECONDS + 1)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _link(self, reference: TargetReference, recipient: Recipient, namespace: str) -> Link:
        links = self._links.setdefault(reference, {})
        link = links.get(recipient)
        if link is None and self._link_counts[reference, namespace] >= LINKS_PER_REFERENCE:
            # Back-pressure holds for a whole connection: only its own namespace may have to share it.
            own = (each for each in links.values() if each.namespace == namespace)
            return min(own, key=lambda each: len(each.outlets))
        if link is None:
            link = links[recipient] = Link(reference, recipient, namespace, self._context, self._empty)
            self._link_counts[reference, namespace] += 1
            if reference not in self._watches:
                self._watches[reference] = asyncio.create_task(self._watch(reference))
        return link

    def _empty(self, link: Link) -> None:
        # The same place may be opened anew in this very turn, with another delivery for example.
        asyncio.get_running_loop().call_soon(self._stop_if_empty, link)

    def _stop_if_empty(self, link: Link) -> None:
        if not link.outlets:
            self._stop(link)

    def _stop(self, link: Link) -> None:
        links = self._links.get(link.reference, {})
        if links.get(link.recipient) is not link:
            return
        del links[link.recipient]
        self._link_counts[link.reference, link.namespace] -= 1
        task = link.stop()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        if not links:
            del self._links[link.reference]
            self._watches.pop(link.reference).cancel()
            self._resolver.forget(link.reference)
        self._link_counts += Counter()  # leaves out what is zero

    async def _watch(self, reference: TargetReference) -> None:
        """While connected, look from time to time whether the broker or its credentials have changed."""
        timing, rng = self._context.timing, self._context.rng
        while True:
            await asyncio.sleep(timing.secret_connected_seconds * rng.uniform(0.9, 1.0))
            links = [
                link for link in self._links.get(reference, {}).values() if link.state is ConnectionState.CONNECTED
            ]
            if not links:
                continue
            try:
                target = await self._resolver.resolve(reference)
            except DestinationUnavailable as answer:
                logger.warning("Keeping the open connections, although: %s", answer.message)
            except Exception:
                logger.exception("Failed to look a broker up.")
            else:
                for link in links:
                    link.take_up(target)
