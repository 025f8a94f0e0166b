"""The seven built-in templates, word by word, and event types of the user's own."""

import json
import re
from functools import cache

import pytest

from audit_event_operator.events.factory import EventFactory
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES
from support.doubles.consumer import read
from support.doubles.events import slots

NOON_NS = 1_767_268_800_000_042_999
"""2026-01-01 12:00:00.000042999 UTC."""
SEED = 7
SAMPLES = 1500

COMMON_KEYS = [
    "event_id", "timestamp", "source_service", "server_hostname", "event_type", "severity", "user_id", "action_result",
    "details",
]  # fmt: skip
CHECKSUM = re.compile("[0-9a-f]{8}")


def counted_entropy(length):
    return bytes(index % 256 for index in range(length))


def make(spec, count=1):
    return EventFactory(parse_spec(spec), seed=SEED, entropy=counted_entropy).make(slots(0, count, NOON_NS))


@cache
def bodies_of(template):
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
    "user_logout": (
        '"event_type":"user_logout","severity":"INFO","user_id":"monitoring_agent","action_result":"SUCCESS",'
        '"details":{"ip_address":"192.168.1.128","protocol":"ssh"},'
        '"client_ip":"192.168.1.128"}'
    ),
    "login_publickey": (
        '"event_type":"user_login","severity":"INFO","user_id":"monitoring_agent","action_result":"SUCCESS",'
        '"details":{"ip_address":"192.168.1.128","protocol":"ssh","method":"publickey","key_fingerprint":"SHA256:PT7hHC+/f2prHmqhbDgmMexfH7/FDKO6WonTZtIu6u8"},'
        '"client_ip":"192.168.1.128"}'
    ),
    "login_unknown_user": (
        '"event_type":"user_login","severity":"WARNING","user_id":"pi","action_result":"FAILURE",'
        '"details":{"reason":"Invalid user","ip_address":"192.168.1.128","protocol":"ssh"},'
        '"client_ip":"192.168.1.128"}'
    ),
    "login_too_many": (
        '"event_type":"user_login","severity":"ERROR","user_id":"monitoring_agent","action_result":"BLOCKED",'
        '"details":{"reason":"Maximum authentication attempts exceeded","ip_address":"192.168.1.128","protocol":"ssh"},'
        '"client_ip":"192.168.1.128"}'
    ),
    "connection_probe": (
        '"event_type":"network_connection","severity":"INFO","user_id":"unknown","action_result":"CLOSED",'
        '"details":{"reason":"No identification string","ip_address":"192.168.1.128","protocol":"ssh"},'
        '"client_ip":"192.168.1.128"}'
    ),
    "sudo_failed": (
        '"event_type":"sudo_command","severity":"WARNING","user_id":"monitoring_agent","action_result":"FAILURE",'
        '"details":{"reason":"3 incorrect password attempts",'
        '"command":"/usr/bin/useradd newuser","tty":"/dev/pts/0","cwd":"/home/monitoring_agent"}}'
    ),
    "sudo_denied": (
        '"event_type":"sudo_command","severity":"WARNING","user_id":"monitoring_agent","action_result":"DENIED",'
        '"details":{"reason":"User not in sudoers",'
        '"command":"/usr/bin/useradd newuser","tty":"/dev/pts/0","cwd":"/home/monitoring_agent"}}'
    ),
    "su_success": (
        '"event_type":"su_command","severity":"INFO","user_id":"monitoring_agent","action_result":"SUCCESS",'
        '"details":{"target_user":"root","tty":"/dev/pts/0"}}'
    ),
    "su_failure": (
        '"event_type":"su_command","severity":"WARNING","user_id":"monitoring_agent","action_result":"FAILURE",'
        '"details":{"reason":"Incorrect password","target_user":"root","tty":"/dev/pts/0"}}'
    ),
    "password_changed": (
        '"event_type":"user_account_management","severity":"INFO","user_id":"monitoring_agent","action_result":"MODIFIED",'
        '"details":{"resource":"monitoring_agent","change":"password"},'
        '"resource":"monitoring_agent"}'
    ),
    "account_locked": (
        '"event_type":"user_account_management","severity":"WARNING","user_id":"monitoring_agent","action_result":"LOCKED",'
        '"details":{"resource":"contractor_14"},'
        '"resource":"contractor_14"}'
    ),
    "account_deleted": (
        '"event_type":"user_account_management","severity":"WARNING","user_id":"monitoring_agent","action_result":"DELETED",'
        '"details":{"resource":"contractor_14"},'
        '"resource":"contractor_14"}'
    ),
    "shell_changed": (
        '"event_type":"user_account_management","severity":"INFO","user_id":"monitoring_agent","action_result":"MODIFIED",'
        '"details":{"resource":"contractor_14","change":"shell","shell":"/bin/zsh"},'
        '"resource":"contractor_14"}'
    ),
    "expiry_changed": (
        '"event_type":"user_account_management","severity":"INFO","user_id":"monitoring_agent","action_result":"MODIFIED",'
        '"details":{"resource":"contractor_14","change":"expiry","expires":"2027-06-30"},'
        '"resource":"contractor_14"}'
    ),
    "group_created": (
        '"event_type":"group_management","severity":"INFO","user_id":"monitoring_agent","action_result":"CREATED",'
        '"details":{"resource":"backup-operators"},'
        '"resource":"backup-operators"}'
    ),
    "group_deleted": (
        '"event_type":"group_management","severity":"WARNING","user_id":"monitoring_agent","action_result":"DELETED",'
        '"details":{"resource":"backup-operators"},'
        '"resource":"backup-operators"}'
    ),
    "group_member_added": (
        '"event_type":"group_management","severity":"INFO","user_id":"monitoring_agent","action_result":"ADDED",'
        '"details":{"resource":"devops","member":"contractor_05"},'
        '"resource":"devops"}'
    ),
    "group_member_removed": (
        '"event_type":"group_management","severity":"INFO","user_id":"monitoring_agent","action_result":"REMOVED",'
        '"details":{"resource":"devops","member":"contractor_05"},'
        '"resource":"devops"}'
    ),
    "service_failed": (
        '"event_type":"service_status_change","severity":"ERROR","user_id":"monitoring_agent","action_result":"FAILED",'
        '"details":{"resource":"mysql.service","previous_state":"RUNNING",'
        '"message":"Service failed with result \'exit-code\'."},'
        '"resource":"mysql.service"}'
    ),
    "cron_job": (
        '"event_type":"scheduled_job","severity":"INFO","user_id":"monitoring_agent","action_result":"SUCCESS",'
        '"details":{"command":"/usr/sbin/logrotate /etc/logrotate.conf"}}'
    ),
    "package_installed": (
        '"event_type":"package_management","severity":"INFO","user_id":"monitoring_agent","action_result":"INSTALLED",'
        '"details":{"resource":"htop"},'
        '"resource":"htop"}'
    ),
    "log_cleared": (
        '"event_type":"log_management","severity":"CRITICAL","user_id":"monitoring_agent","action_result":"CLEARED",'
        '"details":{"resource":"/var/log/syslog"},'
        '"resource":"/var/log/syslog"}'
    ),
    "key_added": (
        '"event_type":"credential_change","severity":"WARNING","user_id":"monitoring_agent","action_result":"ADDED",'
        '"details":{"resource":".ssh/authorized_keys","home_directory":"/home/monitoring_agent","key_fingerprint":"SHA256:Inul8sbJEJ/lxEoGlvOTN5YHSTo3f1Iu4n2aeuMifYk"},'
        '"resource":".ssh/authorized_keys"}'
    ),
    "firewall_changed": (
        '"event_type":"firewall_change","severity":"WARNING","user_id":"monitoring_agent","action_result":"MODIFIED",'
        '"details":{"resource":"ufw","rule":"allow in 22/tcp from 10.0.0.0/8"},'
        '"resource":"ufw"}'
    ),
    "database_export": (
        '"event_type":"data_access","severity":"WARNING","user_id":"monitoring_agent","action_result":"EXPORTED",'
        '"details":{"resource":"inventory","rows":16100,"size_bytes":1120776711},'
        '"resource":"inventory"}'
    ),
    "backup_finished": (
        '"event_type":"backup","severity":"INFO","user_id":"monitoring_agent","action_result":"SUCCESS",'
        '"details":{"resource":"home","size_bytes":1894546772,"duration_seconds":3086},'
        '"resource":"home"}'
    ),
}


