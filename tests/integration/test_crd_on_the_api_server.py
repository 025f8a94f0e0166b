"""The CRD as a real API server and the real kubectl take it: refusals, documentation, defaults, columns, status, patches."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from audit_event_operator.files.manifest import ManifestError, load_manifest
from audit_event_operator.files.object_validation import validate_object
from audit_event_operator.resource.advice import Advice, AdviceReason
from audit_event_operator.resource.conditions import Completion, CompletionReason, Ready, Reason
from audit_event_operator.resource.crd import resource_schema
from audit_event_operator.resource.names import API_VERSION, KIND
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Contested, Facts, Progress, build_status
from support.parts.controlplane import ControlPlane
from support.waiting import wait_until

HEAD = f"apiVersion: {API_VERSION}\nkind: {KIND}\nmetadata: {{name: demo}}\n"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    control_plane.install_crd()
    # The documentation is published a moment after the resources are served.
    wait_until(
        lambda: control_plane.kubectl("explain", "aeg.spec.queue", check=False).returncode == 0,
        what="the documentation of the custom resources",
    )
    return control_plane


# --- refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.row(38)
@pytest.mark.parametrize(
    "spec, field, says",
    [
        ("interval: 0s", "interval", "interval must be between 1ms and 24h"),
        ("interval: 25h", "interval", "interval must be between 1ms and 24h"),
        ("interval: abc", "interval", "interval must be a duration such as"),
        ("interval: -1s", "interval", "interval must be a duration such as"),
        ("interval: 1e3s", "interval", "interval must be a duration such as"),
        ("interval: 99999999999999999999999999999h", "interval", "interval must be between 1ms and 24h"),
        ("eventMix: {}", "eventMix", "should have at least 1 properties"),
        ("eventMix: {user_login: 0, sudo_command: 0}", "eventMix", "eventMix must have at least one weight above 0"),
        ("eventMix: {coffee_break: 1}", "eventMix", "eventMix may only name user_login_failure, "),
        ("eventMix: {user_login: -1}", "eventMix.user_login", "should be greater than or equal to 0"),
        ('queue: ""', "queue", "queue must be 1 to 255 characters without control characters"),
        ("queue: amq.x", "queue", "queue must not begin with amq."),
        (f"queue: {'q' * 256}", "queue", "than 255"),
        (f"queue: {'é' * 128}", "queue", "queue must be at most 255 bytes long"),
        ('queue: "a\\rb"', "queue", "queue must be 1 to 255 characters without control characters"),
        ("eventsPerInterval: -1", "eventsPerInterval", "should be greater than or equal to 0"),
        ("traffic: {profile: {hourly: [1, 2]}}", "traffic.profile.hourly", "should have at least 24 items"),
        (
            "traffic: {bursts: [{every: 1m, duration: 60s, multiplierPercent: 5}]}",
            "traffic.bursts[0].duration",
            "duration of a burst must be shorter than its every",
        ),
        ("eventsPerInterval: 10001", "eventsPerInterval", "should be less than or equal to 10000"),
        (
            "{eventsPerInterval: 200, interval: 10ms}",
            "eventsPerInterval",
            "eventsPerInterval above 100 needs an interval of at least 100ms",
        ),
        (
            "rabbitmq: {secretRef: {name: a}, clusterRef: {name: b}}",
            "rabbitmq",
            "rabbitmq may set secretRef or clusterRef, not both",
        ),
        ("rabbitmq: {vhost: team}", "rabbitmq.vhost", "vhost requires secretRef or clusterRef"),
        (
            "rabbitmq: {tls: {mode: Verify}}",
            "rabbitmq.tls",
            "tls.mode other than Auto requires secretRef or clusterRef",
        ),
        ("runDuration: 721h", "runDuration", "runDuration must be between 1s and 720h"),
        ("eventTypes: [{name: user_login}]", "eventTypes[0].name", "name must not be one of the built-in names"),
        (
            'eventTypes: [{name: own, details: {who: "${usr}"}}]',
            "eventTypes[0].details[who]",
            "details: each must be a string of at most 1024 characters without NUL, and may contain only these tokens: $",
        ),
        (
            "scenarios: [{name: a, type: Steps}]",
            "scenarios[0].steps",
            "steps must be set for type Steps, and for no other type",
        ),
        (
            "scenarios: [{name: a, type: BruteForce, steps: [{event: cron_job}]}]",
            "scenarios[0].steps",
            "steps must be set for type Steps, and for no other type",
        ),
        (
            "scenarios: [{name: a, type: BruteForce, every: 9s}]",
            "scenarios[0].every",
            "every must be between 10s and 720h",
        ),
        ("scenarios: [{name: A, type: BruteForce}]", "scenarios[0].name", "name must be at most 63 lower-case letters"),
        ("scenarios: [{name: a, type: Flood}]", "scenarios[0].type", "Unsupported value"),
        (
            "scenarios: [{name: a, type: BruteForce, attempts: {min: 0, max: 1}}]",
            "scenarios[0].attempts.min",
            "should be greater than or equal to 1",
        ),
        ("groundTruth: {queue: amq.x}", "groundTruth.queue", "queue must not begin with amq."),
        (
            "{queue: audit, groundTruth: {queue: audit}}",
            "groundTruth.queue",
            "queue of groundTruth must differ from the queue of the stream",
        ),
        (
            "groundTruth: {queue: audit_events}",
            "groundTruth.queue",
            "queue of groundTruth must differ from the queue of the stream",
        ),
        (
            "entities: {attackers: {cidrs: [10.0.0.0]}}",
            "entities.attackers.cidrs[0]",
            "each must be an IPv4 network such as 10.20.0.0/16",
        ),
        ("intervall: 1s", "intervall", 'unknown field "spec.intervall"'),
        ("entities: {user: {names: [a]}}", "entities.user", 'unknown field "spec.entities.user"'),
    ],
)
def test_kubectl_refuses_with_a_sentence_that_names_the_field(plane, spec, field, says, measured) -> None:
    text = f"{HEAD}spec:\n  {spec}\n"
    done = plane.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=text, check=False)
    assert done.returncode != 0
    assert f"spec.{field}" in done.stderr
    assert says in done.stderr
    assert "evaluat" not in done.stderr, "a rule failed instead of saying no"

    (document,) = load_manifest(text)
    dotted = re.sub(r"\[(\D+)]", r".\1", field)
    assert {problem.field for problem in validate_object(document.content)} == {f"spec.{dotted}"}
    measured("refused by the API server and by the parser, both in a sentence that names the field")


# --- documentation ------------------------------------------------------------------------------------------------------


def objects(node: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    node = node.get("items", node)
    if "properties" in node:
        yield place, node["properties"]
        for name, child in node["properties"].items():
            yield from objects(child, f"{place}.{name}")


DOCUMENTED = [
    found for part in ("spec", "status") for found in objects(resource_schema()["properties"][part], f"aeg.{part}")
]


def test_kubectl_explain_lists_every_field(plane) -> None:
    listed = plane.kubectl("explain", "aeg.spec", "--recursive").stdout
    for place, fields in DOCUMENTED:
        if place.startswith("aeg.spec"):
            for name in fields:
                assert re.search(rf"^ +{name}\t<", listed, re.MULTILINE), f"{place}.{name}"


@pytest.mark.parametrize("place, fields", DOCUMENTED)
def test_kubectl_explain_documents_every_field(plane, place, fields) -> None:
    explained = " ".join(plane.kubectl("explain", place).stdout.split())
    for name, field in fields.items():
        assert " ".join(field["description"].split()) in explained, f"{place}.{name}"


# --- life of a resource -------------------------------------------------------------------------------------------------


def test_an_empty_spec_shows_every_default(generators) -> None:
    created = generators.create("demo")
    assert created["spec"] == {
        "queue": "audit_events",
        "message": {},
        "interval": "5s",
        "eventsPerInterval": 1,
        "suspend": False,
        "activity": "Independent",
        "entities": {"users": {}, "hosts": {}, "clients": {}, "attackers": {}},
        "format": "Json",
        "delivery": "AtLeastOnce",
        "queueDeclaration": {"mode": "CreateIfMissing", "type": "Classic"},
    }
    assert parse_spec(created["spec"]) == parse_spec({})
    assert created["status"] == {"observedGeneration": -1}


def test_one_weight_can_be_patched_and_taken_away(generators) -> None:
    generators.create("demo", eventMix={"user_login": 1, "sudo_command": 1})
    patched = generators.patch("demo", eventMix={"sudo_command": 60})
    assert patched["spec"]["eventMix"] == {"user_login": 1, "sudo_command": 60}
    assert generators.patch("demo", eventMix={"user_login": None})["spec"]["eventMix"] == {"sudo_command": 60}


def test_names_replace_the_default_ones_also_by_server_side_apply(plane, namespace, generators) -> None:
    generators.create("demo")
    text = f"{HEAD}spec: {{entities: {{users: {{names: [alice]}}}}}}\n"
    plane.kubectl("apply", "--server-side", "--force-conflicts", "-n", namespace, "-f", "-", input=text)
    assert generators.get("demo")["spec"]["entities"]["users"]["names"] == ["alice"]


def test_appliers_share_a_spec_but_not_the_details_of_an_event_type(plane, namespace, generators) -> None:
    # Details are atomic: an owner for each of a thousand keys would make every status patch dearer.
    generators.create("demo", interval="7s", eventTypes=[{"name": "own", "severity": "ERROR", "details": {"a": "1"}}])
    text = f"{HEAD}spec: {{eventTypes: [{{name: own, details: {{b: '2'}}}}]}}\n"
    plane.kubectl("apply", "--server-side", "--force-conflicts", "-n", namespace, "-f", "-", input=text)
    spec = generators.get("demo")["spec"]
    assert spec["interval"] == "7s"
    assert spec["eventTypes"] == [{"name": "own", "severity": "ERROR", "details": {"b": "2"}}]


def test_every_status_that_we_build_is_taken_whole_and_shown(generators) -> None:
    created = generators.create("demo", interval="250ms")
    everything = {
        "rate_limited": "The rate is cut to 5000/s by the operator's own limit.",
        "advice": tuple(Advice(reason, "spec", f"{reason}. " + "w" * 300) for reason in AdviceReason),
        "events_per_interval": 10_000,
        "target_rate": Fraction(4),
        "observed_rate": 3.9,
        "destination": "q" * 255,
        "broker": f"{'h' * 253}:65535/{'%2F' * 255}",
        "random_seed": -(2**53) + 1,
        "progress": Progress(1234, 5, "r" * 63, NOW, NOW, NOW),
    }
    for reason in Reason:
        message = f"About {reason}. " + "é" * 3000
        complete = Completion(CompletionReason.DURATION_ELAPSED, message) if reason is Reason.COMPLETED else None
        facts = Facts(1, Ready(reason, message), complete=complete, **everything)
        status = build_status(facts, None, NOW, uid="u" * 64, owner="o" * 600, contested=Contested(message, NOW))
        changed = generators.merge("demo", {"status": status}, "/status")
        assert changed["status"] == status
        assert changed["metadata"]["generation"] == created["metadata"]["generation"]


def test_columns_say_at_a_glance_what_goes_on(plane, namespace, generators) -> None:
    generators.create("demo", interval="250ms", queue="audit")
    ready, progress = Ready(Reason.PUBLISHING, "Events flow."), Progress(events_published=7)
    facts = Facts(
        1,
        ready,
        progress=progress,
        target_rate=Fraction(4),
        observed_rate=3.9,
        destination="audit",
        broker="b:5672/%2F",
    )
    generators.merge("demo", {"status": build_status(facts, None, NOW, owner="pod")}, "/status")
    head, row = plane.kubectl("get", "aeg", "-n", namespace).stdout.splitlines()
    assert head.split() == [
        "NAME",
        "READY",
        "REASON",
        "DESTINATION",
        "INTERVAL",
        "RATE",
        "OBSERVED",
        "PUBLISHED",
        "AGE",
    ]
    assert row.split()[:-1] == ["demo", "True", "Publishing", "audit", "250ms", "4/s", "3.9/s", "7"]
    head, row = plane.kubectl("get", "auditflow", "-n", namespace, "-o", "wide").stdout.splitlines()
    assert head.split()[9:] == ["SUSPENDED", "BROKER", "OWNER", "MESSAGE"]
    assert row.split()[9:] == ["false", "b:5672/%2F", "pod", "Events", "flow."]
    plane.kubectl("wait", "aeg/demo", "-n", namespace, "--for=condition=Ready", "--timeout=5s")


def test_a_second_apply_of_the_same_manifest_changes_nothing(plane, namespace, tmp_path) -> None:
    manifest = tmp_path / "short.yaml"
    manifest.write_text(
        "apiVersion: auditflow.jojees.net/v1alpha1\nkind: AuditEventGenerator\nmetadata: {name: short}\n"
        "spec: {eventTypes: [{name: badge_denied, details: {door: west}}], eventMix: {badge_denied: 1}, groundTruth: {},\n"
        "  scenarios: [{name: doors, type: Steps, steps: [{event: badge_denied}]}]}\n"
    )
    said = [plane.kubectl("apply", "-n", namespace, "-f", manifest).stdout.split()[-1] for _ in range(2)]
    assert said == ["created", "unchanged"]
    assert plane.kubectl("diff", "-n", namespace, "-f", manifest, check=False).returncode == 0


# --- files --------------------------------------------------------------------------------------------------------------

SCALARS = """
yes on Off y N True TRUE tRue ~ Null 2025-11-24 2025-11-24T01:02:03Z 1:30 190:20:30 +1:30 1:60 0o17 017 09 0o8 0x1F 0x -0x1F
-017 0b11 0b12 1_000 1_000.5 1__0 1_ _1 0_7 1e3 1E+3 +1e3 .1e3 1.0e+3 1. 0. .5 1.0 0.1 1e 1e21 1e400 +5 -0 -0.0 NaN infinity
123456789012345678901234567890 0x1p4 = << 'yes' "5" "\\x00" "\\U0001F600" 'it''s' a'b a#b
""".split()  # noqa: SIM905 - shorter than a list with one line for each
MORE = """
    keys: {1: b, yes: d, 1.5: e, 2025-01-01: f, 0x10: g}
    list: [1, 2,]
    anchor: &x {c: 1, d: &y 2}
    merged: {<<: *x, d: 3}
    alias: *y
    folded: >-
      a
      b
    kept: |+
      a

    ? question
    : answer
"""
BROKEN = [".inf", ".nan", "-.Inf", '"\\ud800"', "@b", "`b", "%b", "b: c", "'x' y", "[", "{", "*x", "&a [*a]", '"\\q"']


def test_kubectl_reads_scalars_and_keys_as_we_do(plane) -> None:
    lines = [f"    k{number}: {scalar}\n" for number, scalar in enumerate(SCALARS)]
    text = f"{HEAD}spec:\n  anything:\n{''.join(lines)}{MORE}"
    done = plane.kubectl("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", input=text)
    theirs = json.loads(done.stdout)["spec"]["anything"]
    ours = load_manifest(text)[0].content["spec"]["anything"]
    for key in theirs | ours:
        assert json.dumps(ours[key], sort_keys=True) == json.dumps(theirs[key], sort_keys=True), key


@pytest.mark.parametrize("broken", BROKEN)
def test_what_kubectl_cannot_read_we_cannot_read_either(plane, broken) -> None:
    text = f"{HEAD}spec:\n  queue: {broken}\n"
    done = plane.kubectl(
        "create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", input=text, check=False
    )
    assert done.returncode != 0
    with pytest.raises(ManifestError):
        load_manifest(text)
