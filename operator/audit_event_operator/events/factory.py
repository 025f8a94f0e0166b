"""Makes events: the content is a function of (seed, sequence), the id and the time are new.

Random access and no state: event number n is the same whoever makes it and whatever was made before, so a restart goes on
where it was, and the same seed tells the same story again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

from audit_event_operator.events.compiled import Template, Who, built_in, escaped, of_event_type
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.mix import Wheel, weights_of
from audit_event_operator.events.words import CLIENT_ADDRESSES
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES

_NS: Final = 1_000_000_000
_SEED_BITS: Final = 53


def derive_seed(uid: str) -> int:
    """The seed of a resource that names none: the same for the same UID, 0 to 2^53 − 1."""
    return int.from_bytes(blake2b(uid.encode("utf-8", "replace"), digest_size=8).digest(), "big") >> (64 - _SEED_BITS)


def timestamp_of(unix_ns: int) -> str:
    """UTC with six digits and a Z, always of the same length."""
    moment = datetime.fromtimestamp(unix_ns // _NS, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{unix_ns % _NS // 1000:06d}Z"


def uuid4_texts(entropy: bytes) -> list[str]:
    """One random UUID (version 4, RFC 9562) for every 16 bytes."""
    digits = entropy.hex()
    return [
        f"{digits[at : at + 8]}-{digits[at + 8 : at + 12]}-4{digits[at + 13 : at + 16]}-"
        f"{'89ab'[int(digits[at + 16], 16) & 3]}{digits[at + 17 : at + 20]}-{digits[at + 20 : at + 32]}"
        for at in range(0, len(digits), 32)
    ]


class EventFactory:
    """Makes the events of one spec.

    Args:
        spec: mix, event types and entities.
        seed: of the content, any integer of 64 bits.
        entropy: random bytes for ids.
    """

    def __init__(self, spec: GeneratorSpec, *, seed: int, entropy: Callable[[int], bytes] = os.urandom) -> None:
        own = {event_type.name: event_type for event_type in spec.event_types}
        weights = weights_of(spec.event_mix)
        self._templates: list[Template] = [
            built_in(name) if name in BUILT_IN_TEMPLATES else of_event_type(own[name]) for name in weights
        ]
        self._wheel = Wheel(list(weights.values()))
        self._hosts = [(name, escaped(name)) for name in spec.entities.hosts.names]
        self._users = [escaped(name) for name in spec.entities.users.names]
        self._addresses = [address.encode() for address in CLIENT_ADDRESSES]
        self._hash = blake2b(seed.to_bytes(9, "big", signed=True), digest_size=48)
        self._entropy = entropy

    def make(self, first_sequence: int, count: int, unix_ns: int) -> list[AuditEvent]:
        """Make `count` events, numbered from `first_sequence` (0 and up), all with the time `unix_ns`."""
        stamp, unix_seconds = timestamp_of(unix_ns).encode(), unix_ns // _NS
        templates, at, total = self._templates, self._wheel.at, self._wheel.total
        hosts, users, addresses = self._hosts, self._users, self._addresses
        host_count, user_count, address_count = len(hosts), len(users), len(addresses)
        keyed, from_bytes = self._hash, int.from_bytes
        events: list[AuditEvent] = []
        append = events.append
        for sequence, ident in enumerate(uuid4_texts(self._entropy(16 * count)), first_sequence):
            digest = keyed.copy()
            digest.update(sequence.to_bytes(8, "big"))
            draw, point = divmod(from_bytes(digest.digest(), "big"), total)
            template = templates[at(point)]
            draw, index = divmod(draw, host_count)
            host, host_json = hosts[index]
            draw, index = divmod(draw, user_count)
            user = users[index]
            draw, index = divmod(draw, address_count)
            who = Who(user, host_json, addresses[index], sequence)
            body = template.render(draw, ident.encode(), stamp, who)
            append(AuditEvent(ident, template.event_type, host, template.action_result, unix_seconds, body))
        return events
