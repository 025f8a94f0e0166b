"""Offline validation agrees with the API server: of the same generated resources both accept and refuse the same ones."""

import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_event_operator.files.manifest import load_manifest
from audit_event_operator.files.object_validation import validate_object
from audit_event_operator.resource.names import API_VERSION, GROUP, KIND, PLURAL, VERSION
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES, RESERVED_NAMES
from support.parts.controlplane import ControlPlane

pytestmark = pytest.mark.integration

EXAMPLES = 700


class DryRun:
    """Asks the API server whether it would accept a resource, on one connection that stays open."""

    def __init__(self, control_plane: ControlPlane) -> None:
        context = ssl.create_default_context(cafile=str(control_plane.ca_file))
        self._line = http.client.HTTPSConnection("127.0.0.1", control_plane.port, timeout=30, context=context)
        (user,) = yaml.safe_load(control_plane.kubeconfig.read_text())["users"]
        self._headers = {"Authorization": f"Bearer {user['user']['token']}", "Content-Type": "application/json"}
        self.accepted = 0
        self.refused = 0

    def ask(self, resource: Any) -> tuple[bool, Any]:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/default/{PLURAL}?dryRun=All&fieldValidation=Strict"
        self._line.request("POST", path, json.dumps(resource), self._headers)
        answer = self._line.getresponse()
        body = json.loads(answer.read())
        assert answer.status in {201, 400, 422}, body
        accepted = answer.status == 201
        self.accepted += accepted
        self.refused += not accepted
        return accepted, body if accepted else body["message"]

    def close(self) -> None:
        self._line.close()


@pytest.fixture(scope="module")
def dry_run(control_plane: ControlPlane) -> Iterator[DryRun]:
    control_plane.install_crd()
    running = DryRun(control_plane)
    yield running
    running.close()


# --- values, near the bounds and hostile ----------------------------------------------------------------------------

