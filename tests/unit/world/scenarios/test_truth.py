"""The record of an episode: what was published, and what the platform should say of it."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.world.scenarios.truth import Record, Said, expected_alerts
from support.judges.platform import PlatformRules
from support.judges.samples import START, event

START_NS = round(START.timestamp()) * 1_000_000_000
KINDS = (
    "user_login FAILURE",
    "user_login SUCCESS",
    "user_login BLOCKED",
    "file_modified MODIFIED",
    "file_modified FAILURE",
)
FILES = ("", "/etc/passwd", "/backup/etc/shadow.bak", "/etc/motd", "/root/.ssh/authorized_keys", "/etc/sudoers")


def said(at=0.0, kind="user_login FAILURE", *, user="alice", host="web", resource="", number=0, step=1):
    event_type, result = kind.split()
    unix_ns = START_NS + round(at * 1_000_000) * 1_000
    return Said(f"id-{number}", event_type, result, resource, user, host, "198.51.100.7", step, unix_ns)


def record(*events, **fields):
    more = {
        "scenario": "brute", "type": "BruteForce", "episode": "0f", "malicious": True, "techniques": ("T1110.001",),
        "begins_unix_ns": START_NS, "ends_unix_ns": START_NS + 5, "end_reason": "Completed", "complete": True,
    }  # fmt: skip
    return Record(**{**more, **fields}, said=tuple(events))


chains = st.lists(
    st.tuples(
        st.floats(0, 200),
        st.sampled_from(KINDS),
        st.sampled_from("ab"),
        st.sampled_from(["web", "db"]),
        st.sampled_from(FILES),
    ),
    max_size=40,
)


@given(chains)
def test_alerts_are_those_that_the_platforms_rules_raise_by_event_time(chain):
    events = [
        said(at, kind, user=user, host=host, resource=file, number=number)
        for number, (at, kind, user, host, file) in enumerate(chain)
    ]
    seen = [
        event(at, kind, user=user, host=host, resource=file or None, event_id=f"id-{number}")
        for number, (at, kind, user, host, file) in enumerate(chain)
    ]
    rules = PlatformRules()
    found = Counter(
        (alert.rule, alert.user, alert.host)
        for each in sorted(seen, key=lambda one: one.microseconds)
        for alert in rules.feed(each)
    )
    assert Counter({alert[:3]: alert.times for alert in expected_alerts(events)}) == found


def test_an_event_that_is_told_twice_counts_once():
    events = [said(number, number=number) for number in range(5)]
    assert [alert.times for alert in expected_alerts([*events, *events])] == [3]


def test_a_record_tells_everything_in_the_order_of_the_events():
    events = [
        said(2, number=2, step=2),
        said(0, number=0),
        said(1, number=1),
        said(3, "file_modified MODIFIED", resource="/etc/passwd", number=3, step=3),
    ]
    document = record(*events).document("team/stream")
    assert document == {
        "version": 1,
        "scenario": "brute",
        "type": "BruteForce",
        "episode": "0f",
        "generator": "team/stream",
        "malicious": True,
        "techniques": ["T1110.001"],
        "startedAt": "2026-01-05T08:13:00.000000Z",
        "endedAt": "2026-01-05T08:13:03.000000Z",
        "complete": True,
        "endReason": "Completed",
        "users": ["alice"],
        "hosts": ["web"],
        "clientIps": ["198.51.100.7"],
        "events": [
            {"eventId": f"id-{number}", "step": step, "at": f"2026-01-05T08:13:0{number}.000000Z"}
            for number, step in enumerate((1, 1, 2, 3))
        ],
        "eventCount": 4,
        "expectedAlerts": [
            {"rule": "ANLY-SEC-001", "userId": "alice", "serverHostname": "web", "count": 1},
            {"rule": "ANLY-SEC-002", "userId": "alice", "serverHostname": "web", "count": 1},
        ],
    }


def test_a_record_names_at_most_five_hundred_events_and_counts_all():
    document = record(*(said(number / 10, number=number) for number in range(900))).document("team/stream")
    assert len(document["events"]) == 500
    assert document["eventCount"] == 900


def test_of_an_episode_whose_process_was_killed_nothing_is_claimed():
    document = record(known=False, complete=False, end_reason="OperatorLost").document("team/stream")
    assert not document.keys() & {"events", "expectedAlerts", "eventCount", "users"}
    assert document["complete"] is False
