"""Writes events that somebody else has decided on: what happened, to whom, and every detail. Draws nothing but ids."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from audit_event_operator.events.canonical import CanonicalEvent
from audit_event_operator.events.catalogue import SEVERITY, built_in, in_session, kind_of
from audit_event_operator.events.compiled import GIVEN, laid_out, plain_text, variables_of
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.factory import Slot
from audit_event_operator.events.identity import NANOSECONDS_PER_SECOND, uuid4_texts
from audit_event_operator.events.layouts import Layout
from audit_event_operator.resource.event_type import EventType
from audit_event_operator.resource.fields import MAX_EXACT_INTEGER

_KEPT_TEXTS: Final = 16_384
"""Of all streams together: most of them have the same commands and files, and a session's texts soon repeat."""

_SEVERITY: Final = SEVERITY.name


class Occurrence(NamedTuple):
    """What happens at one moment.

    `kind`: a template's name. `label`: what metrics call the host. `values`: the kind's other variables by name.
    """

    kind: str
    user: str
    host: str
    label: str
    values: Mapping[str, str | int]


class OccurrenceTemplate(NamedTuple):
    """A kind of event in one layout: its body is `form % arrange(values)`, the values of `names` last.

    `longest` is how many bytes the body has at most, when no value is longer than the one that it is given. `severity`
    is empty where it is one of them.
    """

    event_type: str
    action_result: str
    severity: str
    names: tuple[str, ...]
    form: bytes
    arrange: Callable[[Sequence[bytes | int]], tuple[Any, ...]]
    longest: Callable[[Sequence[bytes | int]], int]


class OccurrenceWriter:
    """Writes occurrences of built-in kinds and of a spec's own event types in one layout."""

    __slots__ = (
        "_entropy",
        "_layout",
        "_own",
        "_templates",
        "_written",
    )

    def __init__(self, event_types: Iterable[EventType], *, layout: Layout, entropy: Callable[[int], bytes]) -> None:
        self._own = {each.name: each for each in event_types}
        self._layout = layout
        self._entropy = entropy
        self._templates: dict[str, OccurrenceTemplate] = {}
        self._written = _writer(layout.escape)

    def write(self, slots: Sequence[Slot], occurrences: Sequence[Occurrence]) -> list[AuditEvent]:
        """One event for each slot and its occurrence."""
        templates, written, timestamp = self._templates, self._written, self._layout.timestamp
        content_type, build = self._layout.content_type, tuple.__new__
        written_ns, stamp, unix_seconds = None, b"", 0
        events: list[AuditEvent] = []
        ids = uuid4_texts(self._entropy(16 * len(slots)))
        for (sequence, unix_ns), occurrence, event_id in zip(slots, occurrences, ids, strict=True):
            kind, user, host, label, known = occurrence
            if unix_ns != written_ns:
                written_ns, stamp, unix_seconds = unix_ns, timestamp(unix_ns), unix_ns // NANOSECONDS_PER_SECOND
            template = templates.get(kind) or self._compiled(kind)
            event_type, action_result, severity, names, form, arrange, _ = template
            values: list[bytes | int] = [event_id, stamp, written(host), written(user), sequence]
            values += [written(known[name]) for name in names]
            fields = (
                event_id.decode(), event_type, label, action_result, unix_seconds, content_type, form % arrange(values), None,
                user, host, severity or known[_SEVERITY],
            )  # fmt: skip
            events.append(build(AuditEvent, fields))
        return events

    def largest_body_bytes(self, kinds: Iterable[str], longest_value: int) -> int:
        """How long the body of an event of these kinds may become, when no value is longer than `longest_value` bytes."""
        value = bytes(longest_value)
        given: list[bytes | int] = [
            value,
            value,
            value,
            value,
            MAX_EXACT_INTEGER,
        ]  # id, timestamp, host, user and number
        templates = [self._templates.get(kind) or self._compiled(kind) for kind in kinds]
        return max(template.longest([*given, *[value] * len(template.names)]) for template in templates)

    def _compiled(self, kind: str) -> OccurrenceTemplate:
        template = _built_in(kind, self._layout) if built_in(kind) else _compile(kind_of(self._own[kind]), self._layout)
        self._templates[kind] = template
        return template


@lru_cache(maxsize=256)
def _built_in(kind: str, layout: Layout) -> OccurrenceTemplate:
    """Compiled once and shared by all streams that have this layout."""
    return _compile(in_session(kind), layout)


def _compile(event: CanonicalEvent, layout: Layout) -> OccurrenceTemplate:
    names = tuple(variables_of(event))
    laid = laid_out(event, layout, {**GIVEN, **dict.fromkeys(names, b"%b")})
    return OccurrenceTemplate(event.event_type, event.action_result, plain_text(event.severity), names, *laid)


@lru_cache(maxsize=16)
def _writer(escape: Callable[[str], bytes]) -> Callable[[str | int], bytes]:
    """Writes values as the layouts do that escape like this, and keeps what occurred lately."""

    def write(value: str | int) -> bytes:
        return b"%d" % value if isinstance(value, int) else escape(value)

    return lru_cache(maxsize=_KEPT_TEXTS)(write)