characters = st.sampled_from("aZ0_-. /$é€\U0001f600\n\r\t\x00\x7f\x85\u2028${}")
texts = st.text(characters, max_size=8)
long_texts = st.builds(
    lambda unit, count, tail: unit * count + tail,
    st.sampled_from(["a", "é", "€", "\U0001f600"]),
    st.sampled_from([31, 32, 62, 63, 64, 84, 85, 86, 127, 128, 252, 253, 254, 255, 256, 1023, 1024, 1025]),
    st.sampled_from(["", "", "a", "\n"]),
)
other_types = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from(
        [0.0, 1.0, 1.5, -0.0, 1e16, 9007199254740991.0, 9007199254740992.0, 2**63 - 1, 2**63, 2**64, -(2**63) - 1]
    ),
    st.sampled_from([[], {}, "", "1", [None], [[]], {"a": None}, {"name": None}]),
)
numbers = st.builds(
    lambda bound, step: bound + step,
    st.sampled_from([0, 1, 100, 101, 10_000, 1_000_000, 2**31, 2**53 - 1, -(2**53) + 1, 2**63 - 1]),
    st.integers(-1, 1),
)
HOSTILE_DURATIONS = """
0s 1ms 0.9ms 0.999999ms 0.9999999999999999999ms 1.0000001ms 99ms 99.9999999ms 100ms 1s 0.1s 0.0999999999s 999ms 24h
0.99999999999999999999s 24h0.0000000001s 23h59m60s 24h0m0s1ms 1440m 1441m 86400s 86400.1s 86400000ms 86400001ms 720h
719h60m 720h1ms 25h 721h 99999999999999999999999999999h 9223372036854775807ms 9223372036854ms 9223372036855ms
2562047h48m 00000000000000000000000000005s 0.00000000000000000000000000000 5 s .5s 5.s 1e3s +1s -1s 5us 5µs 5ns 1d 5S
٥s 1h1h1h 1ms1ms 0h0.5ms0.5ms 1m1 1.5h 999999999999ms 99999h99999h99999h99999h99999h abc
""".split()  # noqa: SIM905 - shorter than a list with one line for each
durations = st.one_of(
    st.sampled_from([*HOSTILE_DURATIONS, "", "5 s", "5s\n", " 5s"]),
    st.from_regex(r"\A[0-9]{1,12}(\.[0-9]{1,20})?(ms|s|m|h)\Z"),
    st.from_regex(r"\A([0-9]{1,3}(\.[0-9]{1,3})?(ms|s|m|h)){1,4}\Z"),
)
mix_names = st.one_of(st.sampled_from([*RESERVED_NAMES, "own", "other", "", "User_Login"]), texts)
weights = st.one_of(st.integers(0, 3), numbers, other_types)
mixes = st.one_of(
    st.dictionaries(st.sampled_from(RESERVED_NAMES), st.integers(0, 2), max_size=4),
    st.dictionaries(mix_names, weights, max_size=4),
    st.sampled_from([{f"n{number}": 1 for number in range(count)} for count in (63, 64, 65)]),
)
detail_keys = st.one_of(
    st.sampled_from(["a", "table", "resource", "ip_address", "", "1a", "a b", "a" * 63, "a" * 64, "_", "é", "a\n"]),
    texts,
)
detail_values = st.one_of(
    st.sampled_from(
        ["${user}", "${host} ${sequence}", "${client_ip}", "${User}", "${", "$${user}", "${${user}}", "$ {", "${user"]
    ),
    st.sampled_from(["10.0.0.1", "10.0.0.256", "010.0.0.1", "1.2.3", "::1", "10.0.0.1\n", "1.2.3.4.5"]),
    texts,
    long_texts,
    other_types,
)
event_types = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"name": st.sampled_from(["own", "other", "x" * 63, "own"])},
            optional={
                "eventType": st.one_of(
                    st.sampled_from(["user_login", "A.b-c", "1a", "a\n"]), texts, long_texts, other_types
                ),
                "severity": st.one_of(st.sampled_from(["INFO", "ERROR", "info"]), other_types),
                "actionResult": st.one_of(
                    st.sampled_from(["SUCCESS", "A_", "_A", "A1", "A" * 32, "A" * 33]), texts, other_types
                ),
                "resource": st.one_of(st.sampled_from(["/etc/passwd", "${user}", "$"]), texts, long_texts, other_types),
                "details": st.one_of(st.dictionaries(detail_keys, detail_values, max_size=3), other_types),
            },
        ),
        st.fixed_dictionaries({"name": st.one_of(st.sampled_from(RESERVED_NAMES), texts, long_texts, other_types)}),
        other_types,
    ),
    max_size=3,
)
names_lists = st.one_of(
    st.lists(
        st.one_of(st.sampled_from(["web-01", "a.b_c", "-a", "a-", "é"]), texts, long_texts, other_types), max_size=3
    ),
    st.sampled_from([["a"] * count for count in (1, 32, 33, 256, 257)]),
    other_types,
)
counts = st.one_of(st.sampled_from([1, 2, 3, 10_000, 10_001, 100_000, 100_001]), numbers, other_types)
casts = st.fixed_dictionaries({}, optional={"names": names_lists, "count": counts})
network_lists = st.one_of(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    "10.0.0.0/8",
                    "10.0.0.1/7",
                    "192.0.2.7/32",
                    "192.0.2.0/33",
                    "256.0.0.0/8",
                    "010.0.0.0/8",
                    "10.0.0.0/08",
                ]
            ),
            texts,
            other_types,
        ),
        max_size=3,
    ),
    st.sampled_from([["10.0.0.0/8"] * count for count in (1, 16, 17)]),
    other_types,
)
percentages = st.one_of(st.sampled_from([0, 1, 100, 1_000, 1_001]), numbers, other_types)
profiles = st.fixed_dictionaries(
    {},
    optional={
        # Zones that exist: the API server cannot know which do.
        "timeZone": st.sampled_from(
            ["UTC", "Europe/Berlin", "Etc/GMT+5", "", "Europe/", "../UTC", "UTC\n", "a" * 65, 5]
        ),
        "hourly": st.one_of(
            st.builds(lambda percent, count: [percent] * count, percentages, st.sampled_from([0, 1, 23, 24, 24, 25])),
            other_types,
        ),
        "weekdays": st.one_of(
            st.builds(lambda first, count: [first] + [0] * count, percentages, st.sampled_from([5, 6, 6, 7])),
            other_types,
        ),
    },
)
bursts = st.one_of(
    st.fixed_dictionaries(
        {}, optional={"every": durations, "duration": durations, "multiplierPercent": percentages, "for": st.just("1s")}
    ),
    st.builds(
        lambda every, duration: {"every": every, "duration": duration, "multiplierPercent": 5},
        st.sampled_from(["10s", "60s", "1m", "9.999s", "168h", "168h1ms", "1h0.5s"]),
        st.sampled_from(["10ms", "9ms", "10s", "1m", "59.999999999s", "60s", "167h60m", "1h500ms"]),
    ),
    other_types,
)
stages = st.one_of(
    st.fixed_dictionaries(
        {"duration": st.sampled_from(["1s", "999ms", "720h", "721h"])},
        optional={"targetPercent": percentages, "transition": st.sampled_from(["Linear", "Step", "linear", None, 1])},
    ),
    other_types,
)
traffics = st.fixed_dictionaries(
    {},
    optional={
        "arrival": st.sampled_from(["Constant", "Poisson", "poisson", None]),
        "jitterPercent": st.one_of(st.sampled_from([0, 1, 100, 101]), other_types),
        "profile": st.one_of(profiles, other_types),
        "bursts": st.one_of(st.lists(bursts, max_size=3), st.just([{}] * 9), other_types),
        "stages": st.one_of(
            st.lists(stages, max_size=3),
            st.sampled_from([[{"duration": "1s", "targetPercent": 1}] * count for count in (32, 33)]),
            other_types,
        ),
        "repeatStages": st.one_of(st.booleans(), other_types),
    },
)


