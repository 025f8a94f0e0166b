"""A run: what earlier processes did of it, when it began, and whether it is over.

Decisions about maxEvents, runDuration and runId; times are wall-clock datetimes in UTC, since a run outlives processes.
"""

from datetime import datetime, timedelta

from audit_event_operator.resource.conditions import Completion, CompletionReason
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.status import Progress
from audit_event_operator.timeline.reading import Reading, unix_ns_of


def completion(
    spec: GeneratorSpec, run_published: int, start_time: datetime | None, now: datetime
) -> Completion | None:
    """Whether the run is over, and by which bound; None while it goes on or has no bound."""
    if spec.max_events is not None and run_published >= spec.max_events:
        message = f"Published {run_published} events; spec.maxEvents is {spec.max_events}."
        return Completion(CompletionReason.MAX_EVENTS_REACHED, f"{message} Set a new spec.runId to run it again.")
    ends = end_time(spec, start_time)
    if ends is not None and now >= ends:
        message = f"Ran for spec.runDuration ({spec.run_duration}) and published {run_published} events."
        return Completion(CompletionReason.DURATION_ELAPSED, f"{message} Set a new spec.runId to run it again.")
    return None


def end_time(spec: GeneratorSpec, start_time: datetime | None) -> datetime | None:
    """When runDuration is over; None without one or before the first tick."""
    if spec.run_duration_ns is None or start_time is None:
        return None
    return start_time + timedelta(microseconds=spec.run_duration_ns // 1_000)


class Run:
    """The current run of one stream; `complete` is None while it goes on."""

    __slots__ = (
        "complete",
        "completion_time",
        "start_time",
    )

    def __init__(self) -> None:
        self.start_time: datetime | None = None
        self.completion_time: datetime | None = None
        self.complete: Completion | None = None

    def take_up(self, spec: GeneratorSpec, progress: Progress) -> Progress:
        """Continue the run that the status records, or begin another if the runId differs.

        Returns what was done in this run before.
        """
        if progress.run_id != spec.run_id:
            return Progress(last_publish_time=progress.last_publish_time)
        self.start_time, self.completion_time = progress.start_time, progress.completion_time
        return progress

    def begin(self) -> None:
        """A new runId: nothing has happened yet."""
        self.start_time = self.completion_time = self.complete = None

    def ticked(self, now: Reading) -> None:
        """A tick: the run begins with the first one."""
        if self.start_time is None:
            self.start_time = now.wall

    def check(self, spec: GeneratorSpec, published: int, now: Reading) -> bool:
        """See whether it is over, or goes on because its bounds were raised; True when that has changed."""
        complete = completion(spec, published, self.start_time, now.wall) if spec.bounded else None
        if (complete is None) == (self.complete is None):
            return False
        self.complete = complete
        self.completion_time = None if complete is None else self.completion_time or now.wall
        return True

    def left_ns(self, spec: GeneratorSpec, now: Reading) -> int | None:
        """How much of runDuration is left; None without one, before the first tick, and once the run is over."""
        end = end_time(spec, self.start_time)
        if end is None or self.complete is not None:
            return None
        return unix_ns_of(end) - now.unix_ns
