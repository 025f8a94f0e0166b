"""Makes events: the content is a function of (seed, sequence), the id and the time are new.

Random access and no state: event number n is the same whoever makes it and whatever was made before, so a restart goes on
where it was, and the same seed tells the same story again. Knows neither what an event is for nor where it goes.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Callable
from hashlib import blake2b
from itertools import accumulate
from typing import Final

from audit_event_operator.events.compiled import LOTS, Template, built_in, of_event_type
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.identity import NANOSECONDS_PER_SECOND, timestamp_of, uuid4_texts
from audit_event_operator.events.mix import weights_of
from audit_event_operator.events.text import escaped
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES

_SEED_BITS: Final = 53
# One digest holds every random number of an event: for its template, its host and its user, then those of the template.
# Each has 64 bits, so that the remainder of a division by the largest sum of weights (2^28) is even to one in 2^36.
_RANDOMS: Final = struct.Struct(f">3Q{LOTS}Q")


def derive_seed(uid: str) -> int:
    """The seed of a resource that names none: the same for the same UID, 0 to 2^53 − 1."""
    return int.from_bytes(blake2b(uid.encode("utf-8", "replace"), digest_size=8).digest(), "big") >> (64 - _SEED_BITS)


class EventFactory:
    """Makes the events of one spec.

    Args:
        spec: mix, event types and entities.
        seed: of the content, an integer of 64 bits.
        entropy: gives as many random bytes as asked for; ids are made of them.
    """

    def __init__(self, spec: GeneratorSpec, *, seed: int, entropy: Callable[[int], bytes] = os.urandom) -> None:
        own = {event_type.name: event_type for event_type in spec.event_types}
        weights = weights_of(spec.event_mix)
        self._templates: list[Template] = [
            built_in(name) if name in BUILT_IN_TEMPLATES else of_event_type(own[name]) for name in weights
        ]
        self._sums = list(accumulate(weights.values()))
        self._hosts = [(name, escaped(name)) for name in spec.entities.hosts.names]
        self._users = [escaped(name) for name in spec.entities.users.names]
        self._hash = blake2b(seed.to_bytes(8, "big", signed=True), digest_size=_RANDOMS.size)
        self._entropy = entropy

    def make(self, first_sequence: int, count: int, unix_ns: int) -> list[AuditEvent]:
        """Make `count` events, numbered from `first_sequence` (0 and up), all with the time `unix_ns`."""
        # Everything the loop touches is local: it runs for every event of every generator.
        templates, sums, hosts, users = self._templates, self._sums, self._hosts, self._users
        weight_sum, host_count, user_count = sums[-1], len(hosts), len(users)
        fresh_hash, randoms_in, build = self._hash.copy, _RANDOMS.unpack, tuple.__new__
        stamp, unix_seconds = timestamp_of(unix_ns).encode(), unix_ns // NANOSECONDS_PER_SECOND
        events: list[AuditEvent] = []
        for sequence, event_id in enumerate(uuid4_texts(self._entropy(16 * count)), first_sequence):
            digest = fresh_hash()
            digest.update(sequence.to_bytes(8, "big"))
            template_random, host_random, user_random, *lots = randoms_in(digest.digest())
            event_type, action_result, draws, form, pick = templates[bisect_right(sums, template_random % weight_sum)]
            host, host_json = hosts[host_random % host_count]
            values = [event_id, stamp, host_json, users[user_random % user_count], sequence]
            for lot, choices, drawn in draws:
                values.append(drawn[lots[lot] % choices])
            fields = (event_id.decode(), event_type, host, action_result, unix_seconds, form % pick(values))
            events.append(build(AuditEvent, fields))  # half the time of AuditEvent(*fields)
        return events
