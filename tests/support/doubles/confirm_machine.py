"""A state machine that plays a broker's answers in every order against the real outbox, outlet, session and pika.

Only three things are not real: the network (`amqp_peer.Line`), the dialer that would open it, and the clock. The model beside
it knows one state per event, learnt from the bytes that were written and the answers that were played, never from the code.
"""

import asyncio
import itertools
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pika
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.brokers import RabbitMQBrokers
from audit_event_operator.brokers.rabbitmq.connection import GatheringConnection
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.ledger import DropReason, Ledger, Outcome, Totals
from audit_event_operator.engine.outbox import NO_RUN, PARCEL_OVERHEAD_BYTES, Budget, Outbox, Parcel
from audit_event_operator.engine.ports import Outlet
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.resource.spec import DeclarationMode, Delivery
from audit_event_operator.targets.hosts import HostPolicy
from audit_event_operator.targets.target import Target
from support.doubles.amqp_peer import CHANNEL_MAX, Line, Peer, Published
from support.doubles.events import make_event
from support.doubles.manual_loop import ManualLoop
from support.parts.outlets import FakeGate, Targets, destination

TIMING = Timing(
    rpc_seconds=5, confirm_seconds=20, slow_retry_max_seconds=60, secret_failing_seconds=10, secret_connected_seconds=10
)
TARGET = Target("broker.test", 5672, "/", "user", "password")
PRODUCT = "audit_event_operator"
UNENCODABLE = "é" * 200
"""An event type that fits into no AMQP property."""
CLOSING = [DropReason.RESOURCE_DELETED, DropReason.TARGET_CHANGED, DropReason.SHUTDOWN_DEADLINE]
ANSWERS = ["ack", "ack", "nack", "return", "return and ack"]
STEPS = [*ANSWERS, *ANSWERS, "block", "unblock", "close the channel", "close the connection"]
MOST_ROUNDS = 60
MOST_STATIONS = 6


