"""The spec: defaults, refusals that name the field, and the values that the engine reads off it."""

from fractions import Fraction

import pytest
from pydantic import ValidationError

from audit_event_operator.resource.broker_spec import DeclarationMode, Delivery, QueueType, TLSMode
from audit_event_operator.resource.event_type import Severity
from audit_event_operator.resource.problems import SpecError
from audit_event_operator.resource.spec import GeneratorSpec, parse_spec


def problems(spec):
    with pytest.raises(SpecError) as caught:
        parse_spec(spec)
    return dict(caught.value.problems)


def test_an_empty_spec_is_the_seed_stream():
    spec = parse_spec({})
    assert spec == GeneratorSpec()
    assert (spec.queue, spec.interval, spec.events_per_interval, spec.suspend) == ("audit_events", "5s", 1, False)
    assert spec.event_mix is None
    assert spec.event_types == ()
    assert spec.entities.users.listed == ("devops_admin", "app_user", "guest_user", "monitoring_agent", "attacker_bob")
    assert spec.entities.hosts.listed == ("prod-web-01", "prod-db-02", "dev-api-03", "test-worker-04")
    assert spec.delivery is Delivery.AT_LEAST_ONCE
    assert spec.queue_declaration.mode is DeclarationMode.CREATE_IF_MISSING
    assert spec.queue_declaration.type is QueueType.CLASSIC
    assert (spec.random_seed, spec.max_events, spec.run_duration, spec.run_id, spec.rabbitmq) == (None,) * 5


def test_rate_and_times_are_exact():
    spec = parse_spec({"interval": "300ms", "eventsPerInterval": 7, "runDuration": "1h0.5s"})
    assert spec.interval_ns == 300_000_000
    assert spec.run_duration_ns == 3_600_500_000_000
    assert spec.target_rate == Fraction(70, 3)
    assert parse_spec({}).run_duration_ns is None


def test_a_whole_spec_is_read():
    export = {"name": "db_export", "severity": "CRITICAL", "resource": "customers", "details": {"by": "${user}"}}
    broker = {"secretRef": {"name": "team-broker"}, "vhost": "/team", "tls": {"mode": "Verify"}}
    spec = parse_spec({"eventMix": {"user_login": 3, "db_export": 1}, "eventTypes": [export], "rabbitmq": broker})
    assert spec.event_mix == {"user_login": 3, "db_export": 1}
    (event_type,) = spec.event_types
    assert event_type.wire_event_type == "db_export"
    assert event_type.severity is Severity.CRITICAL
    assert event_type.action_result == "SUCCESS"
    assert event_type.details == {"by": "${user}"}
    assert spec.rabbitmq.secret_ref.name == "team-broker"
    assert spec.rabbitmq.tls.mode is TLSMode.VERIFY


def test_a_snapshot_cannot_be_changed():
    with pytest.raises(ValidationError):
        parse_spec({}).queue = "other"


@pytest.mark.parametrize("spec", [{"queue": None}, {"entities": {"users": None}}, {"eventMix": None}, {"unknown": 5}])
def test_nulls_are_defaulted_and_unknown_fields_ignored_as_the_api_server_does(spec):
    assert parse_spec(spec) == parse_spec({})


def test_whole_floats_are_integers_and_booleans_are_not():
    assert parse_spec({"eventsPerInterval": 3.0}).events_per_interval == 3
    assert type(parse_spec({"eventsPerInterval": 3.0}).events_per_interval) is int
    assert "spec.eventsPerInterval" in problems({"eventsPerInterval": True})


