"""Who may post events to a generator: the answers that are possible. Asked over HTTP, given by a token or by Kubernetes."""

from enum import StrEnum


class Decision(StrEnum):
    """Whether a caller may post."""

    ALLOWED = "allowed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
