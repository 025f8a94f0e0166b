"""Why an episode ended: the `endReason` of its record."""

from enum import StrEnum


class Ending(StrEnum):
    """One word for programs. Only the first one is that of a complete episode."""

    COMPLETED = "Completed"
    EVENTS_LOST = "EventsLost"
    """An event was dropped on its way."""
    NO_ROOM = "NoRoom"
    """An event found no room in the buffer for five seconds."""
    RATE_LIMITED = "RateLimited"
    """An event found no room within the cap for five seconds."""
    SUSPENDED = "Suspended"
    SCENARIO_REMOVED = "ScenarioRemoved"
    SCENARIO_SUSPENDED = "ScenarioSuspended"
    DESTINATION_CHANGED = "DestinationChanged"
    INVALID_SPEC = "InvalidSpec"
    NEW_RUN = "NewRun"
    RUN_COMPLETE = "RunComplete"
    RESOURCE_DELETED = "ResourceDeleted"
    OPERATOR_STOPPED = "OperatorStopped"
    HAND_OVER = "HandOver"
    """Another process serves the resource now."""
    OPERATOR_LOST = "OperatorLost"
    """The process that played it was killed; the next one tells so, and does not know its events."""