def mostly(right: st.SearchStrategy[Any], wrong: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Few wrong values: each hides the others, and there are many fields in a scenario."""
    return st.integers(0, 15).flatmap(lambda number: wrong if number == 0 else right)


# Wrong only where the API server knows it too: it leaves to us which events exist, and whether a span is in order and in range.
spans = mostly(
    st.fixed_dictionaries(
        {
            "min": mostly(
                st.sampled_from(["10ms", "0.01s", "0.5s"]),
                st.sampled_from(["", "1", "-1s", "1S", "1s\n", "٥s", 1, None]),
            ),
            "max": mostly(
                st.sampled_from(["0.5s", "1s500ms", "10m", "600s", f"{'0' * 30}5s"]),
                st.sampled_from(["m", "1e3s", f"{'0' * 31}5s", False]),
            ),
        }
    ),
    st.one_of(st.sampled_from([{"min": "1s"}, {"max": "1s"}, {"min": "1s", "max": "1s", "Min": "1s"}]), other_types),
)
ranges = mostly(
    st.sampled_from([{"min": 1, "max": 1}, {"min": 1, "max": 1000}, {"min": 2.0, "max": 3}]),
    st.one_of(
        st.sampled_from([{"min": 0, "max": 5}, {"min": 5, "max": 1001}, {"min": "1", "max": 2}, {"min": 1}]),
        st.sampled_from([{"min": 1, "max": None}, {"min": 1.5, "max": 2}]),
        other_types,
    ),
)
percents = mostly(st.sampled_from([0, 1, 100, 100.0]), st.one_of(st.sampled_from([101, -1]), other_types))
flags = mostly(st.booleans(), other_types)
steps = mostly(
    st.fixed_dictionaries(
        {
            "event": mostly(
                st.sampled_from(BUILT_IN_TEMPLATES),
                st.sampled_from(["Sudo", "a b", "", "é", "cron_job\n", "a" * 64, None, 5]),
            )
        },
        optional={
            "user": mostly(
                st.sampled_from(["victim", "alice", "é $", "a" * 255]),
                st.one_of(st.sampled_from(["a\n", "a" * 256]), texts, other_types),
            ),
            "host": mostly(
                st.sampled_from(["victim", "web-01", "a" * 253]),
                st.one_of(st.sampled_from(["-", "a\n", "a" * 254]), texts, other_types),
            ),
            "address": mostly(
                st.sampled_from(["victim", "attacker", "10.0.0.1", "255.255.255.255"]),
                st.one_of(
                    st.sampled_from(["victims", "10.0.0.256", "010.0.0.1", "::1", "1.2.3.4\n", "1.2.3"]),
                    texts,
                    other_types,
                ),
            ),
            "after": spans,
            "repeat": mostly(st.sampled_from([1, 1000, 2.0]), st.one_of(st.sampled_from([0, 1001]), other_types)),
            "gap": spans,
        },
    ),
    st.one_of(st.just({"event": "cron_job", "delay": 1}), other_types),
)
step_lists = mostly(
    st.one_of(st.lists(steps, min_size=1, max_size=2), st.just([{"event": "cron_job"}] * 16)),
    st.one_of(st.just([{"event": "cron_job"}] * 17), other_types),
)
pinned = mostly(st.sampled_from([["web-01"], ["a"] * 16, []]), st.one_of(st.just(["a"] * 17), names_lists))
scenario_fields: dict[str, st.SearchStrategy[Any]] = {
    "every": mostly(st.sampled_from(["10s", "15m", "720h", "719h60m"]), durations),
    "startAfter": mostly(st.sampled_from(["0s", "0ms", "720h", "1.5h"]), durations),
    "jitterPercent": percents,
    "attempts": ranges,
    "pace": spans,
    "successPercent": percents,
    "users": pinned,
    "hosts": pinned,
    "malicious": flags,
    "techniques": mostly(
        st.sampled_from([["T1110"] * 8, ["T1110.001"], []]),
        st.one_of(
            st.lists(st.sampled_from(["T1110.1", "t1110", "T11100", "", "T1110\n", 5, None]), max_size=2),
            st.just(["T1110"] * 9),
            other_types,
        ),
    ),
    "suspend": flags,
}
scenario_types = mostly(
    st.sampled_from(["Steps", "BruteForce", "DeploymentBurst"]), st.sampled_from(["steps", "", None, 1])
)
scenario_ends = mostly(
    st.sampled_from(["", "-1", "x" * 61]), st.sampled_from(["-", "_", "A", "x" * 62, "\n", "é", " ", None])
)


@st.composite
def scenario_lists(draw: st.DrawFn) -> Any:
    """Scenarios with a few fields each, now and then with a name that another one has, or with no name at all."""
    scenarios: list[Any] = []
    for number in range(draw(st.integers(0, 3))):
        letter, end = "abc"[draw(mostly(st.just(number), st.just(0)))], draw(scenario_ends)
        scenario: dict[str, Any] = {"name": None if end is None else f"{letter}0{end}", "type": draw(scenario_types)}
        for field in draw(st.lists(st.sampled_from(sorted(scenario_fields)), max_size=3, unique=True)):
            scenario[field] = draw(scenario_fields[field])
        if draw(mostly(st.just(scenario["type"] == "Steps"), st.booleans())):
            scenario["steps"] = draw(step_lists)
        scenarios.append(draw(mostly(st.just(scenario), st.one_of(st.just(scenario | {"kind": "x"}), other_types))))
    return scenarios


ground_truths = st.fixed_dictionaries(
    {},
    optional={
        "queue": st.one_of(
            st.sampled_from(["truth", "audit_events", "q", "amq.x", ""]), texts, long_texts, other_types
        ),
        "header": st.one_of(st.booleans(), other_types),
        "Queue": st.just("truth"),
    },
)
message_texts = st.one_of(
    st.sampled_from(["a.${event_type}.${severity}", "${user}@${host}", "${namespace}/${name}", "${action_result}"]),
    st.sampled_from(["${client_ip}", "${User}", "${", "$${user}", "${${user}}", "$ {", "${user", "", "a$", "$\n"]),
    texts,
    long_texts,
    other_types,
)
header_names = st.one_of(
    st.sampled_from(
        ["a", "x-match", "x-aeg-truth", "x-aeg-", "X-AEG-a", "CC", "BCC", "cc", "ce:type", "a/b", "1a", ""]
    ),
    st.sampled_from(["a" * 63, "a" * 64, "a\n", "é", "a b"]),
    texts,
)
exchanges = st.one_of(
    st.fixed_dictionaries(
        {"name": st.one_of(st.sampled_from(["audit", "amq.topic", "", " "]), texts, long_texts, other_types)},
        optional={"routingKey": message_texts, "kind": st.just("topic")},
    ),
    st.fixed_dictionaries({"name": st.just("audit")}, optional={"routingKey": message_texts}),
    other_types,
)
messages = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "headers": st.one_of(
                st.dictionaries(header_names, message_texts, max_size=3),
                st.sampled_from([{f"h{number}": "v" for number in range(count)} for count in (8, 9)]),
                other_types,
            ),
            "priority": st.one_of(st.sampled_from([0, 255, 256, -1, 1.0]), numbers, other_types),
            "expiration": durations,
            "ttl": st.just("1s"),
        },
    ),
    other_types,
)
object_names = st.one_of(
    st.sampled_from(["a", "a.b", "a..b", "-a", "A", "a\n", "a" * 253, "a" * 254]), texts, other_types
)
references = st.one_of(st.just({"name": "broker"}), st.fixed_dictionaries({"name": object_names}), other_types)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "queue": st.one_of(st.sampled_from(["q", "amq.", "amq.x", "amq", "Amq.x", "", " "]), texts, long_texts),
    "exchange": exchanges,
    "message": messages,
    "interval": durations,
    "eventsPerInterval": numbers,
    "suspend": st.booleans(),
    "activity": st.one_of(st.sampled_from(["Independent", "Sessions", "sessions", ""]), other_types),
    "eventMix": mixes,
    "eventTypes": event_types,
    "entities": st.fixed_dictionaries(
        {},
        optional={
            "users": st.one_of(casts, other_types),
            "hosts": st.one_of(casts, other_types),
            "clients": st.one_of(st.fixed_dictionaries({}, optional={"cidrs": network_lists}), other_types),
            "attackers": st.one_of(st.fixed_dictionaries({}, optional={"cidrs": network_lists}), other_types),
        },
    ),
    "traffic": traffics,
    "scenarios": st.one_of(
        scenario_lists(),
        st.sampled_from(
            [[{"name": f"s{number}", "type": "BruteForce"} for number in range(count)] for count in (8, 9)]
        ),
    ),
    "groundTruth": ground_truths,
    "randomSeed": numbers,
    "maxEvents": numbers,
    "runDuration": durations,
    "runId": st.one_of(st.sampled_from(["1", "a-b", "2025-11-24", "-a", "a\n"]), texts, long_texts),
    "delivery": st.sampled_from(["AtLeastOnce", "AtMostOnce", "atLeastOnce", ""]),
    "queueDeclaration": st.fixed_dictionaries(
        {},
        optional={
            "mode": st.one_of(st.sampled_from(["CreateIfMissing", "MustExist", "Passive"]), other_types),
            "type": st.one_of(st.sampled_from(["Classic", "Quorum", "Stream"]), other_types),
            "durable": st.booleans(),
        },
    ),
    "rabbitmq": st.fixed_dictionaries(
        {},
        optional={
            "secretRef": references,
            "clusterRef": references,
            "vhost": st.one_of(st.sampled_from(["/", "team"]), texts, long_texts, other_types),
            "tls": st.one_of(
                st.fixed_dictionaries({}, optional={"mode": st.sampled_from(["Auto", "Verify", "Disabled", "None"])}),
                other_types,
            ),
        },
    ),
}
wrong_fields = st.sampled_from(
    [{}, {}, {}, {"interal": "5s"}, {"events_per_interval": 1}, {"Queue": "q"}, {"unknown": None}]
)


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """A spec of few fields, since each wrong one hides the others; now and then one of another type or unknown."""
    chosen = draw(st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=3, unique=True))
    spec = {field: draw(FIELDS[field]) for field in chosen}
    if draw(st.integers(0, 7)) == 0:
        spec[chosen[0]] = draw(other_types)
    if draw(st.integers(0, 7)) == 0:
        spec |= draw(wrong_fields)
    return spec


names = st.one_of(
    st.sampled_from(["a.b", "A", "a_b", "a..b", "-", "a" * 253, "a" * 254, "", "a\n", "é", 5, None]), texts
)
label_keys = st.one_of(
    st.sampled_from(["a", "a/b", "a/b/c", "A.b/c", "a.b/C_", "/a", "a/", "a" * 63, "a" * 64, "-a"]), texts
)
label_values = st.one_of(st.sampled_from(["", "a", "a b", "-", "a" * 63, "a" * 64, "a.b_c", "é"]), texts, other_types)
metadata = st.fixed_dictionaries(
    {"name": st.one_of(st.just("x"), names)},
    optional={
        "labels": st.one_of(st.dictionaries(label_keys, label_values, max_size=2), other_types),
        "annotations": st.one_of(st.dictionaries(label_keys, label_values, max_size=2), other_types),
        "finalizers": st.lists(
            st.one_of(st.sampled_from(["a.b/c", "foregroundDeletion", "a b"]), label_keys), max_size=2
        ),
        "Labels": st.just({}),
    },
)


def resource(**parts: Any) -> dict[str, Any]:
    """A resource as kubectl would send it."""
    whole = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "x"}, **parts}
    return load_manifest(json.dumps(whole))[0].content


def assert_same_answer(dry_run: DryRun, whole: dict[str, Any]) -> None:
    ours = validate_object(whole)
    accepted, answer = dry_run.ask(whole)
    assert accepted == (not ours), f"the API server says {answer}; we say {[str(problem) for problem in ours]}"
    if accepted:
        assert parse_spec(answer["spec"]) == parse_spec(whole.get("spec") or {}), "the defaults differ"


same = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@same
@given(spec=specs())
def test_every_generated_spec_has_the_same_verdict_offline(dry_run, spec) -> None:
    assert_same_answer(dry_run, resource(spec=spec))


@settings(same, max_examples=400)
@given(scenarios=FIELDS["scenarios"])
def test_all_generated_scenarios_have_the_same_verdict_offline(dry_run, scenarios) -> None:
    assert_same_answer(dry_run, resource(spec={"scenarios": scenarios}))


@settings(same, max_examples=200)
@given(queue=FIELDS["queue"], truth=st.one_of(ground_truths, other_types), exchange=st.none() | exchanges)
def test_every_generated_ground_truth_has_the_same_verdict_offline(dry_run, queue, truth, exchange) -> None:
    assert_same_answer(dry_run, resource(spec={"queue": queue, "groundTruth": truth, "exchange": exchange}))


@settings(same, max_examples=500)
@given(exchange=st.none() | exchanges, message=st.none() | messages)
def test_every_generated_envelope_has_the_same_verdict_offline(dry_run, exchange, message) -> None:
    assert_same_answer(dry_run, resource(spec={"exchange": exchange, "message": message}))


@settings(same, max_examples=200)
@given(metadata=metadata)
def test_every_generated_metadata_has_the_same_verdict_offline(dry_run, metadata) -> None:
    assert_same_answer(dry_run, resource(metadata=metadata))


@settings(same, max_examples=60)
@given(spec=other_types, status=st.one_of(other_types, st.just({"eventsPublished": "x"}), st.just({"unknown": 1})))
def test_a_spec_or_status_of_another_type_has_the_same_verdict_offline(dry_run, spec, status) -> None:
    assert_same_answer(dry_run, resource(spec=spec, status=status))


def test_the_generated_specs_were_worth_the_trouble(dry_run) -> None:
    # Runs after the others on the same connection: a generator that is always refused compares nothing.
    if dry_run.accepted + dry_run.refused < EXAMPLES:
        pytest.skip("the comparisons were not selected")
    assert dry_run.accepted > 100
    assert dry_run.refused > 100
