"""Every kind of event in every format, before the judges of that format."""

import json
import random
import re

import pytest
from hypothesis import given, settings

from audit_event_operator.events.layouts.cef_kinds import CEF_KINDS
from audit_event_operator.events.layouts.ecs_kinds import ECS_KINDS
from audit_event_operator.events.layouts.ocsf_kinds import OCSF_KINDS
from audit_event_operator.events.posted import posted_event
from audit_event_operator.events.syslog_lines import LINES
from audit_event_operator.resource.entities import Entities
from audit_event_operator.resource.formats import Format
from support.formats.json_formats import cloud_event_faults, ecs_faults, ocsf_faults
from support.formats.streams import JUDGES, KINDS, drawn, layout, occurred
from support.formats.text_formats import cef_faults, read_cef, read_syslog, syslog_faults
from support.formats.texts import USERS

COUNT = 10_000
EVERY = pytest.mark.parametrize("chosen", JUDGES, ids=str)


@pytest.mark.parametrize("mapping", [CEF_KINDS, ECS_KINDS, LINES, OCSF_KINDS], ids=["CEF", "ECS", "lines", "OCSF"])
def test_every_kind_has_a_mapping(mapping):
    assert set(mapping) == set(KINDS)


@EVERY
def test_the_judges_refuse_none_of_ten_thousand_events(chosen):
    events = drawn(chosen, COUNT, ("alice", "bob smith", 'a "b" c\\d|e=f', "Zoë ✓", "x" * 255))
    shapes = set()
    for event in events:
        assert event.content_type == layout(chosen).content_type
        assert JUDGES[chosen](event.body) == [], event.body
        shapes.add((event.event_type, event.action_result))
    assert len(shapes) > 25


@EVERY
def test_the_judges_refuse_nothing_that_users_and_scenarios_do(chosen):
    for turn in range(0, 90, 30):
        for event in occurred(chosen, turn=turn):
            assert JUDGES[chosen](event.body) == [], event.body


@EVERY
@settings(max_examples=40, deadline=None)
@given(user=USERS)
def test_the_judges_refuse_no_user(chosen, user):
    for event in [*occurred(chosen, user), *drawn(chosen, 3, (user,))]:
        assert JUDGES[chosen](event.body) == [], event.body


@settings(max_examples=60, deadline=None)
@given(user=USERS.filter(str.isprintable))
def test_what_was_escaped_is_read_back(user):
    for event in occurred(Format.CEF, user):
        _, extension = read_cef(event.body.decode())
        assert user in (extension.get("suser"), extension.get("duser"))
    for event in occurred(Format.CLOUD_EVENTS, user):
        assert json.loads(event.body)["data"]["user_id"] == user
    for event in occurred(Format.SYSLOG, user):
        line = read_syslog(event.body.decode())
        if line["tag"] == "audit":
            assert json.loads(line["text"])["user_id"] == user


POSTED = {
    "event_type": "order|placed=é \\", "severity": "odd", "action_result": "WHATEVER", "user_id": "a=b|c\\",
    "server_hostname": "a host", "client_ip": "2001:db8::7", "resource": "x=y",
    "details": {"n": 7, "f": 1.5, "on": True, "none": None, "deep": {"a": [1, {"b": "c\n"}]}, "a.b": "1", "a b": "2", "": "3",
                **{f"d{number}": number for number in range(9)}},
    "more": [1, 2],
}  # fmt: skip


@EVERY
@pytest.mark.parametrize(
    "body", [POSTED, {"event_type": "user_login"}, {"event_type": "sudo_command", "details": {"x": "y"}}]
)
def test_posted_events_have_a_generic_mapping(chosen, body):
    event = posted_event(
        body, Entities(), rng=random.Random(1), unix_ns=5 * 10**9, entropy=bytes, layout=layout(chosen)
    )  # fmt: skip
    assert JUDGES[chosen](event.body) == [], event.body
    text = event.body.decode()
    match chosen:
        case Format.OCSF:
            assert (json.loads(text)["class_uid"], json.loads(text)["type_uid"]) == (0, 99)
        case Format.ECS:
            assert "category" not in json.loads(text)["event"]
        case Format.CEF:
            assert read_cef(text)[0][4] == body["event_type"]
        case Format.SYSLOG | Format.SYSLOG_FULL:
            assert read_syslog(text)["tag"] == "audit"


