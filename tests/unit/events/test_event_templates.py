"""The seven built-in templates, word by word, and event types of the user's own."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.factory import EventFactory
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES
from support.doubles.events import slots

Reader = Callable[[AuditEvent], dict[str, Any]]

NOON_NS = 1_767_268_800_000_042_999
"""2026-01-01 12:00:00.000042999 UTC."""
SEED = 7
SAMPLES = 300

COMMON_KEYS = [
    "event_id",
    "timestamp",
    "source_service",
    "server_hostname",
    "event_type",
    "severity",
    "user_id",
    "action_result",
    "details",
]
HEX_DIGITS = set("0123456789abcdef")


def counted_entropy(length: int) -> bytes:
    return bytes(index % 256 for index in range(length))


def make(spec: dict[str, Any], count: int = 1) -> list[AuditEvent]:
    return EventFactory(parse_spec(spec), seed=SEED, entropy=counted_entropy).make(slots(0, count, NOON_NS))


def bodies_of(template: str) -> list[dict[str, Any]]:
    return [json.loads(event.body) for event in make({"eventMix": {template: 1}}, SAMPLES)]


HEAD = (
    '{"event_id":"00010203-0405-4607-8809-0a0b0c0d0e0f","timestamp":"2026-01-01T12:00:00.000042Z",'
    '"source_service":"audit-event-generator","server_hostname":"test-worker-04",'
)
GOLDEN = {
    "user_login_failure": (
        '"event_type":"user_login","severity":"WARNING","user_id":"monitoring_agent","action_result":"FAILURE",'
        '"details":{"reason":"Incorrect password","ip_address":"192.168.1.128","protocol":"ssh"},'
        '"client_ip":"192.168.1.128"}'
    ),
    "user_login_success": (
        '"event_type":"user_login","severity":"INFO","user_id":"monitoring_agent","action_result":"SUCCESS",'
        '"details":{"ip_address":"192.168.1.128","protocol":"ssh"},'
        '"client_ip":"192.168.1.128"}'
    ),
    "sudo_command": (
        '"event_type":"sudo_command","severity":"INFO","user_id":"monitoring_agent","action_result":"SUCCESS",'
        '"details":{"command":"/usr/bin/useradd newuser","tty":"/dev/pts/0","cwd":"/home/monitoring_agent"}}'
    ),
    "file_modified": (
        '"event_type":"file_modified","severity":"CRITICAL","user_id":"monitoring_agent","action_result":"MODIFIED",'
        '"details":{"resource":"/var/log/nginx/access.log","old_checksum":"034d8dbc","new_checksum":"77bd3829","size_change_bytes":-896},'
        '"resource":"/var/log/nginx/access.log"}'
    ),
    "service_started": (
        '"event_type":"service_status_change","severity":"INFO","user_id":"monitoring_agent","action_result":"STARTED",'
        '"details":{"resource":"mysql.service","previous_state":"STOPPED","message":"Service successfully started."},'
        '"resource":"mysql.service"}'
    ),
    "service_stopped": (
        '"event_type":"service_status_change","severity":"WARNING","user_id":"monitoring_agent","action_result":"STOPPED",'
        '"details":{"resource":"mysql.service","previous_state":"RUNNING","message":"Service unexpectedly stopped."},'
        '"resource":"mysql.service"}'
    ),
    "user_account_created": (
        '"event_type":"user_account_management","severity":"INFO","user_id":"monitoring_agent","action_result":"CREATED",'
        '"details":{"resource":"new_user_d89055","group":"devops","home_directory":"/home/new_user_d89055"},'
        '"resource":"new_user_d89055"}'
    ),
}


@pytest.mark.parametrize("template", BUILT_IN_TEMPLATES)
def test_a_template_says_the_same_in_every_release(template: str) -> None:
    (event,) = make({"eventMix": {template: 1}})
    body = HEAD + GOLDEN[template]
    assert event.body.decode() == body
    fields = json.loads(body)
    assert event[:5] == (
        fields["event_id"],
        fields["event_type"],
        fields["server_hostname"],
        fields["action_result"],
        1_767_268_800,
    )


@pytest.mark.parametrize(
    "template, fixed, details, repeated",
    [
        (
            "user_login_failure",
            ("user_login", "WARNING", "FAILURE"),
            ["reason", "ip_address", "protocol"],
            ["client_ip"],
        ),
        ("user_login_success", ("user_login", "INFO", "SUCCESS"), ["ip_address", "protocol"], ["client_ip"]),
        ("sudo_command", ("sudo_command", "INFO", "SUCCESS"), ["command", "tty", "cwd"], []),
        (
            "file_modified",
            ("file_modified", "CRITICAL", "MODIFIED"),
            ["resource", "old_checksum", "new_checksum", "size_change_bytes"],
            ["resource"],
        ),
        (
            "service_started",
            ("service_status_change", "INFO", "STARTED"),
            ["resource", "previous_state", "message"],
            ["resource"],
        ),
        (
            "service_stopped",
            ("service_status_change", "WARNING", "STOPPED"),
            ["resource", "previous_state", "message"],
            ["resource"],
        ),
        (
            "user_account_created",
            ("user_account_management", "INFO", "CREATED"),
            ["resource", "group", "home_directory"],
            ["resource"],
        ),
    ],
)
def test_every_event_of_a_template_has_exactly_its_keys_in_order(
    template: str, fixed: tuple[str, str, str], details: list[str], repeated: list[str], read: Reader
) -> None:
    for event in make({"eventMix": {template: 1}}, SAMPLES):
        body = read(event)
        assert (body["event_type"], body["severity"], body["action_result"]) == fixed
        assert body["source_service"] == "audit-event-generator"
        assert body["timestamp"] == "2026-01-01T12:00:00.000042Z"
        assert list(body) == COMMON_KEYS + repeated
        assert list(body["details"]) == details
        for top, detail in (("resource", "resource"), ("client_ip", "ip_address")):
            assert body.get(top) == body["details"].get(detail)


def values(bodies: list[dict[str, Any]], detail: str) -> set[Any]:
    return {body["details"][detail] for body in bodies}


@pytest.mark.parametrize("template", ["user_login_failure", "user_login_success"])
def test_logins_come_from_the_seed_addresses_and_protocols(template: str) -> None:
    bodies = bodies_of(template)
    assert values(bodies, "ip_address") <= {f"192.168.1.{last}" for last in range(100, 201)}
    assert len(values(bodies, "ip_address")) > 80
    assert values(bodies, "protocol") == {"ssh", "console"}


def test_only_failed_logins_give_a_reason() -> None:
    assert values(bodies_of("user_login_failure"), "reason") == {"Incorrect password"}


def test_sudo_runs_the_seed_commands_in_the_home_of_the_same_user() -> None:
    bodies = bodies_of("sudo_command")
    assert values(bodies, "command") == {
        "/usr/bin/sudo apt update",
        "/usr/bin/useradd newuser",
        "/bin/rm -rf /",
        "/bin/systemctl restart nginx",
    }
    assert values(bodies, "tty") == {"/dev/pts/0"}
    assert all(body["details"]["cwd"] == f"/home/{body['user_id']}" for body in bodies)


def test_modified_files_have_checksums_of_eight_hex_digits_and_a_bounded_change_of_size() -> None:
    bodies = bodies_of("file_modified")
    assert values(bodies, "resource") == {
        "/etc/passwd",
        "/var/log/nginx/access.log",
        "/opt/app/config.json",
        "/root/.ssh/authorized_keys",
        "/var/www/html/index.php",
    }
    for body in bodies:
        details = body["details"]
        assert [len(details[key]) for key in ("old_checksum", "new_checksum")] == [8, 8]
        assert set(details["old_checksum"] + details["new_checksum"]) <= HEX_DIGITS
        assert details["old_checksum"] != details["new_checksum"]
        assert type(details["size_change_bytes"]) is int
        assert -1000 <= details["size_change_bytes"] <= 1000
    assert min(values(bodies, "size_change_bytes")) < -900
    assert max(values(bodies, "size_change_bytes")) > 900


@pytest.mark.parametrize(
    "template, states, message",
    [
        ("service_started", {"STOPPED", "FAILED"}, "Service successfully started."),
        ("service_stopped", {"RUNNING"}, "Service unexpectedly stopped."),
    ],
)
def test_services_change_from_a_state_they_can_change_from(template: str, states: set[str], message: str) -> None:
    bodies = bodies_of(template)
    assert values(bodies, "resource") == {"nginx.service", "mysql.service", "apache2.service"}
    assert values(bodies, "previous_state") == states
    assert values(bodies, "message") == {message}


def test_a_created_account_has_the_home_directory_of_its_own_name() -> None:
    bodies = bodies_of("user_account_created")
    assert values(bodies, "group") == {"users", "devops", "sudo"}
    for body in bodies:
        account = body["details"]["resource"]
        assert account.startswith("new_user_")
        assert len(account) == len("new_user_") + 6
        assert set(account.removeprefix("new_user_")) <= HEX_DIGITS
        assert body["details"]["home_directory"] == f"/home/{account}"


def test_users_and_hosts_of_the_seed_all_occur() -> None:
    bodies = [json.loads(event.body) for event in make({}, SAMPLES)]
    assert {body["user_id"] for body in bodies} == {
        "devops_admin",
        "app_user",
        "guest_user",
        "monitoring_agent",
        "attacker_bob",
    }
    assert {body["server_hostname"] for body in bodies} == {
        "prod-web-01",
        "prod-db-02",
        "dev-api-03",
        "test-worker-04",
    }


def own(read: Reader, **event_type: Any) -> dict[str, Any]:
    (event,) = make({"eventMix": {"mine": 1}, "eventTypes": [{"name": "mine", **event_type}]})
    return read(event)


def test_an_event_type_of_ones_own_with_nothing_but_a_name_has_the_common_keys(read: Reader) -> None:
    body = own(read)
    assert list(body) == COMMON_KEYS
    assert (body["event_type"], body["severity"], body["action_result"], body["details"]) == (
        "mine",
        "INFO",
        "SUCCESS",
        {},
    )


def test_an_event_type_of_ones_own_says_what_it_was_given(read: Reader) -> None:
    body = own(
        read,
        eventType="db.Export",
        severity="ERROR",
        actionResult="DENIED",
        resource="customers",
        details={"rows": "12", "ip_address": "10.0.0.9"},
    )
    assert (body["event_type"], body["severity"], body["action_result"]) == ("db.Export", "ERROR", "DENIED")
    assert body["details"] == {"rows": "12", "ip_address": "10.0.0.9", "resource": "customers"}
    assert (body["resource"], body["client_ip"]) == ("customers", "10.0.0.9")
    assert set(body) == {*COMMON_KEYS, "resource", "client_ip"}


def test_a_resource_in_the_details_alone_is_repeated_and_the_field_wins_over_it(read: Reader) -> None:
    assert own(read, details={"resource": "a"})["resource"] == "a"
    both = own(read, resource="b", details={"resource": "a"})
    assert (both["resource"], both["details"]["resource"]) == ("b", "b")