@pytest.mark.parametrize("template", BUILT_IN_TEMPLATES)
def test_a_template_says_the_same_in_every_release(template):
    (event,) = make({"eventMix": {template: 1}})
    body = HEAD + GOLDEN[template]
    assert event.body.decode() == body
    fields = json.loads(body)
    labels = ("event_id", "event_type", "server_hostname", "action_result")
    assert event[:5] == (*(fields[label] for label in labels), 1_767_268_800)


@pytest.mark.parametrize("template", BUILT_IN_TEMPLATES)
def test_every_event_of_a_template_has_exactly_its_keys_in_order(template):
    golden = json.loads(HEAD + GOLDEN[template])
    for event in make({"eventMix": {template: 1}}, SAMPLES // 5):
        body = read(event)
        assert list(body) == list(golden)
        assert list(body["details"]) == list(golden["details"])
        for key in ("event_type", "severity", "action_result", "source_service", "timestamp"):
            assert body[key] == golden[key]
        for top, detail in (("resource", "resource"), ("client_ip", "ip_address")):
            assert body.get(top) == body["details"].get(detail)


ADDRESSES = {f"192.168.1.{last}" for last in range(100, 201)}
COMMANDS = {
    "/usr/bin/sudo apt update", "/usr/bin/useradd newuser", "/bin/rm -rf /", "/bin/systemctl restart nginx",
}  # fmt: skip
FILES = {
    "/etc/passwd", "/var/log/nginx/access.log", "/opt/app/config.json", "/root/.ssh/authorized_keys",
    "/var/www/html/index.php",
}  # fmt: skip
SERVICES = {"nginx.service", "mysql.service", "apache2.service"}


@pytest.mark.parametrize(
    "template, detail, values",
    [
        ("user_login_failure", "ip_address", ADDRESSES),
        ("user_login_failure", "protocol", {"ssh", "console"}),
        ("user_login_failure", "reason", {"Incorrect password"}),
        ("user_login_success", "ip_address", ADDRESSES),
        ("user_login_success", "protocol", {"ssh", "console"}),
        ("sudo_command", "command", COMMANDS),
        ("sudo_command", "tty", {"/dev/pts/0"}),
        ("file_modified", "resource", FILES),
        ("service_started", "resource", SERVICES),
        ("service_started", "previous_state", {"STOPPED", "FAILED"}),
        ("service_started", "message", {"Service successfully started."}),
        ("service_stopped", "resource", SERVICES),
        ("service_stopped", "previous_state", {"RUNNING"}),
        ("service_stopped", "message", {"Service unexpectedly stopped."}),
        ("user_account_created", "group", {"users", "devops", "sudo"}),
    ],
)
def test_a_detail_has_the_values_of_the_seed(template, detail, values):
    assert {body["details"][detail] for body in bodies_of(template)} == values


def test_sudo_runs_in_the_home_of_the_same_user():
    assert all(body["details"]["cwd"] == f"/home/{body['user_id']}" for body in bodies_of("sudo_command"))


def test_modified_files_have_checksums_of_eight_hex_digits_and_a_bounded_change_of_size():
    changes = []
    for body in bodies_of("file_modified"):
        details = body["details"]
        old, new = details["old_checksum"], details["new_checksum"]
        assert CHECKSUM.fullmatch(old)
        assert CHECKSUM.fullmatch(new)
        assert old != new
        assert type(details["size_change_bytes"]) is int
        changes.append(details["size_change_bytes"])
    assert -1000 <= min(changes) < -900
    assert 900 < max(changes) <= 1000


def test_a_created_account_has_the_home_directory_of_its_own_name():
    for body in bodies_of("user_account_created"):
        account = body["details"]["resource"]
        assert re.fullmatch("new_user_[0-9a-f]{6}", account)
        assert body["details"]["home_directory"] == f"/home/{account}"


def test_users_and_hosts_of_the_seed_all_occur():
    bodies = [json.loads(event.body) for event in make({}, SAMPLES)]
    users = {"devops_admin", "app_user", "guest_user", "monitoring_agent", "attacker_bob"}
    assert {body["user_id"] for body in bodies} == users
    hosts = {"prod-web-01", "prod-db-02", "dev-api-03", "test-worker-04"}
    assert {body["server_hostname"] for body in bodies} == hosts


def own(**event_type):
    (event,) = make({"eventMix": {"mine": 1}, "eventTypes": [{"name": "mine", **event_type}]})
    return read(event)


def test_an_event_type_of_ones_own_with_nothing_but_a_name_has_the_common_keys():
    body = own()
    assert list(body) == COMMON_KEYS
    assert (body["event_type"], body["severity"], body["action_result"]) == ("mine", "INFO", "SUCCESS")
    assert body["details"] == {}


def test_an_event_type_of_ones_own_says_what_it_was_given():
    words = {"eventType": "db.Export", "severity": "ERROR", "actionResult": "DENIED", "resource": "customers"}
    body = own(**words, details={"rows": "12", "ip_address": "10.0.0.9"})
    assert (body["event_type"], body["severity"], body["action_result"]) == ("db.Export", "ERROR", "DENIED")
    assert body["details"] == {"rows": "12", "ip_address": "10.0.0.9", "resource": "customers"}
    assert (body["resource"], body["client_ip"]) == ("customers", "10.0.0.9")
    assert set(body) == {*COMMON_KEYS, "resource", "client_ip"}


def test_a_resource_in_the_details_alone_is_repeated_and_the_field_wins_over_it():
    assert own(details={"resource": "a"})["resource"] == "a"
    both = own(resource="b", details={"resource": "a"})
    assert (both["resource"], both["details"]["resource"]) == ("b", "b")