class Errors(logging.Handler):
    """What the product logs as an error, but for the unencodable events that a machine puts in itself."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "cannot be encoded" not in record.getMessage():
            self.records.append(self.format(record))


@dataclass(eq=False)
class Fate:
    """What the model knows of one event."""

    identity: str
    station: "Station"
    run: int
    bytes: int
    state: str = "buffered"  # or posted (not yet generated), flying, published, dropped, withdrawn
    attempts: int = 0
    line: "Client | None" = None
    tag: int = 0
    sole_closes: int = 0
    parcel: Parcel | None = None
    waiter: "asyncio.Future[bool] | None" = None
    expected: bool | None = None
    """What the waiter is told; None while it waits."""

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(f"{self.identity} ({self.state}, tag {self.tag})")

    def tell(self, answer: bool) -> None:
        if self.expected is None:
            self.expected = answer


@dataclass(eq=False)
class Station:
    """One outlet and its outbox, and what the model expects of its ledger."""

    outbox: Outbox
    ledger: Ledger
    outlet: Outlet = None  # type: ignore[assignment] - opened right after
    resend: bool = True
    reason: DropReason | None = None
    deadline: float | None = None
    run: int = 0
    run_published: int = 0
    retried: int = 0
    nacks: int = 0
    unencodable_runs: list[int] = field(default_factory=list)
    last_first: int = 0

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(f"an outlet {'closed for ' + self.reason if self.reason else 'in use'}")

    def outlet_changed(self) -> None:
        """What a generator would look at; the machine looks at everything anyway."""


class Client(GatheringConnection):
    """The real connection. The model hears what it is given to write, before any of it is gathered and flushed."""

    def __init__(self, parameters: Any, machine: "ConfirmMachine", **callbacks: Any) -> None:
        self.peer = Peer(
            on_method=lambda *said: machine.method_at_the_broker(*said),
            queues=machine.queues,
            channel_max=machine.channel_max,
        )
        self.ear = Peer(on_method=self._overheard, on_publish=self._written)
        self.line: Line | None = None
        self.blocked = False
        self.dead = False
        self.closing: bool | None = None
        """Closed by the broker in the piece of input that is being read: hard or not."""
        self.returned: set[str] = set()
        self._machine = machine
        super().__init__(parameters, internal_connection_workflow=False, **callbacks)

    def write(self, pieces: list[bytes]) -> None:
        super().write(pieces)
        self.ear.feed(b"".join(pieces))

    def _overheard(self, name: str, channel: int, _method: Any) -> bytes:
        """Leave is taken channel by channel, then of the connection."""
        if name == "Connection.Close" or (name == "Channel.Close" and channel == self.peer.publishing_channel):
            self._machine.line_over(self)
        return b""

    def _written(self, message: Published) -> bytes:
        self._machine.written(self, message)
        return b""


class Dial:
    """Instead of the dialer: the same pika connection, with a peer at its end."""

    def __init__(self, machine: "ConfirmMachine") -> None:
        self.results: Counter[Any] = Counter()
        self._machine = machine

    async def dial(self, target: Target, *, trusted: bool) -> GatheringConnection:
        if self._machine.refusing:
            raise faults.unreachable(faults.label(target))
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def failed(_connection: object, error: BaseException) -> None:
            if not opened.done():
                opened.set_exception(faults.connect_fault(error, target))

        client = Client(
            pika.ConnectionParameters(heartbeat=0),
            self._machine,
            on_open_callback=lambda _connection: opened.set_result(None),
            on_open_error_callback=failed,
            on_close_callback=failed,
        )
        client.line = Line(client, client.peer, lambda _line: self._machine.line_over(client))
        self._machine.clients.append(client)
        await opened
        return client


Effect = Callable[[], list[Fate]]
"""What a frame does to the model; the event that was alone in flight on a hard close."""


class ConfirmMachine(RuleBasedStateMachine):
    """See the module. At the end everything becomes well-behaved, and every event must come to an end."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = ManualLoop()
        self.totals = Totals()
        self.switch = FakeGate()
        self.budget = Budget(limit_bytes=30 * 750)
        self.targets = Targets(TARGET)
        self.queues = {"q"}
        self.refusing = self.mute = False
        self.channel_max = CHANNEL_MAX
        self.clients: list[Client] = []
        self.stations: list[Station] = []
        self.fates: dict[str, Fate] = {}
        self.attempts: Counter[Outcome] = Counter()
        self.spoken_of: set[Fate] = set()
        """Answered in the piece of input that is being made; a broker returns nothing that it has answered."""
        self.numbers = itertools.count(1)
        self.logged = Errors()
        logging.getLogger(PRODUCT).addHandler(self.logged)
        self.brokers = self.loop.do(self._make_brokers)

    def _make_brokers(self) -> RabbitMQBrokers:
        brokers = RabbitMQBrokers(
            self.targets,
            gate=self.switch,
            totals=self.totals,
            timing=TIMING,
            allowed=HostPolicy.of(None, in_pod=False),
            rng=random.Random(7),
        )
        brokers._context = replace(brokers._context, dialer=Dial(self))  # type: ignore[arg-type]
        return brokers

    # -- what the model learns ---------------------------------------------------------------------------------------------

    def method_at_the_broker(self, name: str, _channel: int, _method: Any) -> bytes | None:
        return b"" if self.mute and name in {"Channel.Open", "Confirm.Select", "Queue.Declare"} else None

    def written(self, client: Client, message: Published) -> None:
        fate = self.fates[message.message_id]
        station = fate.station
        assert fate.state in {"posted", "buffered"}, f"{message.message_id} is written while it is {fate.state}"
        assert self.switch.opened, "written while the gate was closed"
        assert not client.blocked, "written while the broker had blocked the connection"
        assert not client.dead, "written to a connection that is gone"
        assert station.reason is None, "written after the outbox was closed"
        fate.attempts += 1
        assert message.attempt == fate.attempts
        number = int(message.message_id.removeprefix("id-"))
        if fate.attempts > 1:
            station.retried += 1
        elif fate.state == "buffered":
            assert number > station.last_first, "first attempts are made in the order of generation"
            station.last_first = number
        fate.state, fate.line, fate.tag = "flying", client, message.tag

    def line_over(self, client: Client, *, hard: bool = False) -> list[Fate]:
        """Nothing of this connection counts from now on; returns what was in flight alone on a hard close."""
        if client.dead:
            return []
        client.dead = True
        flying = self.flying(client)
        for fate in flying:
            self.failed(fate, Outcome.UNKNOWN)
        return flying if hard and len(flying) == 1 else []

    def flying(self, client: Client) -> list[Fate]:
        return sorted(
            (fate for fate in self.fates.values() if fate.state == "flying" and fate.line is client),
            key=lambda fate: fate.tag,
        )

    def failed(self, fate: Fate, outcome: Outcome) -> None:
        self.attempts[outcome] += 1
        if outcome is Outcome.NACK:
            fate.station.nacks += 1
        fate.tell(False)
        fate.state = "buffered" if fate.station.resend and fate.station.reason is None else "dropped"

    def answered(self, client: Client, tag: int, *, multiple: bool, ack: bool) -> list[Fate]:
        if client.dead:
            return []
        for fate in self.meant(client, tag, multiple=multiple):
            identity = fate.identity
            if ack and identity not in client.returned:
                self.attempts[Outcome.ACK] += 1
                fate.station.nacks = 0
                fate.station.run_published += fate.run == fate.station.run
                fate.sole_closes = 0
                fate.state = "published"
                fate.tell(True)
            else:
                self.failed(fate, Outcome.RETURNED if ack else Outcome.NACK)
            client.returned.discard(identity)
        return []

    def meant(self, client: Client, tag: int, *, multiple: bool) -> list[Fate]:
        """Those that an answer is about, by the rules of AMQP."""
        return [fate for fate in self.flying(client) if fate.tag == tag or (multiple and (fate.tag <= tag or tag == 0))]

    def of(self, station: Station) -> list[Fate]:
        return [fate for fate in self.fates.values() if fate.station is station]

    def grace_is_over(self, station: Station) -> None:
        for fate in self.of(station):
            if fate.state == "flying":
                self.failed(fate, Outcome.UNKNOWN)

    def graces_end(self) -> None:
        for station in self.stations:
            if station.deadline is not None and station.deadline <= self.loop.now:
                self.grace_is_over(station)

    def answering(self) -> Client | None:
        """The connection on which the broker may answer, if there is one."""
        able = [client for client in self.clients if not client.dead and client.peer.publishing_channel]
        return able[-1] if able else None

    # -- the generator's side ----------------------------------------------------------------------------------------------

    def a_station(self, data: st.DataObject) -> Station:
        return data.draw(st.sampled_from(self.live()), label="station")

    def live(self) -> list[Station]:
        return [station for station in self.stations if station.reason is None]

    @initialize(window=st.integers(1, 6), second=st.booleans(), delivery=st.sampled_from(Delivery))
    def begin(self, window: int, second: bool, delivery: Delivery) -> None:
        self.open_one(window, Delivery.AT_LEAST_ONCE, DeclarationMode.CREATE_IF_MISSING)
        if second:
            self.open_one(3, delivery, DeclarationMode.MUST_EXIST)
        for station in self.live():
            self.put_into(station, window, 20)

    def open_one(self, window: int, delivery: Delivery, mode: DeclarationMode) -> None:
        def act() -> None:
            resend = delivery is Delivery.AT_LEAST_ONCE
            ledger = Ledger(self.totals)
            outbox = Outbox(ledger, self.budget, window=window, resend=resend, wall_ns=lambda: 7)
            station = Station(outbox, ledger, resend=resend)
            where = destination("q", mode=mode, delivery=delivery)
            station.outlet = self.brokers.open(where, outbox, station)
            self.stations.append(station)

        self.loop.do(act)

    def an_event(self, station: Station, size: int, run: int) -> AuditEvent:
        identity = f"id-{next(self.numbers)}"
        self.fates[identity] = Fate(identity, station, run, size + PARCEL_OVERHEAD_BYTES)
        return make_event(identity, b"x" * size)

    def put_into(self, station: Station, count: int, size: int, *, unencodable: bool = False) -> None:
        count = min(count, station.outbox.room)
        events = [self.an_event(station, size, station.run) for _ in range(count)]
        if unencodable:
            events.append(make_event(f"id-{next(self.numbers)}", b"", event_type=UNENCODABLE))
            station.unencodable_runs.append(station.run)
        self.loop.do(station.outbox.put, events)

    @precondition(lambda self: self.live())
    @rule(data=st.data(), count=st.integers(1, 5), size=st.integers(0, 60), unencodable=st.integers(0, 9))
    def put(self, data: st.DataObject, count: int, size: int, unencodable: int) -> None:
        self.put_into(self.a_station(data), count, size, unencodable=unencodable == 9)

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def post(self, data: st.DataObject) -> None:
        station = self.a_station(data)
        event = self.an_event(station, 30, NO_RUN)
        fate = self.fates[event.event_id]
        fate.state, fate.waiter = "posted", self.loop.create_future()
        fate.parcel = self.loop.do(station.outbox.post, event, fate.waiter)

    @precondition(lambda self: any(fate.parcel is not None for fate in self.fates.values()))
    @rule(data=st.data())
    def give_a_post_up(self, data: st.DataObject) -> None:
        fate = data.draw(
            st.sampled_from([fate for fate in self.fates.values() if fate.parcel is not None]), label="post"
        )
        assert fate.parcel is not None
        assert fate.waiter is not None
        withdrawn = self.loop.do(fate.station.outbox.withdraw, fate.parcel)
        assert withdrawn == (fate.state == "posted")
        if withdrawn:
            fate.state = "withdrawn"
        fate.parcel = None
        if not fate.waiter.done():
            fate.waiter.cancel()

    @precondition(lambda self: self.live())
    @rule(data=st.data(), what=st.sampled_from(["the window", "the run", "the spec"]), window=st.integers(1, 6))
    def a_generator_changes(self, data: st.DataObject, what: str, window: int) -> None:
        station = self.a_station(data)
        if what == "the window":
            station.outbox.window = window
            self.loop.do(station.outlet.resize)
        elif what == "the run":
            station.outbox.begin_run()
            station.run += 1
            station.run_published = 0
        else:
            self.loop.do(station.outlet.retry_now)

    @precondition(lambda self: self.live())
    @rule(
        data=st.data(),
        reason=st.sampled_from(CLOSING),
        grace_seconds=st.sampled_from([0.0, 5.0]),
        window=st.integers(1, 6),
        delivery=st.sampled_from(Delivery),
        mode=st.sampled_from(DeclarationMode),
    )
    def an_outlet_ends_and_another_begins(
        self,
        data: st.DataObject,
        reason: DropReason,
        grace_seconds: float,
        window: int,
        delivery: Delivery,
        mode: DeclarationMode,
    ) -> None:
        self.close(self.a_station(data), reason, grace_seconds)
        if len(self.stations) < MOST_STATIONS:
            self.open_one(window, delivery, mode)

    def close(self, station: Station, reason: DropReason, grace_seconds: float) -> None:
        def act() -> None:
            station.reason = reason
            for fate in self.of(station):
                if fate.state in {"posted", "buffered"}:
                    fate.tell(False)
                    fate.state = "withdrawn" if fate.state == "posted" else "dropped"
            station.deadline = self.loop.now + grace_seconds
            at_once = grace_seconds == 0 or not station.outlet.health.connected
            station.outbox.close(reason)
            station.outlet.close(grace_seconds)
            if at_once:
                self.grace_is_over(station)

        self.loop.do(act)

    # -- the broker's side -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.answering() is not None)
    @rule(data=st.data(), steps=st.lists(st.sampled_from(ANSWERS), min_size=2, max_size=5), cut=st.booleans())
    def the_broker_answers(self, data: st.DataObject, steps: list[str], cut: bool) -> None:
        self.play(data, steps, cut)

    @precondition(lambda self: self.answering() is not None)
    @rule(data=st.data(), steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=4), cut=st.booleans())
    def the_broker_says(self, data: st.DataObject, steps: list[str], cut: bool) -> None:
        self.play(data, steps, cut)

    def play(self, data: st.DataObject, steps: list[str], cut: bool) -> None:
        """Frames as one piece of input, or with the last one cut in two."""
        client = self.answering()
        assert client is not None
        self.spoken_of.clear()
        played = [self.a_step(data, client, step) for step in steps]
        *first, (last, effect) = played
        half = len(last) // 2 if cut else 0
        if half:
            assert client.line is not None
            client.line.hold()
            self.hear(client, b"".join(piece for piece, _ in first) + last[:half], [each for _, each in first])
            self.hear(client, last[half:], [effect])
            self.loop.do(client.line.release)
        else:
            self.hear(client, b"".join(piece for piece, _ in played), [each for _, each in played])

    def hear(self, client: Client, data: bytes, effects: list[Effect]) -> None:
        """Give the connection a piece of input; the model follows in the same turn."""
        assert client.line is not None

        alone: list[Fate] = []
        before = self.rejected()

        def act() -> None:
            alone.extend(fate for effect in effects for fate in effect())
            if client.closing is not None:
                alone.extend(self.line_over(client, hard=client.closing))
            client.line.say(data)  # type: ignore[union-attr]

        self.loop.do(act)
        for fate in alone:
            self.closed_upon(fate, self.rejected() - before)

    def rejected(self) -> int:
        return self.totals.dropped[DropReason.REJECTED_BY_BROKER]

    def closed_upon(self, fate: Fate, rejections: int) -> None:
        """Only an event that was alone on the line at two hard closes may be given up."""
        fate.sole_closes += 1
        assert rejections in {0, 1}
        if rejections:
            assert fate.sole_closes >= 2
            self.attempts[Outcome.UNKNOWN] -= 1  # its last attempt is counted as the drop that it is
            fate.state = "dropped"

    def a_step(self, data: st.DataObject, client: Client, step: str) -> tuple[bytes, Effect]:
        """The frame, and what it does to the model."""
        peer, tags = client.peer, st.sampled_from(self.some_tags(client))
        if step in {"ack", "nack"}:
            ack, tag, multiple = step == "ack", data.draw(tags, label="tag"), data.draw(st.booleans(), label="multiple")
            self.spoken_of.update(self.meant(client, tag, multiple=multiple))
            return peer.answer(tag, multiple=multiple, ack=ack), lambda: self.answered(
                client, tag, multiple=multiple, ack=ack
            )
        if step in {"return", "return and ack"}:
            flying = [fate for fate in self.flying(client) if fate not in self.spoken_of]
            if not flying:
                return peer.returned("a-stranger", body=b""), list
            fate = data.draw(st.sampled_from(flying), label="returned")
            says, tag = peer.returned(fate.identity), fate.tag
            if step == "return":
                return says, lambda: self.came_back(client, fate)
            says += peer.answer(tag)
            self.spoken_of.add(fate)
            return says, lambda: [*self.came_back(client, fate), *self.answered(client, tag, multiple=False, ack=True)]
        if step == "block":
            return peer.block(), lambda: self.blocks(client, True)
        if step == "unblock":
            return peer.unblock(), lambda: self.blocks(client, False)
        code = data.draw(st.sampled_from([320, 403, 404, 406, 501, 541]), label="code")
        hard = code not in {320, 403}
        if step == "close the channel":
            return peer.close_channel(code), lambda: self.line_over(client, hard=hard)
        return peer.close_connection(code), lambda: self.closes(client, hard)

    def came_back(self, client: Client, fate: Fate) -> list[Fate]:
        if fate.state == "flying" and fate.line is client and not client.dead:
            client.returned.add(fate.identity)
        return []

    def closes(self, client: Client, hard: bool) -> list[Fate]:
        """The line ends after this piece of input; what the broker says in it still counts."""
        client.closing = hard if client.closing is None else client.closing
        return []

    def blocks(self, client: Client, blocked: bool) -> list[Fate]:
        client.blocked = blocked
        return []

    def some_tags(self, client: Client) -> list[int]:
        """Tags in flight more often than others, but also answered ones, none, one too many, and the largest there is."""
        flying = [fate.tag for fate in self.flying(client)]
        last = len(client.ear.messages)
        return [*flying, *flying, *flying, 0, max(1, last // 2), last + 1, 2**64 - 1]

    @precondition(lambda self: self.answering() is not None)
    @rule(data=st.data(), frames=st.lists(st.sampled_from(["ack", "nack", "return and ack"]), min_size=1, max_size=3))
    def answers_come_after_the_line_was_given_up(self, data: st.DataObject, frames: list[str]) -> None:
        """An old connection whose answers are late: they change nothing."""
        client = self.answering()
        assert client is not None
        self.spoken_of.clear()
        late = b"".join(self.a_step(data, client, step)[0] for step in frames)
        self.hear(client, client.peer.close_channel(320) + late, [lambda: self.line_over(client)])
        self.loop.do(client._on_data_available, late)

    @precondition(lambda self: self.answering() is not None)
    @rule()
    def the_line_is_cut(self) -> None:
        client = self.answering()
        assert client is not None
        assert client.line is not None
        self.loop.do(client.line.hang_up)

    @rule(bad=st.sampled_from(["nothing", "nothing", "all", "the dial", "the answers", "the queue", "the gate"]))
    def surroundings_change(self, bad: str) -> None:
        """What is bad from now on. Questions without an answer also ask for another broker, as a Secret may do."""
        self.refusing, self.mute = bad in {"all", "the dial"}, bad in {"all", "the answers"}
        self.switch.opened = bad not in {"all", "the gate"}
        self.targets.answer = replace(TARGET, port=5673) if self.mute else TARGET
        if bad in {"all", "the queue"}:
            self.queues.discard("q")
        else:
            self.queues.add("q")

    @rule(seconds=st.sampled_from([0.05, 0.5, 2.0, 6.0, 25.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.advance(seconds)
        self.graces_end()

    # -- what must hold ----------------------------------------------------------------------------------------------------

    @invariant()
    def every_event_is_somewhere_exactly_once(self) -> None:
        for station in self.stations:
            states = Counter(fate.state for fate in self.of(station))
            outbox, ledger, bad = station.outbox, station.ledger, len(station.unencodable_runs)
            unencodable = ledger.dropped[DropReason.ENCODE_ERROR]
            ends = station.reason is not None
            assert ledger.generated == sum(states.values()) - states["posted"] - states["withdrawn"] + bad
            assert ledger.published == states["published"]
            assert ledger.dropped_total == states["dropped"] + (bad if ends else unencodable)
            assert outbox.buffered == states["buffered"] + (0 if ends else bad - unencodable)
            assert outbox.in_flight == states["flying"]
            assert ledger.generated == ledger.published + ledger.dropped_total + outbox.buffered + outbox.in_flight
            assert ledger.run_published == station.run_published
            assert ledger.retried == station.retried
            assert outbox.consecutive_nacks == station.nacks
            pending = sum(fate.state in {"buffered", "flying"} and fate.run == station.run for fate in self.of(station))
            left = [] if ends else station.unencodable_runs[unencodable:]
            assert outbox.run_pending == pending + left.count(station.run)

    @invariant()
    def attempts_and_memory_are_accounted_for(self) -> None:
        assert +self.totals.attempts == +self.attempts, (self.totals.attempts, self.attempts)
        assert self.totals.published == sum(fate.state == "published" for fate in self.fates.values())
        held = sum(fate.bytes for fate in self.fates.values() if fate.state in {"buffered", "flying"})
        bad = sum(
            len(station.unencodable_runs) - station.ledger.dropped[DropReason.ENCODE_ERROR] for station in self.live()
        )
        assert self.budget.used_bytes == held + bad * PARCEL_OVERHEAD_BYTES

    @invariant()
    def who_waits_is_told_once_and_the_truth(self) -> None:
        for fate in self.fates.values():
            if fate.waiter is not None and not fate.waiter.cancelled():
                assert (fate.waiter.result() if fate.waiter.done() else None) == fate.expected, fate

    @invariant()
    def nothing_escapes_a_callback(self) -> None:
        assert not self.loop.errors
        assert not self.logged.records

    def teardown(self) -> None:
        """All becomes well: then every event that may still be delivered is, and nothing is left of anything."""
        try:
            self.all_becomes_well()
        finally:
            self.loop.do(self.close_all)
            self.loop.advance(5)
            left = self.loop.finish()
            logging.getLogger(PRODUCT).removeHandler(self.logged)
        assert not left, "no task is left"
        self.nothing_escapes_a_callback()

    def close_all(self) -> None:
        for station in self.live():
            station.outbox.close(DropReason.SHUTDOWN_DEADLINE)
            station.outlet.close(0)
        self.closing = self.loop.create_task(self.brokers.aclose())

    def take_all(self, client: Client) -> None:
        last = len(client.ear.messages)
        self.hear(client, client.peer.unblock(), [lambda: self.blocks(client, False)])
        self.hear(
            client,
            client.peer.answer(last, multiple=True),
            [lambda: self.answered(client, last, multiple=True, ack=True)],
        )

    def all_becomes_well(self) -> None:
        self.surroundings_change("nothing")
        for station in self.live():
            self.loop.do(station.outlet.retry_now)
        for _ in range(MOST_ROUNDS):
            client = self.answering()
            if client is not None:
                self.take_all(client)
            self.loop.advance(5)
            self.graces_end()
            self.every_event_is_somewhere_exactly_once()
            if all(station.outbox.idle for station in self.stations):
                break
        self.attempts_and_memory_are_accounted_for()
        self.who_waits_is_told_once_and_the_truth()
        states = {fate.state for fate in self.fates.values()}
        assert states <= {"published", "dropped", "withdrawn"}, "once all is well everything is delivered"
        assert self.budget.used_bytes == 0
        client = self.answering()
        if client is not None:
            left = {number for number, channel in client._channels.items() if channel.is_open}
            assert left <= {client.peer.publishing_channel}, "no channel is left open"
        for station in self.live():
            dropped = +station.ledger.dropped
            del dropped[DropReason.ENCODE_ERROR], dropped[DropReason.REJECTED_BY_BROKER]
            assert not dropped or not station.resend, "nothing is dropped for the broker's sake"


@contextmanager
def quiet() -> Iterator[None]:
    """Every end of a line is logged, by pika at length; the machine ends thousands. Errors of the product are looked at."""
    levels = {"pika": logging.CRITICAL + 1, PRODUCT: logging.ERROR}
    before = {name: logging.getLogger(name).level for name in levels}
    try:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
