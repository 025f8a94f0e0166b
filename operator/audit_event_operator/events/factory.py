"""Makes events: the content is a function of (seed, sequence), the id and the time are new.

Random access and no state: event number n does not depend on what was made before, so a restart continues where it was, and
the same seed tells the same story again. Knows neither what an event is for nor where it goes.
"""

import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from typing import Final, NamedTuple

from audit_event_operator.events.cast import Cast, Listed, longest, written
from audit_event_operator.events.catalogue import CATALOGUE, kind_of
from audit_event_operator.events.compiled import FIRST_DRAW, MAX_DRAWS, Template, compile_event
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.identity import NANOSECONDS_PER_SECOND, uuid4_texts
from audit_event_operator.events.layouts import Layout
from audit_event_operator.events.layouts.seed_json import SEED_JSON
from audit_event_operator.events.mix import weights_of
from audit_event_operator.resource.event_type import EventType
from audit_event_operator.resource.fields import MAX_EXACT_INTEGER
from audit_event_operator.resource.spec import GeneratorSpec

_SEED_BITS: Final = 53
_LATE_NS: Final = 9_999_999_999 * NANOSECONDS_PER_SECOND
"""No time is written longer."""
_ANY_ID: Final = b"00000000-0000-4000-8000-000000000000"
# One digest holds every random number of an event: for its template, its host and its user, then those of its draws.
# Each has 64 bits, so that the remainder of a division by the largest sum of weights (2^28) is even to one in 2^36.
_RANDOMS: Final = struct.Struct(f">{FIRST_DRAW + MAX_DRAWS}Q")


class Slot(NamedTuple):
    """What is settled about an event before it is made: its number in the run, 0 and up, and its time."""

    sequence: int
    unix_ns: int


def derive_seed(uid: str) -> int:
    """The seed of a resource that names none: the same for the same UID, 0 to 2^53 − 1."""
    return int.from_bytes(blake2b(uid.encode("utf-8", "replace"), digest_size=8).digest(), "big") >> (64 - _SEED_BITS)


class _Repertoire:
    """What the events of one spec are made of, whatever its seed. Immutable, so streams of equal specs share one."""

    __slots__ = ("host_names", "hosts", "labels", "largest_body_bytes", "sums", "templates", "user_names", "users")

    def __init__(self, weights: Mapping[str, int], own: Mapping[str, EventType], layout: Layout, cast: Cast) -> None:
        clients = None if cast.clients is None else {"client_ip": written(cast.clients, layout)}
        self.templates: list[Template] = [
            _built_in(name, layout)
            if name in CATALOGUE and clients is None
            else compile_event(CATALOGUE[name].event if name in CATALOGUE else kind_of(own[name]), layout, clients)
            for name in weights
        ]
        self.sums = list(accumulate(weights.values()))
        self.hosts, self.users = written(cast.hosts, layout), written(cast.users, layout)
        self.labels, self.host_names, self.user_names = cast.labels, cast.hosts, cast.users
        host, user = longest(self.hosts), longest(self.users)
        given: list[bytes | int] = [_ANY_ID, layout.timestamp(_LATE_NS), host, user, MAX_EXACT_INTEGER]
        self.largest_body_bytes = max(template.largest_body_bytes(given) for template in self.templates)


def _repertoire_of(spec: GeneratorSpec, layout: Layout, cast: Cast) -> _Repertoire:
    weights, users, hosts = weights_of(spec.event_mix), cast.users, cast.hosts
    if isinstance(users, tuple) and isinstance(hosts, tuple) and cast.clients is None and not spec.event_types:
        return _listed_repertoire(tuple(weights.items()), users, hosts, layout)
    return _Repertoire(weights, {each.name: each for each in spec.event_types}, layout, cast)


@lru_cache(maxsize=64)
def _listed_repertoire(
    weights: tuple[tuple[str, int], ...], users: tuple[str, ...], hosts: tuple[str, ...], layout: Layout
) -> _Repertoire:
    """Of built-in templates and names that are listed."""
    return _Repertoire(dict(weights), {}, layout, Listed(users, hosts))


class EventFactory:
    """Makes the events of one spec: its mix, event types and entities.

    `seed`: of the content, an integer of 64 bits. `layout`: how they are written; their content does not depend on it.
    `cast`: the users, hosts and addresses, where the spec does not list all of them. `entropy` gives as many random bytes as
    asked for; ids are made of them.
    """

    __slots__ = ("_entropy", "_layout", "_repertoire", "_seed")

    def __init__(
        self,
        spec: GeneratorSpec,
        *,
        seed: int,
        layout: Layout = SEED_JSON,
        entropy: Callable[[int], bytes] = os.urandom,
        cast: Cast | None = None,
    ) -> None:
        self._repertoire = _repertoire_of(spec, layout, cast or Listed.of(spec.entities))
        self._seed = seed.to_bytes(8, "big", signed=True)
        self._layout = layout
        self._entropy = entropy

    @property
    def largest_body_bytes(self) -> int:
        """How long the body of an event may become."""
        return self._repertoire.largest_body_bytes

    def make(self, slots: Sequence[Slot], others: int = 0) -> list[AuditEvent]:
        """Make one event for each slot; its content depends on its number alone, so `others` does not matter."""
        # Everything the loop touches is local: it runs for every event of every generator.
        known = self._repertoire
        templates, sums, hosts, users = known.templates, known.sums, known.hosts, known.users
        labels, host_names, user_names = known.labels, known.host_names, known.user_names
        weight_sum, host_count, user_count = sums[-1], len(hosts), len(users)
        # Half a kilobyte that an idle stream does without.
        fresh_hash = blake2b(self._seed, digest_size=_RANDOMS.size).copy
        randoms_in, build = _RANDOMS.unpack, tuple.__new__
        timestamp, content_type = self._layout.timestamp, self._layout.content_type
        written_ns, stamp, unix_seconds = None, b"", 0
        events: list[AuditEvent] = []
        for (sequence, unix_ns), event_id in zip(slots, uuid4_texts(self._entropy(16 * len(slots))), strict=True):
            if unix_ns != written_ns:
                written_ns, stamp, unix_seconds = unix_ns, timestamp(unix_ns), unix_ns // NANOSECONDS_PER_SECOND
            digest = fresh_hash()
            digest.update(sequence.to_bytes(8, "big"))
            randoms = randoms_in(digest.digest())
            template = templates[bisect_right(sums, randoms[0] % weight_sum)]
            event_type, action_result, severity, stranger, draws, form, arrange, _ = template
            host_number = randoms[1] % host_count
            user_number = randoms[2] % user_count
            values = [event_id, stamp, hosts[host_number], users[user_number], sequence]
            for number, choices, drawn in draws:
                values.append(drawn[randoms[number] % choices])
            body = form % arrange(values)
            user = user_names[user_number] if stranger is None else stranger.chosen(randoms)
            fields = (
                event_id.decode(),
                event_type,
                labels[host_number],
                action_result,
                unix_seconds,
                content_type,
                body,
                None,
                user,
                host_names[host_number],
                severity,
            )
            events.append(build(AuditEvent, fields))  # half the time of AuditEvent(*fields)
        return events

    def pass_over(self, slots: Sequence[Slot], others: int = 0) -> None:
        """Nothing follows from events that are not made."""


@lru_cache(maxsize=256)
def _built_in(name: str, layout: Layout) -> Template:
    """Compiled once and shared by all generators that have this layout."""
    return compile_event(CATALOGUE[name].event, layout)
