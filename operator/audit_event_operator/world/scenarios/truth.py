"""What an episode really did, and which alerts it should raise: told about events that were published, not planned."""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from audit_event_operator.events.identity import timestamp_of
from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.world.scenarios.usual import RULE_WINDOW_SECONDS

VERSION: Final = 1
FAILED_LOGINS: Final = "ANLY-SEC-001"
SENSITIVE_FILE: Final = "ANLY-SEC-002"
_THRESHOLD: Final = 3
_WINDOW_NS: Final = RULE_WINDOW_SECONDS * NS_PER_SECOND
_NS_PER_MICROSECOND: Final = 1_000
_SENSITIVE: Final = ("/etc/sudoers", "/root/.ssh/authorized_keys", "/etc/shadow", "/etc/passwd")
"""What the platform's rule looks for; a part of the path is enough."""
_MOST_EVENTS: Final = 500
_MOST_NAMES: Final = 500


class Said(NamedTuple):
    """One event of an episode that was published. `resource` and `address` are empty where it names none."""

    event_id: str
    event_type: str
    action_result: str
    resource: str
    user: str
    host: str
    address: str
    step: int
    unix_ns: int


class Expected(NamedTuple):
    """Alerts of one rule of the platform about a user on a host."""

    rule: str
    user: str
    host: str
    times: int


class Record(NamedTuple):
    """The ground truth of one episode. `known`: False where its events are not known any more.

    `begins_unix_ns` is when it was to begin; `ends_unix_ns` when its last event was due.
    """

    scenario: str
    type: str
    episode: str
    malicious: bool
    techniques: tuple[str, ...]
    begins_unix_ns: int
    ends_unix_ns: int
    end_reason: str
    complete: bool
    said: tuple[Said, ...]
    known: bool = True

    def expected(self) -> tuple[Expected, ...]:
        """The alerts that the platform should raise."""
        return expected_alerts(self.said)

    def document(self, generator: str) -> dict[str, Any]:
        """As JSON; `generator` is `namespace/name`."""
        said = sorted(self.said, key=lambda each: each.unix_ns)
        record: dict[str, Any] = {
            "version": VERSION,
            "scenario": self.scenario,
            "type": self.type,
            "episode": self.episode,
            "generator": generator,
            "malicious": self.malicious,
            "techniques": list(self.techniques),
            "startedAt": timestamp_of(said[0].unix_ns if said else self.begins_unix_ns),
            "endedAt": timestamp_of(said[-1].unix_ns if said else self.ends_unix_ns),
            "complete": self.complete,
            "endReason": self.end_reason,
        }
        if not self.known:
            return record
        return record | {
            "users": _names(each.user for each in said),
            "hosts": _names(each.host for each in said),
            "clientIps": _names(each.address for each in said if each.address),
            "events": [
                {"eventId": each.event_id, "step": each.step, "at": timestamp_of(each.unix_ns)}
                for each in said[:_MOST_EVENTS]
            ],
            "eventCount": len(said),
            "expectedAlerts": [
                {"rule": alert.rule, "userId": alert.user, "serverHostname": alert.host, "count": alert.times}
                for alert in self.expected()
            ],
        }


def _names(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))[:_MOST_NAMES]


def expected_alerts(said: Iterable[Said]) -> tuple[Expected, ...]:
    """What the platform's two rules say of these events, by event time and distinct id (research in docs/scenarios.md).

    ANLY-SEC-001: every failed login that leaves three or more of a user on a host in the last 60 s, itself included; one that
    is exactly 60 s old counts no more. ANLY-SEC-002: every change of a sensitive file.
    """
    alerts: Counter[tuple[str, str, str]] = Counter()
    failures: dict[tuple[str, str], deque[int]] = {}
    seen: set[str] = set()
    for each in sorted(said, key=lambda one: one.unix_ns):
        if each.event_id in seen:
            continue
        seen.add(each.event_id)
        if each.event_type == "user_login" and each.action_result == "FAILURE":
            # The rule reads the time of the event, which has microseconds.
            now = each.unix_ns // _NS_PER_MICROSECOND
            window = failures.setdefault((each.user, each.host), deque())
            window.append(now)
            while window[0] <= now - _WINDOW_NS // _NS_PER_MICROSECOND:
                window.popleft()
            if len(window) >= _THRESHOLD:
                alerts[FAILED_LOGINS, each.user, each.host] += 1
        elif each.event_type == "file_modified" and each.action_result == "MODIFIED" and _sensitive(each.resource):
            alerts[SENSITIVE_FILE, each.user, each.host] += 1
    return tuple(Expected(*key, count) for key, count in alerts.items())


def _sensitive(resource: str) -> bool:
    return any(path in resource for path in _SENSITIVE)
