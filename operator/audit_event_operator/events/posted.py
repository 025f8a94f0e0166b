"""Events posted by hand, completed like the seed service completes them. Knows nothing of HTTP."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from audit_event_operator.events.canonical import CanonicalEvent
from audit_event_operator.events.compiled import compile_event
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.identity import NANOSECONDS_PER_SECOND, uuid4_texts
from audit_event_operator.events.layouts import Layout
from audit_event_operator.events.layouts.seed_json import SEED_JSON
from audit_event_operator.events.poison import TEXTS, PostedEventError, refuse_poison
from audit_event_operator.events.text import writable
from audit_event_operator.resource.entities import Entities

SOURCE_SERVICE: Final = "audit-event-generator-api"

_OURS: Final = frozenset({"event_id", "timestamp", "source_service"})


def posted_event(
    body: Mapping[str, Any],
    entities: Entities,
    *,
    rng: random.Random,
    unix_ns: int,
    entropy: Callable[[int], bytes],
    layout: Layout = SEED_JSON,
) -> AuditEvent:
    """Complete a posted body to an event of the time `unix_ns`; what we set ourselves is overwritten.

    `event_type` is needed, other fields are kept. server_hostname and user_id are drawn from `entities` where there are none.
    `entropy` gives as many random bytes as asked for, for the id.

    Raises:
        PostedEventError: a field is missing or would be poison.
    """
    if body.get("event_type") in (None, ""):
        raise PostedEventError("Invalid event data. 'event_type' is required and must not be empty.")
    fields: dict[str, Any] = {
        "server_hostname": writable(rng.choice(entities.hosts.listed)),
        "event_type": body["event_type"],
        "severity": "INFO",
        "user_id": writable(rng.choice(entities.users.listed)),
        "action_result": "SUCCESS",
        "details": {},
    }
    fields |= {key: value for key, value in body.items() if key not in _OURS}
    refuse_poison(fields)
    known = {name: fields.pop(name) for name in (*TEXTS, "details")}
    event = CanonicalEvent(source_service=SOURCE_SERVICE, **known, more=fields)
    template = compile_event(event, layout)
    (event_id,) = uuid4_texts(entropy(16))
    given = event_id, layout.timestamp(unix_ns), b"", b"", 0  # as `GIVEN`; host, user and number are no variables here
    return AuditEvent(
        event_id.decode(),
        known["event_type"],
        known["server_hostname"],
        known["action_result"],
        unix_ns // NANOSECONDS_PER_SECOND,
        layout.content_type,
        template.form % template.arrange(given),
        user=known["user_id"],
        host=known["server_hostname"],
        severity=known["severity"],
    )
