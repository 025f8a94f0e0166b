"""A broker that misbehaves by script: what it does instead of, or before, what a broker would do, at which point of the talk.

`BadPeer` has no I/O of its own: it speaks through a `Wire`, in memory or on a socket. What it acknowledged, and what it has
merely said, is in `accepted`: nothing else may ever count as published.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from hypothesis import strategies as st
from pika import spec
from pika.frame import Body, Header, Heartbeat

from support.doubles.amqp_peer import Peer, Published, Reply, oversized_frame

PUBLISH = "publish"
STAGES = ["ProtocolHeader", "Connection.StartOk", "Connection.Open", "Channel.Open", "Confirm.Select", "Queue.Declare"]


class Wire(Protocol):
    """How a peer reaches its client."""

    def say(self, data: bytes) -> None: ...
    def hang_up(self) -> None: ...
    def cut(self) -> None: ...


@dataclass(frozen=True)
class Misbehaviour:
    """What it does, and when: the first time that the client comes to `stage`. `number` varies it."""

    stage: str
    what: str
    number: int = 0


class BadPeer(Peer):
    """Does each step of its script once, in order; between and after them it is as good as any broker.

    `accepted` gets what is acknowledged and was not returned on this connection.
    """

    def __init__(self, script: list[Misbehaviour], wire: Wire, accepted: set[str], queues: set[str] | None = None):
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

    def keep(self, message: Published) -> bytes:
        """It is answered after one that comes later."""
        self._kept.append(message)
        return b""

    def last_words(self, data: bytes = b"") -> bytes:
        self._silent = True
        return data

    def end(self, *, cut: bool, after: bytes = b"") -> bytes:
        """End the line, perhaps in the middle of something."""
        if after:
            self._wire.say(after)
        (self._wire.cut if cut else self._wire.hang_up)()
        return self.last_words()

    def _note(self, message: Published) -> None:
        tag = message.tag
        if not message.returned and any(tag == end or (many and tag <= (end or tag)) for end, many in self._promises):
            self._accepted.add(message.message_id)

    def _next(self, stage: str) -> Misbehaviour | None:
        return self._script.pop(0) if self._script and self._script[0].stage == stage else None

    def _at(self, name: str, channel: int, method: Any) -> Reply:
        step = self._next(name)
        if self._silent:
            return b""
        if step is None:
            return None
        self.publishing_channel = self.publishing_channel or 1
        before = ANYWHERE[step.what](self, step.number)
        return before if self._silent else before + self._as_a_broker(name, channel, method)

    def _on_message(self, message: Published) -> bytes:
        step = self._next(PUBLISH)
        self._note(message)
        if self._silent:
            return b""
        if step is None:
            kept, self._kept = self._kept, []
            return self.say_ack(message.tag) + b"".join(self.say_ack(each.tag) for each in reversed(kept))
        if step.what in WITH_A_MESSAGE:
            return WITH_A_MESSAGE[step.what](self, message, step.number)
        before = ANYWHERE[step.what](self, step.number)
        return before if self._silent else before + self.say_ack(message.tag)


_STRANGER = spec.BasicProperties(message_id="stranger")
_RETURN = Peer.method(spec.Basic.Return(312, "NO_ROUTE", "", "q"), 1)
UNEXPECTED = [
    Peer.method(spec.Basic.Deliver("nobody", 1, False, "", "q"), 1),
    _RETURN,
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
    bytes(Header(1, 5, _STRANGER).marshal()),
    bytes(Body(1, b"lonely").marshal()),
    bytes(Heartbeat().marshal()),
    _RETURN + bytes(Header(1, 2**63, _STRANGER).marshal()),
    b"AMQP\x00\x00\x09\x01",
]
"""Frames that are well-formed and make no sense where they come."""
CONNECTION_CODES = [320, 402, 403, 406, 501, 530, 541]
CHANNEL_CODES = [404, 405, 406, 403, 311]

ANYWHERE: Final[dict[str, Callable[[BadPeer, int], bytes]]] = {
    "silence": lambda peer, _n: peer.last_words(),
    "garbage": lambda _peer, n: random.Random(n).randbytes(1 + n % 64),
    "unexpected": lambda _peer, n: UNEXPECTED[n % len(UNEXPECTED)],
    "oversized": lambda peer, n: peer.last_words(oversized_frame() + b"\x00" * (n % 1000)),
    "half a frame and cut": lambda peer, n: peer.end(cut=n % 2 == 0, after=peer.block()[: 1 + n % 20]),
    "cut": lambda peer, _n: peer.end(cut=True),
    "hang up": lambda peer, _n: peer.end(cut=False),
    "close the connection": lambda peer, n: peer.close_connection(CONNECTION_CODES[n % len(CONNECTION_CODES)]),
    "close the channel": lambda peer, n: peer.close_channel(CHANNEL_CODES[n % len(CHANNEL_CODES)]),
    "block": lambda peer, _n: peer.block(),
    "unblock": lambda peer, _n: peer.unblock(),
    "block and unblock": lambda peer, _n: 2 * peer.block() + 2 * peer.unblock(),
}
"""What it does before the answer, if one is still to come."""

WITH_A_MESSAGE: Final[dict[str, Callable[[BadPeer, Published, int], bytes]]] = {
    "answer later": lambda peer, message, _n: peer.keep(message),
    "never answer": lambda _peer, _message, _n: b"",
    "ack twice": lambda peer, message, _n: peer.say_ack(message.tag) + peer.answer(message.tag),
    "ack all": lambda peer, message, n: peer.say_ack(0 if n % 2 else message.tag, multiple=True),
    "ack unknown": lambda peer, message, n: peer.say_ack(message.tag + 1 + n % 8) + peer.say_ack(message.tag),
    "ack many unknown": lambda peer, _message, n: peer.say_ack(2**64 - 1 - n, multiple=True),
    "nack": lambda peer, message, n: peer.answer(message.tag, multiple=n % 2 == 1, ack=False),
    "ack and nack": lambda peer, message, _n: peer.say_ack(message.tag) + peer.answer(message.tag, ack=False),
    "return": lambda peer, message, _n: peer.give_back(message),
    "return and ack": lambda peer, message, _n: peer.give_back(message) + peer.say_ack(message.tag),
    "return twice and ack all": lambda peer, message, _n: (
        2 * peer.give_back(message) + peer.say_ack(message.tag, multiple=True)
    ),
    "return a stranger": lambda peer, message, _n: peer.returned("a-stranger", body=b"") + peer.say_ack(message.tag),
    "half an ack and cut": lambda peer, message, n: peer.end(
        cut=n % 2 == 0, after=peer.say_ack(message.tag)[: 1 + n % 20]
    ),
}

numbers = st.integers(0, 10_000)
anywhere = [*ANYWHERE, "unexpected"]
early = st.builds(Misbehaviour, st.sampled_from(STAGES), st.sampled_from(anywhere), numbers)
late = st.builds(Misbehaviour, st.just(PUBLISH), st.sampled_from([*WITH_A_MESSAGE, *anywhere]), numbers)
scripts = st.one_of(st.lists(early, min_size=1, max_size=2), st.lists(late, min_size=1, max_size=6), st.just([]))
"""What one connection meets."""
