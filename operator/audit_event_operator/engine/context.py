"""What every generator of one operator shares: brokers, clocks, limits. Put together once, by the command line."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from audit_event_operator.engine.activity_log import LineBudget
from audit_event_operator.engine.journal import Journal
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.outbox import Budget
from audit_event_operator.engine.ports import AlwaysOurs, Assignment, Brokers, Destinations
from audit_event_operator.engine.readiness import Damping


def loop_time() -> float:
    """Seconds of the running loop's clock."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class EngineContext:
    """The surroundings of a generator.

    `cap`: most events per second of one generator. `namespace_cap`: of all generators of one namespace, None for no cap.
    `target_drain_seconds`: how long a changed queue or broker may drain to the old one. `deletion_grace_seconds`: how long
    events in flight of a deleted resource may still be confirmed. `spread_seconds`: over how long first ticks are spread
    when the process starts. `departed_seconds`: how long the series of a deleted resource is still shown.
    `journal`: who writes down what became of each event, None for nobody. `now`: seconds of the loop's clock.
    """

    brokers: Brokers
    destinations: Destinations
    totals: Totals = field(default_factory=Totals)
    budget: Budget = field(default_factory=Budget)
    assignment: Assignment = field(default_factory=AlwaysOurs)
    damping: Damping = field(default_factory=Damping)
    lines: LineBudget = field(default_factory=LineBudget)
    cap: Fraction = Fraction(5_000)
    namespace_cap: Fraction | None = None
    target_drain_seconds: float = 5.0
    deletion_grace_seconds: float = 5.0
    spread_seconds: float = 5.0
    departed_seconds: float = 60.0
    journal: Journal | None = None
    now: Callable[[], float] = loop_time
    wall_ns: Callable[[], int] = time.time_ns
    entropy: Callable[[int], bytes] = os.urandom