@pytest.mark.parametrize(
    "spec, field, says",
    [
        ({"interval": "0s"}, "interval", "between 1ms and 24h"),
        ({"interval": "25h"}, "interval", "between 1ms and 24h"),
        ({"interval": "99999999999999999999999999999h"}, "interval", "between 1ms and 24h"),
        ({"interval": "abc"}, "interval", "must be a duration such as"),
        ({"interval": 5}, "interval", "must be a duration such as"),
        ({"runDuration": "721h"}, "runDuration", "between 1s and 720h"),
        ({"eventMix": {}}, "eventMix", "at least 1 entry"),
        ({"eventMix": {"user_login": 0}}, "eventMix", "at least one weight above 0"),
        ({"eventMix": {"nonsense": 1}}, "eventMix", "may only name user_login_failure"),
        ({"eventMix": {"user_login": -1}}, "eventMix.user_login", "from 0 to 1000000"),
        ({"queue": ""}, "queue", "1 to 255 characters"),
        ({"queue": "amq.x"}, "queue", "must not begin with amq."),
        ({"queue": "q" * 256}, "queue", "1 to 255 characters"),
        ({"queue": "é" * 128}, "queue", "255 bytes"),
        ({"queue": "a\nb"}, "queue", "control characters"),
        ({"eventsPerInterval": -1}, "eventsPerInterval", "from 0 to 10000"),
        ({"eventsPerInterval": 10001}, "eventsPerInterval", "from 0 to 10000"),
        ({"traffic": {"profile": {"timeZone": "Europe/Bonn"}}}, "traffic.profile.timeZone", "IANA database"),
        ({"traffic": {"profile": {"timeZone": "../etc/passwd"}}}, "traffic.profile.timeZone", "name of a time zone"),
        ({"traffic": {"profile": {"hourly": [1] * 23}}}, "traffic.profile.hourly", "at least 24 entries"),
        ({"traffic": {"profile": {"weekdays": [0] * 7}}}, "traffic.profile.weekdays", "above 0"),
        (
            {"traffic": {"bursts": [{"every": "1m", "duration": "60s", "multiplierPercent": 5}]}},
            "traffic.bursts[0].duration",
            "shorter than its every",
        ),
        ({"traffic": {"arrival": "Poisson", "jitterPercent": 1}}, "traffic.jitterPercent", "requires arrival Constant"),
        ({"traffic": {"repeatStages": True}}, "traffic.repeatStages", "requires stages"),
        ({"eventsPerInterval": 200, "interval": "10ms"}, "eventsPerInterval", "at least 100ms"),
        ({"rabbitmq": {"secretRef": {"name": "a"}, "clusterRef": {"name": "b"}}}, "rabbitmq", "not both"),
        ({"rabbitmq": {"secretRef": {}}}, "rabbitmq.secretRef.name", "is required"),
        ({"rabbitmq": {"vhost": "team"}}, "rabbitmq.vhost", "requires secretRef or clusterRef"),
        ({"rabbitmq": {"tls": {"mode": "Verify"}}}, "rabbitmq.tls", "requires secretRef or clusterRef"),
        ({"suspend": "yes"}, "suspend", "true or false"),
        ({"delivery": "Maybe"}, "delivery", "'AtLeastOnce' or 'AtMostOnce'"),
        ({"entities": []}, "entities", "must be an object"),
        ({"entities": {"users": {"names": []}}}, "entities.users.names", "at least 1 entry"),
        ({"entities": {"hosts": {"names": ["a b"]}}}, "entities.hosts.names[0]", "must be a host name"),
        ({"eventTypes": {}}, "eventTypes", "must be a list"),
        ({"eventTypes": [{"name": "a"}, {"name": "a"}]}, "eventTypes", "twice"),
        ({"eventTypes": [{"name": "user_login"}]}, "eventTypes[0].name", "built-in names"),
        (
            {"eventTypes": [{"name": "a", "details": {"x": "${ip}"}}]},
            "eventTypes[0].details.x",
            "only these tokens: ${user}",
        ),
        ({"eventTypes": [{"name": "a", "details": {"x": "a\0"}}]}, "eventTypes[0].details.x", "NUL"),
        ({"eventTypes": [{"name": "a", "details": {"1": "x"}}]}, "eventTypes[0].details", "keys must be"),
        ({"eventTypes": [{"name": "a", "details": {"ip_address": "unknown"}}]}, "eventTypes[0].details", "IPv4"),
        ({"eventTypes": [{"name": "a", "details": {"resource": "x" * 256}}]}, "eventTypes[0].details", "255"),
        ({"eventTypes": [{"name": "a", "resource": "${user}"}]}, "eventTypes[0].resource", "details only"),
        ({"maxEvents": 2**53}, "maxEvents", "from 1 to 9007199254740991"),
        ({"runId": 5}, "runId", "quote it"),
        ([], "", "must be an object"),
    ],
)
def test_a_refusal_names_the_field_and_what_is_allowed(spec, field, says):
    found = problems(spec)
    place = f"spec.{field}".rstrip(".")
    assert list(found) == [place]
    assert says in found[place]
    assert found[place].split()[0].split(".")[0] in place, "the sentence begins with the field's name"


def test_all_wrong_fields_are_told_at_once():
    wrong = {"interval": "abc", "queue": "", "suspend": 1}
    assert set(problems(wrong)) == {"spec.interval", "spec.queue", "spec.suspend"}


def test_the_error_reads_as_one_text():
    with pytest.raises(SpecError, match=r"spec\.interval: interval must be between 1ms and 24h"):
        parse_spec({"interval": "25h"})


@pytest.mark.parametrize(
    "details",
    [
        {"x": "${user}@${host} from ${client_ip} no. ${sequence}"},
        {"x": "$${user}"},
        {"x": "costs 5$ {really}"},
        {"x": ""},
        {"ip_address": "${client_ip}"},
        {"ip_address": "10.0.0.1"},
        {"resource": "/etc/passwd"},
    ],
)
def test_details_may_hold_known_tokens_and_any_other_text(details):
    assert parse_spec({"eventTypes": [{"name": "a", "details": details}]}).event_types[0].details == details
