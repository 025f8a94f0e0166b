"""A state machine that plays a broker's answers in every order against the real outbox, outlet, session, dialer and pika.

Only the network (`amqp_peer.Line`) and the clock are not real. What must follow is in the model beside it.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from audit_event_operator.brokers.rabbitmq.connection import GatheringConnection
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.budget import PARCEL_OVERHEAD_BYTES, Budget
from audit_event_operator.engine.ledger import DropReason, Totals
from audit_event_operator.engine.outbox import NO_RUN
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.resource.broker_spec import DeclarationMode, Delivery
from audit_event_operator.targets.target import Target
from support.doubles.amqp_peer import CHANNEL_MAX, Line, Peer, Published
from support.doubles.confirm_model import Model, ModelConnection, ModelEvent, ModelOutlet
from support.doubles.error_log import ErrorLog
from support.doubles.events import make_event
from support.doubles.manual_loop import ManualLoop
from support.doubles.producer import FakeGate, Targets, destination, rabbitmq_brokers

LOOKS = {"secret_failing_seconds": 10, "secret_connected_seconds": 10}
TIMING = Timing(rpc_seconds=5, confirm_seconds=20, heartbeat_seconds=3600, slow_retry_max_seconds=60, **LOOKS)
TARGET = Target("broker.test", 5672, "/", "user", "password")
UNENCODABLE = "é" * 200
"""An event type that fits into no AMQP property."""
CLOSING = [DropReason.RESOURCE_DELETED, DropReason.TARGET_CHANGED, DropReason.SHUTDOWN_DEADLINE]
ANSWERS = ["ack", "ack", "nack", "return", "return and ack"]
STEPS = [*ANSWERS, *ANSWERS, "block", "unblock", "close the channel", "close the connection"]
MOST_ROUNDS = 60
MOST_OUTLETS = 6


class ObservedConnection(GatheringConnection):
    """The real connection with a peer at its end. The model hears what it is given to write, before any of it is flushed."""

    def __init__(self, machine: "ConfirmMachine", parameters: Any, **callbacks: Any):
        super().__init__(parameters, internal_connection_workflow=False, **callbacks)
        self.model = ModelConnection()
        self.peer = Peer(lambda *said: machine.hears(*said), queues=machine.queues, channel_max=machine.channel_max)
        self.given = Peer(on_method=self._taking_leave, on_publish=self._publishing)
        self._machine = machine
        self.line = Line(self, self.peer, lambda: machine.model.ended(self.model))

    def write(self, pieces: list[bytes]):
        self.given.feed(b"".join(pieces))
        super().write(pieces)

    def send(self, pieces: list[bytes]):
        self.given.feed(b"".join(pieces))
        super().send(pieces)

    def _taking_leave(self, name: str, channel: int, _method: Any) -> bytes:
        """Channel by channel, then of the connection."""
        if name == "Connection.Close" or (name == "Channel.Close" and channel == self.peer.publishing_channel):
            self._machine.model.ended(self.model)
        return b""

    def _publishing(self, message: Published) -> bytes:
        self._machine.model.written(self.model, message)
        return b""


Effect = Callable[[], object]
"""What a frame does to the model."""


class ConfirmMachine(RuleBasedStateMachine):
    """See the module. At the end everything becomes well-behaved, and every event must come to an end."""

    def __init__(self):
        super().__init__()
        self.loop = ManualLoop()
        self.model = Model()
        self.totals = Totals()
        self.gate = FakeGate()
        self.budget = Budget(limit_bytes=30 * 750)
        self.targets = Targets(TARGET)
        self.queues = {"q"}
        self.refusing = self.mute = False
        self.channel_max = CHANNEL_MAX
        self.connections: list[ObservedConnection] = []
        self.outlets: list[ModelOutlet] = []
        self.answered: set[ModelEvent] = set()
        """In the piece of input that is being made; a broker returns nothing that it has answered."""
        self.numbers = itertools.count(1)
        self.errors = ErrorLog().__enter__()
        making = partial(rabbitmq_brokers, self.targets, TIMING, totals=self.totals, connect=self._connect)
        self.brokers = self.loop.do(making)

    def _connect(self, parameters: Any, **callbacks: Any) -> ObservedConnection:
        connection = ObservedConnection(self, parameters, **callbacks)
        self.connections.append(connection)
        if self.refusing:
            self.loop.call_soon(connection.line.reset)
        return connection

    def hears(self, name: str, _channel: int, _method: Any) -> bytes | None:
        return b"" if self.mute and name in {"Channel.Open", "Confirm.Select", "Queue.Declare"} else None

    def graces_end(self):
        for outlet in self.outlets:
            if outlet.deadline is not None and outlet.deadline <= self.loop.now:
                self.model.grace_is_over(outlet)

    def answering(self) -> ObservedConnection | None:
        """The connection on which the broker may answer, if there is one."""
        able = [each for each in self.connections if not each.model.over and each.peer.publishing_channel]
        return able[-1] if able else None

    # -- the generator's side ----------------------------------------------------------------------------------------------

    def an_outlet(self, data) -> ModelOutlet:
        return data.draw(st.sampled_from(self.live()), label="outlet")

    def live(self) -> list[ModelOutlet]:
        return [outlet for outlet in self.outlets if outlet.closed_for is None]

    @initialize(window=st.integers(1, 6), second=st.booleans(), delivery=st.sampled_from(Delivery))
    def begin(self, window: int, second: bool, delivery: Delivery):
        self.open_one(window, Delivery.AT_LEAST_ONCE, DeclarationMode.CREATE_IF_MISSING)
        if second:
            self.open_one(3, delivery, DeclarationMode.MUST_EXIST)
        for outlet in self.live():
            self.put_into(outlet, window, 20)

    def open_one(self, window: int, delivery: Delivery, mode: DeclarationMode, queue: str = "q"):
        how = {"gate": self.gate, "totals": self.totals, "budget": self.budget, "window": window}
        where = destination(queue, mode=mode, delivery=delivery)
        self.outlets.append(self.loop.do(partial(ModelOutlet, self.brokers, where, **how)))

    def an_event(self, outlet: ModelOutlet, size: int, run: int) -> AuditEvent:
        identity = f"id-{next(self.numbers)}"
        self.model.events[identity] = ModelEvent(identity, outlet, run, size + PARCEL_OVERHEAD_BYTES)
        return make_event(identity, b"x" * size)

    def put_into(self, outlet: ModelOutlet, count: int, size: int, *, unencodable: bool = False):
        count = min(count, outlet.outbox.room)
        events = [self.an_event(outlet, size, outlet.run) for _ in range(count)]
        if unencodable:
            events.append(make_event(f"id-{next(self.numbers)}", b"", event_type=UNENCODABLE))
            outlet.unencodable_runs.append(outlet.run)
        self.loop.do(outlet.outbox.put, events)

    @precondition(lambda self: self.live())
    @rule(data=st.data(), count=st.integers(1, 5), size=st.integers(0, 60), unencodable=st.integers(0, 9))
    def put(self, data, count: int, size: int, unencodable: int):
        self.put_into(self.an_outlet(data), count, size, unencodable=unencodable == 9)

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def post(self, data):
        outlet = self.an_outlet(data)
        made = self.an_event(outlet, 30, NO_RUN)
        event = self.model.events[made.event_id]
        event.state, event.waiter = "posted", self.loop.create_future()
        event.parcel = self.loop.do(outlet.outbox.post, made, event.waiter)
        if event.parcel is None:  # there was no memory for it
            event.state = "withdrawn"

    def posts(self) -> list[ModelEvent]:
        return [event for event in self.model.events.values() if event.parcel is not None]

    @precondition(lambda self: self.posts())
    @rule(data=st.data())
    def give_a_post_up(self, data):
        event = data.draw(st.sampled_from(self.posts()), label="post")
        withdrawn = self.loop.do(event.outlet.outbox.withdraw, event.parcel)
        assert withdrawn == (event.state == "posted")
        if withdrawn:
            event.state = "withdrawn"
        event.parcel = None
        event.waiter.cancel()

    @precondition(lambda self: self.live())
    @rule(data=st.data(), what=st.sampled_from(["the window", "the run", "the spec"]), window=st.integers(1, 6))
    def a_generator_changes(self, data, what: str, window: int):
        outlet = self.an_outlet(data)
        if what == "the window":
            outlet.outbox.window = window
            self.loop.do(outlet.outlet.resize)
        elif what == "the run":
            outlet.outbox.begin_run()
            outlet.run += 1
            outlet.run_published = 0
        else:
            self.loop.do(outlet.outlet.retry_now)

    @precondition(lambda self: self.live())
    @rule(
        data=st.data(), reason=st.sampled_from(CLOSING), grace_seconds=st.sampled_from([0.0, 5.0]),
        window=st.integers(1, 6), delivery=st.sampled_from(Delivery), mode=st.sampled_from(DeclarationMode),
    )  # fmt: skip
    def an_outlet_ends_and_another_begins(self, data, reason, grace_seconds, window, delivery, mode):
        self.close(self.an_outlet(data), reason, grace_seconds)
        if len(self.outlets) < MOST_OUTLETS:
            self.open_one(window, delivery, mode)

    def close(self, outlet: ModelOutlet, reason: DropReason, grace_seconds: float):
        def act():
            self.model.closed(outlet, reason, self.loop.now + grace_seconds)
            at_once = grace_seconds == 0 or not outlet.health.connected
            outlet.outbox.close(reason)
            outlet.outlet.close(grace_seconds)
            if at_once:
                self.model.grace_is_over(outlet)

        self.loop.do(act)

    # -- the broker's side -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.answering())
    @rule(data=st.data(), steps=st.lists(st.sampled_from(ANSWERS), min_size=2, max_size=5), cut=st.booleans())
    def the_broker_answers(self, data, steps: list[str], cut: bool):
        self.play(data, steps, cut)

    @precondition(lambda self: self.answering())
    @rule(data=st.data(), steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=4), cut=st.booleans())
    def the_broker_says(self, data, steps: list[str], cut: bool):
        self.play(data, steps, cut)

    def play(self, data, steps: list[str], cut: bool):
        """Frames as one piece of input, or with the last one cut in two."""
        connection = self.answering()
        self.answered.clear()
        *first, (last, effects) = [self.a_step(data, connection, step) for step in steps]
        before, effects_before = b"".join(piece for piece, _ in first), [each for _, some in first for each in some]
        half = len(last) // 2 if cut else 0
        if half:
            connection.line.hold()
            self.hear(connection, before + last[:half], *effects_before)
            self.hear(connection, last[half:], *effects)
            self.loop.do(connection.line.release)
        else:
            self.hear(connection, before + last, *effects_before, *effects)

    def hear(self, connection: ObservedConnection, data: bytes, *effects: Effect):
        """Give the connection a piece of input; the model follows in the same turn."""
        dropped, alone = self.totals.dropped, []
        before = dropped[DropReason.REJECTED_BY_BROKER]

        def act():
            for effect in effects:
                alone.extend(effect() or [])
            if connection.model.closing is not None:
                alone.extend(self.model.ended(connection.model, hard=connection.model.closing))
            connection.line.say(data)

        self.loop.do(act)
        for event in alone:
            self.model.closed_upon(event, dropped[DropReason.REJECTED_BY_BROKER] - before)

    def a_step(self, data, connection: ObservedConnection, step: str) -> tuple[bytes, list[Effect]]:
        peer, model, seen = connection.peer, self.model, connection.model
        if step in {"ack", "nack"}:
            tag = data.draw(st.sampled_from(self.some_tags(connection)), label="tag")
            how = {"multiple": data.draw(st.booleans(), label="multiple"), "ack": step == "ack"}
            self.answered.update(model.about(seen, tag, multiple=how["multiple"]))
            return peer.answer(tag, **how), [partial(model.answered, seen, tag, **how)]
        if step in {"return", "return and ack"}:
            flying = [event for event in model.in_flight(seen) if event not in self.answered]
            if not flying:
                return peer.returned("a-stranger", body=b""), []
            event = data.draw(st.sampled_from(flying), label="returned")
            says, effect = peer.returned(event.identity), partial(model.came_back, seen, event)
            if step == "return":
                return says, [effect]
            self.answered.add(event)
            return says + peer.answer(event.tag), [effect, partial(model.answered, seen, event.tag)]
        if step in {"block", "unblock"}:
            blocked = step == "block"
            return peer.block() if blocked else peer.unblock(), [partial(seen.block, blocked)]
        code = data.draw(st.sampled_from([320, 403, 404, 406, 501, 541]), label="code")
        hard = code not in {320, 403}
        if step == "close the channel":
            return peer.close_channel(code), [partial(model.ended, seen, hard=hard)]
        return peer.close_connection(code), [partial(seen.close, hard)]

    def some_tags(self, connection: ObservedConnection) -> list[int]:
        """Tags in flight more often than others, but also answered ones, none, one too many, and the largest there is."""
        flying = [event.tag for event in self.model.in_flight(connection.model)]
        last = len(connection.given.messages)
        return [*flying, *flying, *flying, 0, max(1, last // 2), last + 1, 2**64 - 1]

    @precondition(lambda self: self.answering())
    @rule(data=st.data(), frames=st.lists(st.sampled_from(["ack", "nack", "return and ack"]), min_size=1, max_size=3))
    def answers_come_after_the_connection_was_given_up(self, data, frames: list[str]):
        """An old connection whose answers are late: they change nothing."""
        connection = self.answering()
        self.answered.clear()
        late = b"".join(self.a_step(data, connection, step)[0] for step in frames)
        self.hear(connection, connection.peer.close_channel(320) + late, partial(self.model.ended, connection.model))
        self.loop.do(connection._on_data_available, late)

    @precondition(lambda self: self.answering())
    @rule()
    def the_line_is_cut(self):
        self.loop.do(self.answering().line.hang_up)

    @rule(bad=st.sampled_from(["nothing", "nothing", "all", "the dial", "the answers", "the queue", "the gate"]))
    def surroundings_change(self, bad: str):
        """What is bad from now on. Questions without an answer also ask for another broker, as a Secret may do."""
        self.refusing, self.mute = bad in {"all", "the dial"}, bad in {"all", "the answers"}
        self.gate.opened = bad not in {"all", "the gate"}
        self.targets.answer = replace(TARGET, port=5673) if self.mute else TARGET
        if bad in {"all", "the queue"}:
            self.queues.discard("q")
        else:
            self.queues.add("q")

    @rule(seconds=st.sampled_from([0.05, 0.5, 2.0, 6.0, 25.0]))
    def time_passes(self, seconds: float):
        self.loop.advance(seconds)
        self.graces_end()

    # -- what must hold ----------------------------------------------------------------------------------------------------

    @invariant()
    def every_event_is_somewhere_exactly_once(self):
        for outlet in self.outlets:
            self.model.check_ledger(outlet)

    @invariant()
    def attempts_and_memory_are_accounted_for(self):
        attempts, published = self.totals.attempts, self.totals.published
        assert +attempts == +self.model.attempts, (attempts, self.model.attempts)
        assert published == sum(event.state == "published" for event in self.model.events.values())
        self.model.check_budget(self.budget, self.live())

    @invariant()
    def who_waits_is_told_once_and_the_truth(self):
        self.model.check_waiters()

    @invariant()
    def nothing_escapes_a_callback(self):
        assert not self.loop.errors
        assert not self.errors.records

    def teardown(self):
        """All becomes well: then every event that may still be delivered is, and nothing is left of anything."""
        try:
            self.all_becomes_well()
        finally:
            self.loop.do(self.close_all)
            self.loop.advance(5)
            left = self.loop.finish()
            self.errors.__exit__()
        assert not left, "no task is left"
        self.nothing_escapes_a_callback()

    def close_all(self):
        for outlet in self.live():
            outlet.outbox.close(DropReason.SHUTDOWN_DEADLINE)
            outlet.outlet.close(0)
        self.closing = self.loop.create_task(self.brokers.aclose())

    def take_all(self, connection: ObservedConnection):
        last = len(connection.given.messages)
        self.hear(connection, connection.peer.unblock(), partial(connection.model.block, False))
        everything = partial(self.model.answered, connection.model, last, multiple=True)
        self.hear(connection, connection.peer.answer(last, multiple=True), everything)

    def all_becomes_well(self):
        self.surroundings_change("nothing")
        for outlet in self.live():
            self.loop.do(outlet.outlet.retry_now)
        for _ in range(MOST_ROUNDS):
            if (connection := self.answering()) is not None:
                self.take_all(connection)
            self.loop.advance(5)
            self.graces_end()
            self.every_event_is_somewhere_exactly_once()
            if all(outlet.outbox.idle for outlet in self.outlets):
                break
        self.attempts_and_memory_are_accounted_for()
        self.who_waits_is_told_once_and_the_truth()
        states = {event.state for event in self.model.events.values()}
        assert states <= {"published", "dropped", "withdrawn"}, "once all is well everything is delivered"
        assert self.budget.used_bytes == 0
        if (connection := self.answering()) is not None:
            left = {number for number, channel in connection._channels.items() if channel.is_open}
            assert left <= {connection.peer.publishing_channel}, "no channel is left open"
        for outlet in self.live():
            dropped = +outlet.ledger.dropped
            del dropped[DropReason.ENCODE_ERROR], dropped[DropReason.REJECTED_BY_BROKER]
            assert not dropped or not outlet.outbox.resend, "nothing is dropped for the broker's sake"
