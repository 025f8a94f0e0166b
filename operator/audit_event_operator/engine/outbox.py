"""What one generator has on its way out: a bounded buffer and a window of unconfirmed events.

The generator puts events in, a broker's outlet takes them out, writes them and says what became of each. Every move is
counted here and only here, so that conservation cannot depend on which broker it is. Knows nothing of any broker.
"""

from __future__ import annotations

from asyncio import Future
from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Final, Protocol, TypeAlias

from audit_event_operator.engine.budget import PARCEL_OVERHEAD_BYTES, Account
from audit_event_operator.engine.ledger import DropReason, Ledger, Outcome
from audit_event_operator.events.event import AuditEvent, Mark

EVENT_LIMIT_BYTES: Final = 64 * 1024
"""Largest event body; a larger one is dropped as `oversize` before it is buffered."""

NO_RUN: Final = -1
"""The run of posted events: they count for the ledger, not for the run's maxEvents."""


class Parcel:
    """One event on its way: which attempt it is on, which run it belongs to, and who waits for its outcome."""

    __slots__ = ("attempt", "event", "order", "outbox", "run", "settled", "waiter")

    def __init__(
        self, outbox: Outbox, event: AuditEvent, order: int, run: int, waiter: Future[bool] | None = None
    ) -> None:
        self.outbox = outbox
        self.event = event
        self.order = order
        self.run = run
        self.attempt = 0
        self.settled = False
        self.waiter = waiter

    @property
    def size_bytes(self) -> int:
        """What it takes of the memory of all buffers."""
        return len(self.event.body) + PARCEL_OVERHEAD_BYTES

    def __lt__(self, other: Parcel) -> bool:
        return self.order < other.order


Note = Callable[[Parcel, Outcome | DropReason], None]
"""What becomes of a parcel: the outcome of its latest attempt, or why it was dropped."""


class Writer(Protocol):
    """Takes parcels out of an outbox and writes them: an outlet."""

    def poke(self) -> None:
        """There is something to write."""


Queue: TypeAlias = deque[Parcel] | tuple[()]
"""Parcels in order. An empty deque takes 760 bytes, and thousands of outboxes are empty most of the time."""


