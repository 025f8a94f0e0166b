"""Who may post events, and who may read: the answers that are possible. Asked over HTTP, given by a token or by Kubernetes."""

from enum import StrEnum


class Decision(StrEnum):
    """Whether a caller may do what was asked for."""

    ALLOWED = "allowed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
