"""What every generator of one operator shares: brokers, clocks, limits. Put together once, by the command line."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from audit_event_operator.engine.activity_log import LineBudget
from audit_event_operator.engine.budget import Budget
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.ports import AlwaysOurs, Assignment, Brokers, Destinations, Journal
from audit_event_operator.engine.readiness import Damping
from audit_event_operator.engine.wakeable_sleep import Slots
from audit_event_operator.resource.durations import Seconds

MAX_EVENTS_PER_SECOND: Final = 5_000
TRUTH_BUDGET_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class EngineTiming:
    """The times that all generators share. Each is a setting."""

    target_drain_seconds: Seconds = 5
    """How long buffered events may drain to the old queue or broker after a change."""
    deletion_grace_seconds: Seconds = 5
    """How long the broker may still confirm events of a deleted resource."""
    start_spread_seconds: Seconds = 5
    """How far first ticks are spread out when the process takes over."""
    departed_series_seconds: Seconds = 60
    """How long a deleted resource's series stay in /metrics."""


def loop_time() -> float:
    """Seconds of the running loop's clock."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class EngineContext:
    """The surroundings of a generator.

    `cap`: most events per second of one generator. `namespace_cap`: of all generators of one namespace, None for no cap.
    `journal`: writes down what became of each event, if set. `truth_totals` and `truth_budget`: counts and memory of the
    records of the ground truth, apart from those of events. `truth_listener`: gets the records, as JSON, in place of truth
    queues, and says whether it could tell them. `progress_kept`: a status tells after a restart what was done
    before. `slots`: in which all of them sleep. `now`: seconds of the loop's clock.
    """

    brokers: Brokers
    destinations: Destinations
    totals: Totals = field(default_factory=Totals)
    budget: Budget = field(default_factory=Budget)
    assignment: Assignment = field(default_factory=AlwaysOurs)
    damping: Damping = field(default_factory=Damping)
    lines: LineBudget = field(default_factory=LineBudget)
    timing: EngineTiming = field(default_factory=EngineTiming)
    cap: Fraction = Fraction(MAX_EVENTS_PER_SECOND)
    namespace_cap: Fraction | None = None
    journal: Journal | None = None
    truth_totals: Totals = field(default_factory=Totals)
    truth_budget: Budget = field(default_factory=lambda: Budget(TRUTH_BUDGET_BYTES))
    truth_listener: Callable[[bytes], bool] | None = None
    progress_kept: bool = True
    slots: Slots = field(default_factory=Slots)
    now: Callable[[], float] = loop_time
    wall_ns: Callable[[], int] = time.time_ns
    entropy: Callable[[int], bytes] = os.urandom
