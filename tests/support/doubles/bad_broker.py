"""A broker that misbehaves by script: what it does instead of, or before, what a broker would do, at which point of the talk.

`BadPeer` has no I/O of its own: it speaks through a `Wire`, in memory or on a socket. What it acknowledged, and what it has
merely said, is in `accepted`: nothing else may ever count as published.
"""

import random
from dataclasses import dataclass
from typing import Any, Protocol

from hypothesis import strategies as st
from pika import spec
from pika.frame import Body, Header, Heartbeat

from support.doubles.amqp_peer import Peer, Published, Reply, oversized_frame

PUBLISH = "publish"
STAGES = ["ProtocolHeader", "Connection.StartOk", "Connection.Open", "Channel.Open", "Confirm.Select", "Queue.Declare"]


class Wire(Protocol):
    """How a peer reaches its client."""

    def say(self, data: bytes) -> None:
        """Send."""

    def hang_up(self) -> None:
        """End the stream."""

    def cut(self) -> None:
        """Reset it."""


@dataclass(frozen=True)
class Misbehaviour:
    """What it does, and when: the first time that the client comes to `stage`. `number` varies it."""

    stage: str
    what: str
    number: int = 0


def _unexpected(number: int) -> bytes:
    """Frames that are well-formed and make no sense where they come."""
    properties = spec.BasicProperties(message_id="stranger")
    frames = [
        Peer.method(spec.Basic.Deliver("nobody", 1, False, "", "q"), 1),
        Peer.method(spec.Basic.Return(312, "NO_ROUTE", "", "q"), 1),
        Peer.method(spec.Basic.Ack(1), 0),
        Peer.method(spec.Basic.Ack(1), 2),
        Peer.method(spec.Basic.Ack(1), 65_535),
        Peer.method(spec.Basic.Nack(1), 0),
        Peer.method(spec.Channel.OpenOk(), 1),
        Peer.method(spec.Channel.CloseOk(), 1),
        Peer.method(spec.Channel.Flow(False), 1),
        Peer.method(spec.Confirm.SelectOk(), 1),
        Peer.method(spec.Queue.DeclareOk("q", 0, 0), 1),
        Peer.method(spec.Connection.Start(server_properties={}, mechanisms="PLAIN", locales="en_US")),
        Peer.method(spec.Connection.Tune(0, 0, 0)),
        Peer.method(spec.Connection.Tune(1, 10, 1)),
        Peer.method(spec.Connection.OpenOk()),
        Peer.method(spec.Connection.CloseOk()),
        bytes(Header(1, 5, properties).marshal()),
        bytes(Body(1, b"lonely").marshal()),
        bytes(Heartbeat().marshal()),
        Peer.method(spec.Basic.Return(312, "NO_ROUTE", "", "q"), 1) + bytes(Header(1, 2**63, properties).marshal()),
        b"AMQP\x00\x00\x09\x01",
    ]
    return frames[number % len(frames)]


