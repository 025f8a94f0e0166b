"""Which reason of the condition table applies to a generator now. Pure: circumstances in, the Ready condition out.

All damping lives here (30 s for an unreachable or blocked broker, 60 s of skipped events), none in health scripts.
Times are seconds of the loop's clock.
"""

from dataclasses import dataclass
from typing import Final

from audit_event_operator.engine.ports import OutletHealth, Trouble
from audit_event_operator.resource.conditions import Completion, Ready, Reason
from audit_event_operator.resource.durations import Seconds

SLOW_INTERVAL_SECONDS: Final = 60.0
"""Above this interval a declared queue is enough to be ready: a first confirm would be too long in coming."""


_MEMORY_EXHAUSTED: Final = (
    "The waiting events of this namespace fill its share of the operator's memory; events of this resource are skipped."
)
_FIND: Final = "Repair the brokers of its other resources that are not Ready, or lower their rates."


@dataclass(frozen=True, slots=True)
class Damping:
    """How long a problem must last before Ready turns False."""

    unreachable_seconds: Seconds = 30
    """How long a broker must be unreachable before Ready turns False."""
    blocked_seconds: Seconds = 30
    """How long a broker must block publishing before Ready turns False."""
    backpressure_seconds: Seconds = 60
    """How long events must be skipped before Ready turns False."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything that the Ready condition depends on.

    `destination`: the queue or exchange, as sentences name it. `confirmed`: something was confirmed since Ready was last reset.
    `idle`: nothing buffered or in flight. `skipping_since`: ticks have been skipped for want of room since then.
    `exhausted_since`: for want of memory, of which this namespace holds a good part. `longest_gap_seconds`: between two due
    events. `silent`: why none is asked for at this time; `scenarios` may have some all the same.
    """

    now: float
    destination: str
    longest_gap_seconds: float
    silent: str = ""
    scenarios: bool = False
    suspended: bool = False
    invalid: str | None = None
    crashed: str | None = None
    complete: Completion | None = None
    unavailable: Trouble | None = None
    health: OutletHealth | None = None
    confirmed: bool = False
    idle: bool = True
    skipping_since: float | None = None
    exhausted_since: float | None = None


def decide_ready(seen: Circumstances, damping: Damping) -> Ready:
    """Give the one reason that tells the user most."""
    if seen.invalid is not None:
        return Ready(Reason.INVALID_SPEC, seen.invalid)
    if seen.complete is not None:
        return Ready(Reason.COMPLETED, seen.complete.message)
    if seen.suspended:
        return Ready(Reason.SUSPENDED, "spec.suspend is true: no events are generated. Set it to false to resume.")
    if seen.crashed is not None:
        return Ready(Reason.STARTING, seen.crashed)
    if seen.unavailable is not None:
        return Ready(seen.unavailable.reason, seen.unavailable.message)
    health = seen.health or OutletHealth()
    slow = seen.longest_gap_seconds > SLOW_INTERVAL_SECONDS and seen.idle and health.ready_since is not None
    if (
        seen.exhausted_since is not None
        and seen.now - seen.exhausted_since >= damping.backpressure_seconds
        and (health.trouble is None or health.trouble.reason is Reason.REJECTED_BY_BROKER)
    ):
        return Ready(
            Reason.MEMORY_EXHAUSTED, f"{_MEMORY_EXHAUSTED} {health.trouble.message if health.trouble else _FIND}"
        )
    if health.trouble is not None and not (slow and health.trouble.reason is Reason.BROKER_UNREACHABLE):
        early = (
            health.trouble.reason is Reason.BROKER_UNREACHABLE
            and seen.now - health.trouble.since < damping.unreachable_seconds
        )
        return Ready(health.trouble.reason, health.trouble.message, early)
    if health.blocked_since is not None and seen.now - health.blocked_since >= damping.blocked_seconds:
        return Ready(
            Reason.BROKER_BLOCKED,
            f"Broker {health.broker} has blocked publishing: it is short of memory or disk space. "
            "Publishing resumes when it lifts the block; check its alarms.",
        )
    if seen.skipping_since is not None and seen.now - seen.skipping_since >= damping.backpressure_seconds:
        return Ready(
            Reason.BACKPRESSURE,
            f"The broker accepts events for {seen.destination} more slowly than interval and eventsPerInterval "
            "demand; the surplus is skipped. Lower the rate or relieve the broker.",
        )
    if seen.silent and slow:
        events = "no events now but those of scenarios" if seen.scenarios else "no events now"
        return Ready(Reason.IDLE, f"Connected to {health.broker}; {seen.destination} gets {events}: {seen.silent}.")
    if seen.confirmed:
        return Ready(
            Reason.PUBLISHING,
            f"Publishing to {seen.destination} on {health.broker or 'the broker'}.",
        )
    if slow:
        return Ready(
            Reason.CONNECTED,
            f"Connected to {health.broker}; {seen.destination} exists, and no event is due yet.",
        )
    if health.ready_since is not None:
        return Ready(Reason.STARTING, f"Waiting for the first confirm from {health.broker} for {seen.destination}.")
    return Ready(Reason.STARTING, f"Connecting to the broker for {seen.destination}.")
