"""One audit event, ready to be sent: its body, and the few facts about it that are needed without parsing it."""

from typing import NamedTuple


class Mark(NamedTuple):
    """Which episode of a scenario an event belongs to: the id of the episode, the step (from 1) and its place among all.

    `header`: whether the event is to carry it, as `x-aeg-truth`.
    """

    scenario: str
    episode: str
    step: int
    place: int
    header: bool

    def __str__(self) -> str:
        return f"{self.scenario}/{self.episode}/{self.step}"


class AuditEvent(NamedTuple):
    """`unix_seconds` is the event's time, whole seconds since 1970. `content_type` is the media type of `body`.

    `server_hostname` is what metrics call the host. `mark`: set where the event belongs to a scenario. `user` and `host`: whom
    and where it is about, as in the body; empty where nobody needs to know.
    """

    event_id: str
    event_type: str
    server_hostname: str
    action_result: str
    unix_seconds: int
    content_type: str
    body: bytes
    mark: Mark | None = None
    user: str = ""
    host: str = ""
    severity: str = ""