class BadPeer(Peer):
    """Does each step of its script once, in order; between and after them it is as good as any broker.

    Args:
        script: what it does.
        wire: the way to the client.
        accepted: gets what is acknowledged and was not returned on this connection.
    """

    def __init__(
        self, script: list[Misbehaviour], wire: Wire, accepted: set[str], queues: set[str] | None = None
    ) -> None:
        super().__init__(on_method=self._at, on_publish=self._on_message, queues=queues)
        self._script = list(script)
        self._wire = wire
        self._accepted = accepted
        self._silent = False
        self._kept: list[Published] = []
        self._promises: list[tuple[int, bool]] = []

    def say_ack(self, tag: int, *, multiple: bool = False) -> bytes:
        """An ack, noted for each message that it is about, also for those that are still on their way here."""
        self._promises.append((tag, multiple))
        for each in self.messages:
            self._note(each)
        return self.answer(tag, multiple=multiple)

    def _note(self, message: Published) -> None:
        tag = message.tag
        if not message.returned and any(tag == end or (many and tag <= (end or tag)) for end, many in self._promises):
            self._accepted.add(message.message_id)

    def _next(self, stage: str) -> Misbehaviour | None:
        if self._script and self._script[0].stage == stage:
            return self._script.pop(0)
        return None

    def _at(self, name: str, channel: int, method: Any) -> Reply:
        step = self._next(name)
        if self._silent:
            return b""
        if step is None:
            return None
        self.publishing_channel = self.publishing_channel or 1
        before = self._do(step)
        return before if before is None or self._silent else before + self._as_a_broker(name, channel, method)

    def _do(self, step: Misbehaviour) -> bytes:
        """What comes before the answer, if one is still to come."""
        number = step.number
        match step.what:
            case "silence":
                self._silent = True
            case "garbage":
                return random.Random(number).randbytes(1 + number % 64)
            case "unexpected":
                return _unexpected(number)
            case "oversized":
                self._silent = True
                return oversized_frame() + b"\x00" * (number % 1000)
            case "half a frame and cut":
                self._wire.say(self.block()[: 1 + number % 20])
                self._end(cut=number % 2 == 0)
            case "cut":
                self._end(cut=True)
            case "hang up":
                self._end(cut=False)
            case "close the connection":
                return self.close_connection([320, 402, 403, 406, 501, 530, 541][number % 7])
            case "close the channel":
                return self.close_channel([404, 405, 406, 403, 311][number % 5])
            case "block":
                return self.block()
            case "unblock":
                return self.unblock()
            case "block and unblock":
                return self.block() + self.block() + self.unblock() + self.unblock()
            case _:
                raise ValueError(step.what)
        return b""

    def _end(self, *, cut: bool) -> None:
        self._silent = True
        (self._wire.cut if cut else self._wire.hang_up)()

    def _on_message(self, message: Published) -> bytes:
        step = self._next(PUBLISH)
        self._note(message)
        if self._silent:
            return b""
        if step is None:
            kept, self._kept = self._kept, []
            # Those that were kept back are answered after the one that came later.
            return self.say_ack(message.tag) + b"".join(self.say_ack(each.tag) for each in reversed(kept))
        tag = message.tag
        match step.what:
            case "answer later":
                self._kept.append(message)
                return b""
            case "never answer":
                return b""
            case "ack twice":
                return self.say_ack(tag) + self.answer(tag)
            case "ack all":
                return self.say_ack(0, multiple=True) if step.number % 2 else self.say_ack(tag, multiple=True)
            case "ack unknown":
                return self.say_ack(tag + 1 + step.number % 8) + self.say_ack(tag)
            case "ack many unknown":
                return self.say_ack(2**64 - 1 - step.number, multiple=True)
            case "nack":
                return self.answer(tag, multiple=step.number % 2 == 1, ack=False)
            case "ack and nack":
                return self.say_ack(tag) + self.answer(tag, ack=False)
            case "return":
                return self.give_back(message)
            case "return and ack":
                return self.give_back(message) + self.say_ack(tag)
            case "return twice and ack all":
                said = self.give_back(message) + self.give_back(message)
                return said + self.say_ack(tag, multiple=True)
            case "return a stranger":
                return self.returned("a-stranger", body=b"") + self.say_ack(tag)
            case "half an ack and cut":
                self._wire.say(self.say_ack(tag)[: 1 + step.number % 20])
                self._end(cut=step.number % 2 == 0)
                return b""
            case _:
                before = self._do(step)
                return before if self._silent else before + self.say_ack(tag)


ANYWHERE = [
    "silence", "garbage", "unexpected", "unexpected", "oversized", "half a frame and cut", "cut", "hang up",
    "close the connection", "close the channel", "block", "unblock", "block and unblock",
]  # fmt: skip
WITH_A_MESSAGE = [
    "answer later", "never answer", "ack twice", "ack all", "ack unknown", "ack many unknown", "nack", "ack and nack",
    "return", "return and ack", "return twice and ack all", "return a stranger", "half an ack and cut",
]  # fmt: skip

numbers = st.integers(0, 10_000)
early = st.builds(Misbehaviour, st.sampled_from(STAGES), st.sampled_from(ANYWHERE), numbers)
late = st.builds(Misbehaviour, st.just(PUBLISH), st.sampled_from(WITH_A_MESSAGE + ANYWHERE), numbers)
scripts = st.one_of(st.lists(early, min_size=1, max_size=2), st.lists(late, min_size=1, max_size=6), st.just([]))
"""What one connection meets."""
