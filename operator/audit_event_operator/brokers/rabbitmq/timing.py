"""How long to wait for what. Only values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds.

    `confirm_seconds`: the oldest unconfirmed event may be this old. `slow_retry_…`: for what only the user can mend.
    `secret_failing_seconds`, `secret_connected_seconds`: how often the target is looked up again meanwhile.
    """

    connect_seconds: float = 20.0
    rpc_seconds: float = 20.0
    confirm_seconds: float = 60.0
    heartbeat_seconds: float = 15.0
    backoff_min_seconds: float = 1.0
    backoff_max_seconds: float = 30.0
    slow_retry_min_seconds: float = 30.0
    slow_retry_max_seconds: float = 300.0
    secret_failing_seconds: float = 30.0
    secret_connected_seconds: float = 300.0
