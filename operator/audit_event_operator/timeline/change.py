"""What a changed spec means for a stream that is already running. Pure: specs in, one `Change` out."""

from enum import Enum, auto

from audit_event_operator.resource.spec import GeneratorSpec


class Change(Enum):
    """What becomes of the run, the sequence and the ticks."""

    FIRST = auto()
    """The first spec: continue the run where the status left it."""
    NEW_RUN = auto()
    """Another runId: count from zero, restart the sequence, tick at once."""
    RESUMED = auto()
    """No longer suspended or invalid: tick at once."""
    MOVED = auto()
    """Another destination: the ticks keep their rhythm, but start again only once it is ready."""
    RETIMED = auto()
    """Anything else: takes effect in place."""

    @property
    def resets_ready(self) -> bool:
        """Whether Ready is Unknown until the next confirm."""
        return self is not Change.RETIMED


def change_between(
    before: GeneratorSpec | None, after: GeneratorSpec, *, was_invalid: bool = False, moved: bool = False
) -> Change:
    """Decide what a new spec means; `before` is the last valid one that was in effect, None when there was none.

    `was_invalid`: an invalid spec has stopped the stream since. `moved`: the events go to another destination.
    """
    if before is None:
        return Change.FIRST
    if before.run_id != after.run_id:
        return Change.NEW_RUN
    if was_invalid or (before.suspend and not after.suspend):
        return Change.RESUMED
    return Change.MOVED if moved else Change.RETIMED