class Outbox:
    """The buffer and window of one outlet.

    Its writer calls, in this order: `take` (the parcel becomes in flight), then exactly one of `ack`, `fail`, `drop`. Calls
    about a parcel that is already settled are ignored, so late answers of an old connection do no harm.

    Args:
        ledger: where outcomes are counted.
        account: the memory that it may use.
        window: most events in flight, and most events buffered (1…2048).
        resend: whether a failed attempt goes back to the front of the buffer (AtLeastOnce) or ends as `not_confirmed`.
        wall_ns: the wall clock in nanoseconds, for the time of the last publish.
        note: told of the outcome of every attempt and of every drop, for a journal; must be cheap.
    """

    __slots__ = (
        "_account",
        "_closed_for",
        "_fresh",
        "_note",
        "_open",
        "_order",
        "_posts",
        "_retries",
        "_wall_ns",
        "_writer",
        "consecutive_nacks",
        "epoch",
        "event_bytes",
        "in_flight",
        "ledger",
        "on_marked",
        "on_published",
        "on_settled",
        "resend",
        "run_in_flight",
        "window",
    )

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        *,
        window: int,
        resend: bool = True,
        wall_ns: Callable[[], int],
        note: Note | None = None,
    ) -> None:
        self.ledger = ledger
        self.window = window
        self.resend = resend
        self.epoch = 0
        """Counted up by the outlet at each new connection."""
        self.in_flight = 0
        self.run_in_flight = 0
        self.consecutive_nacks = 0
        self.on_settled: Callable[[], None] | None = None
        """Set by the generator: room appeared, or the run came closer to its end. Called once per broker answer."""
        self.on_published: Callable[[AuditEvent], None] | None = None
        """Set where each published event is told of one by one (few of them)."""
        self.on_marked: Callable[[Mark, bool], None] | None = None
        """Set by the generator: an event of a scenario was published, or never will be."""
        self._writer: Writer | None = None
        self.event_bytes = EVENT_LIMIT_BYTES
        """Largest body to come, for asking how many there is memory for; set by the generator."""
        self._account = account
        self._wall_ns = wall_ns
        self._note = note
        self._fresh: Queue = ()
        self._retries: list[Parcel] = []
        self._posts: Queue = ()
        self._order = 0
        self._open = True
        self._closed_for = DropReason.RESOURCE_DELETED

    # -- the generator's side ------------------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Generated events that are not in flight. Posts that wait to be written are not generated yet."""
        return len(self._fresh) + len(self._retries)

    @property
    def room(self) -> int:
        """How many events may be put in now."""
        room = self.window - len(self._fresh) - len(self._retries)
        if room <= 0 or not self._open:
            return 0
        return min(room, self._account.room_bytes // (self.event_bytes + PARCEL_OVERHEAD_BYTES))

    @property
    def starved(self) -> bool:
        """Whether there is room in this buffer, but not in the memory of all buffers."""
        return self._open and not self.room and self.buffered < self.window

    @property
    def held_bytes(self) -> int:
        """What it takes of the memory of all buffers now."""
        return self._account.used_bytes

    @property
    def overdrawn(self) -> bool:
        """Whether this namespace's events have used up its share of the memory of all buffers."""
        return self._account.overdrawn

    @property
    def idle(self) -> bool:
        """Nothing buffered, posted or in flight."""
        return not (self.in_flight or self._fresh or self._retries or self._posts)

    @property
    def run_pending(self) -> int:
        """Events of the current run whose outcome is still open."""
        run = self.ledger.run
        waiting = sum(1 for parcel in self._retries if parcel.run == run)
        if self._fresh and self._fresh[0].run == run:
            waiting += len(self._fresh)
        else:
            waiting += sum(1 for parcel in self._fresh if parcel.run == run)
        return waiting + self.run_in_flight

    def begin_run(self) -> None:
        """Start a new run: what is still on its way counts for the old one."""
        self.ledger.begin_run()
        self.run_in_flight = 0

    def put(self, events: Iterable[AuditEvent]) -> None:
        """Take generated events in; the caller has asked for `room` before. Oversize ones are dropped at once."""
        ledger, fresh, run = self.ledger, self._fresh or deque[Parcel](), self.ledger.run
        count_labels = ledger.labels.count
        order, used, count = self._order, 0, 0
        for event in events:
            count += 1
            count_labels(event.event_type, event.server_hostname, event.action_result)
            size = len(event.body)
            order += 1
            if size > EVENT_LIMIT_BYTES:
                ledger.drop(DropReason.OVERSIZE, run)
                self._tell(Parcel(self, event, order, run), DropReason.OVERSIZE)
                if event.mark is not None and self.on_marked is not None:
                    self.on_marked(event.mark, False)
                continue
            used += size + PARCEL_OVERHEAD_BYTES
            fresh.append(Parcel(self, event, order, run))
        self._fresh = fresh
        self._order = order
        self._account.take(used)
        ledger.generated += count
        ledger.of_namespace.generated += count
        if self._writer is not None:
            self._writer.poke()

    def post(self, event: AuditEvent, waiter: Future[bool]) -> Parcel | None:
        """Take one posted event in, ahead of the buffer; None when there is no memory for it.

        It counts as generated only when it is written. `waiter` gets True on publish, False when it ended otherwise or its
        first attempt failed.
        """
        self._order += 1
        parcel = Parcel(self, event, self._order, NO_RUN, waiter)
        if parcel.size_bytes > self._account.room_bytes:
            return None
        self._account.take(parcel.size_bytes)
        self._posts = self._posts or deque()
        self._posts.append(parcel)
        if self._writer is not None:
            self._writer.poke()
        return parcel

    def withdraw(self, parcel: Parcel) -> bool:
        """Take a post back that was not written yet; True when nothing of it remains or was counted."""
        if parcel.settled or not self._posts or parcel not in self._posts:
            return False
        self._posts.remove(parcel)
        parcel.settled = True
        self._account.give_back(parcel.size_bytes)
        return True

    # -- the outlet's side ---------------------------------------------------------------------------------------------

    def attach(self, writer: Writer) -> None:
        """From now on this writer, and no other, is poked."""
        self._writer = writer

    def detach(self, writer: Writer) -> None:
        """Do not poke this writer any more; nothing happens where another one has taken its place."""
        if self._writer is writer:
            self._writer = None

    @property
    def writable(self) -> int:
        """How many parcels `take` would give now, within the window."""
        return min(len(self._posts) + len(self._retries) + len(self._fresh), self.window - self.in_flight)

    def take(self) -> Parcel:
        """The next parcel to write; from now on it is in flight, and its attempt is counted in `parcel.attempt`."""
        if self._posts:
            parcel = self._posts.popleft()
            self._posts = self._posts or ()
            event = parcel.event
            self.ledger.generated += 1
            self.ledger.of_namespace.generated += 1
            self.ledger.labels.count(event.event_type, event.server_hostname, event.action_result)
        elif self._retries:
            parcel = heappop(self._retries)
            if parcel.attempt:
                self.ledger.retried += 1
                self.ledger.of_namespace.retried += 1
        elif self._fresh:
            parcel = self._fresh.popleft()
            self._fresh = self._fresh or ()
        else:
            raise IndexError("nothing is buffered")
        parcel.attempt += 1
        self.in_flight += 1
        if parcel.run == self.ledger.run:
            self.run_in_flight += 1
        return parcel

    def ack(self, parcel: Parcel) -> None:
        """The broker took responsibility: the event is published."""
        if parcel.settled:
            return
        ledger = self.ledger
        ledger.totals.attempts[Outcome.ACK] += 1
        self.consecutive_nacks = 0
        self._land(parcel)
        ledger.published += 1
        ledger.of_namespace.published += 1
        ledger.totals.published += 1
        if parcel.run == ledger.run:
            ledger.run_published += 1
        ledger.last_publish_unix_ns = self._wall_ns()
        if self.on_published is not None:
            self.on_published(parcel.event)
        if self._note is not None:
            self._note(parcel, Outcome.ACK)
        self._settle(parcel, published=True)

    def fail(self, parcel: Parcel, outcome: Outcome) -> None:
        """One attempt ended without an ack: back to the front of the buffer in order, or dropped when never resent."""
        if parcel.settled:
            return
        self.ledger.totals.attempts[outcome] += 1
        if outcome is Outcome.NACK:
            self.consecutive_nacks += 1
        self._land(parcel)
        self._tell(parcel, outcome)
        if not self._open:
            self._drop(parcel, self._closed_for)
        elif not self.resend:
            self._drop(parcel, DropReason.NOT_CONFIRMED)
        else:
            heappush(self._retries, parcel)
            if parcel.waiter is not None and not parcel.waiter.done():
                parcel.waiter.set_result(False)

    def drop(self, parcel: Parcel, reason: DropReason) -> None:
        """A taken parcel ends here (for example the broker closes on it again and again)."""
        if parcel.settled:
            return
        self._land(parcel)
        self._drop(parcel, reason)

    def notify_settled(self) -> None:
        """Tell the generator once per broker answer that something was settled."""
        if self.on_settled is not None:
            self.on_settled()

    # -- the end -------------------------------------------------------------------------------------------------------

    def close(self, reason: DropReason) -> None:
        """Drop what was not written and take nothing more in; what is in flight may still be confirmed."""
        self._open = False
        self._closed_for = reason
        for parcel in self._posts:
            parcel.settled = True
            self._account.give_back(parcel.size_bytes)
            if parcel.waiter is not None and not parcel.waiter.done():
                parcel.waiter.set_result(False)
        waiting = [*self._retries, *self._fresh]
        self._retries.clear()
        self._posts = self._fresh = ()
        for parcel in waiting:
            self._drop(parcel, reason)
        self._account.close()

    def _land(self, parcel: Parcel) -> None:
        self.in_flight -= 1
        if parcel.run == self.ledger.run:
            self.run_in_flight -= 1

    def _drop(self, parcel: Parcel, reason: DropReason) -> None:
        self.ledger.drop(reason, parcel.run)
        self._tell(parcel, reason)
        self._settle(parcel, published=False)

    def _tell(self, parcel: Parcel, what: Outcome | DropReason) -> None:
        if self._note is not None:
            self._note(parcel, what)

    def _settle(self, parcel: Parcel, *, published: bool) -> None:
        parcel.settled = True
        self._account.give_back(parcel.size_bytes)
        if parcel.event.mark is not None and self.on_marked is not None:
            self.on_marked(parcel.event.mark, published)
        if parcel.waiter is not None and not parcel.waiter.done():
            parcel.waiter.set_result(published)