def first(chosen, event_type="user_login", **wanted):
    events = drawn(chosen, 2_000)
    return next(
        each.body
        for each in events
        if each.event_type == event_type and wanted.get("result") in (None, each.action_result)
    )


def test_the_judges_see_what_is_broken():
    cloud, ecs, ocsf, cef, line = (first(chosen) for chosen in list(JUDGES)[:5])
    assert cloud_event_faults(cloud.replace(b'"specversion":"1.0"', b'"specversion":""'))
    assert cloud_event_faults(cloud.replace(b'"id":', b'"ID":', 1))
    assert cloud_event_faults(cloud.replace(b"/namespaces/team-a", b"/name spaces/{x}"))
    assert ecs_faults(ecs.replace(b'"start"', b'"creation"'))
    assert ecs_faults(ecs.replace(b'"authentication"', b'"login"'))
    assert ecs_faults(ecs.replace(b'"hostname"', b'"host_name"'))
    assert ecs_faults(ecs.replace(b'["alice"]', b'"alice"'))
    assert ecs_faults(re.sub(rb'"ip":"[\d.]+"', b'"ip":"nowhere"', ecs))
    assert ocsf_faults(ocsf.replace(b'"type_uid":300201', b'"type_uid":300202'))
    assert ocsf_faults(ocsf.replace(b'"class_uid":3002', b'"class_uid":3001'))
    assert ocsf_faults(ocsf.replace(b'"user":', b'"usr":'))
    assert ocsf_faults(ocsf.replace(b'"service":', b'"servis":'))
    assert cef_faults(cef.replace(b"|10|", b"|").replace(b"duser=", b"duser =="))
    assert cef_faults(cef.replace(b"jojees.net|", b"jojees|net|"))
    assert cef_faults(cef.replace(b"duser=alice", rb"duser=al\ice"))
    assert cef_faults(cef.replace(b"duser=", b"destinationUser="))
    assert cef_faults(cef + b"\nmore")
    assert syslog_faults(line.replace(b" - - ", b" - ", 1))
    assert syslog_faults(re.sub(rb"\.\d{6}Z", b".123456789Z", line))
    assert syslog_faults(line + b"\n" + line)
    assert not syslog_faults(line + b"\n" + line, full=True)
    assert syslog_faults(line.replace(b"<38>1", b"<192>1"))


def test_syslog_says_the_line_that_detectors_read_and_syslog_full_says_all():
    one, all_of_them = (first(chosen, result="BLOCKED") for chosen in (Format.SYSLOG, Format.SYSLOG_FULL))
    lines = all_of_them.split(b"\n")
    assert one in lines
    assert len(lines) == 11
    parts = [read_syslog(line.decode()) for line in lines]
    assert len({(part["host"], part["tag"], part["pid"], part["time"]) for part in parts}) == 1
    assert parts[0]["tag"] == "sshd"
    (port,) = {found for part in parts for found in re.findall(r" port (\d+)", part["text"])}
    assert 1024 <= int(port) <= 65535


def test_login_and_logout_of_a_session_have_one_process_and_one_port():
    said = {}
    for event in occurred(Format.SYSLOG_FULL):
        said.setdefault(event.event_type, []).append(event.body.decode())
    uids = {uid for body in said["user_login"] for uid in re.findall(r"alice\(uid=(\d+)\)", body)}
    assert len(uids) == 1
    assert 1000 <= int(uids.pop()) < 60_000


@EVERY
def test_the_same_stream_is_written_again_but_for_its_ids(chosen):
    once, again = ([each.body for each in drawn(chosen, 300)] for _ in range(2))
    assert once == again


def test_users_hosts_and_ids_are_the_same_in_every_format():
    events = [[each._replace(body=b"", content_type="") for each in drawn(chosen, 300)] for chosen in Format]
    assert all(each == events[0] for each in events)
