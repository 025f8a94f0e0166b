"""Reading what judges see: every field from the seed's JSON, and nothing that is not written as agreed."""

import json

import pytest

from support.judges.event import read

BODY = {
    "event_id": "a",
    "timestamp": "2026-01-05T08:13:00.000001Z",
    "event_type": "user_login",
    "severity": "WARNING",
    "user_id": "alice",
    "server_hostname": "web",
    "action_result": "FAILURE",
    "details": {"ip_address": "192.0.2.1", "session_id": "s", "reason": "Invalid user"},
    "client_ip": "192.0.2.1",
}


def test_every_field_is_read_from_bytes_and_from_a_mapping():
    seen = read(json.dumps(BODY).encode())
    assert seen == read(BODY)
    assert (seen.event_id, seen.event_type, seen.action_result) == ("a", "user_login", "FAILURE")
    assert (seen.user, seen.host, seen.address, seen.resource, seen.session) == ("alice", "web", "192.0.2.1", None, "s")
    assert (seen.failed_login, seen.login, seen.unknown_user) == (True, False, True)


def test_the_time_is_exact_to_the_microsecond():
    seen = read(BODY)
    assert seen.microseconds == 1_767_600_780_000_001
    assert seen.time_seconds == pytest.approx(1_767_600_780.000001, abs=5e-7)


def test_address_and_resource_of_the_details_are_read_where_the_top_level_has_none():
    seen = read({**BODY, "client_ip": None, "details": {"ip_address": "192.0.2.9", "resource": "nginx.service"}})
    assert (seen.address, seen.resource) == ("192.0.2.9", "nginx.service")


@pytest.mark.parametrize(
    "timestamp", ["2026-01-05T08:13:00Z", "2026-01-05T08:13:00.000001+00:00", "2026-01-05T08:13:00.00000123"]
)
def test_a_time_in_another_form_is_refused(timestamp):
    with pytest.raises(ValueError, match="six digits"):
        read({**BODY, "timestamp": timestamp})
