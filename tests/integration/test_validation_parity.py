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
from audit_event_operator.resource.durations import parse_duration
from audit_event_operator.resource.names import API_VERSION, GROUP, KIND, PLURAL, VERSION
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.templates import RESERVED_NAMES
from support.parts.controlplane import ControlPlane

pytestmark = pytest.mark.integration

EXAMPLES = 800


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
# What is inside of scenarios is compared as far as the API server judges it: spans in range with min below max, and names of
# events that are known. The rest is the operator's alone (tests/unit/resource/test_scenarios.py).
span_ends = st.sampled_from(["10ms", "1s", "1.5s", "2s", "1m30s", "10m"])
spans = st.one_of(
    st.builds(
        lambda one, other: dict(zip(("min", "max"), sorted([one, other], key=parse_duration), strict=True)),
        span_ends,
        span_ends,
    ),
    st.fixed_dictionaries(
        {"min": st.just("1s")}, optional={"max": st.sampled_from(["1d", "5", "", "1s\n", "-1s", "1e3s"])}
    ),
    other_types,
)
step_names = st.one_of(
    st.sampled_from(["victim", "web-01", "a.b_c", "-a", "a-", "a b", "é", "x" * 253, "x" * 254, "x" * 255, "x" * 256]),
    texts,
    other_types,
)
steps = st.one_of(
    st.fixed_dictionaries(
        {"event": st.sampled_from(["sudo_denied", "user_login_failure", "log_cleared"])},
        optional={
            "user": step_names,
            "host": step_names,
            "address": st.one_of(
                st.sampled_from(["victim", "attacker", "10.0.0.1", "10.0.0.256", "::1", "attacker ", "10.0.0.1\n"]),
                other_types,
            ),
            "after": spans,
            "gap": spans,
            "repeat": st.one_of(st.sampled_from([0, 1, 1_000, 1_001]), other_types),
            "times": st.just(3),
        },
    ),
    st.fixed_dictionaries({"event": st.one_of(st.sampled_from(["", "1a", "A", "a b", "a\n", "a" * 64]), other_types)}),
    other_types,
)
attempts = st.one_of(
    st.builds(
        lambda low, more: {"min": low, "max": low + more}, st.sampled_from([0, 1, 3, 1_000]), st.sampled_from([0, 1, 7])
    ),
    st.fixed_dictionaries({}, optional={"min": numbers}),
    other_types,
)
scenario_types = st.one_of(
    st.sampled_from(["BruteForce", "Steps", "MistypedPassword", "LateralMovement", "bruteForce", ""]), other_types
)
scenarios = st.one_of(
    st.fixed_dictionaries(
        {"name": st.one_of(st.sampled_from(["a", "b-1"]), texts, long_texts), "type": scenario_types},
        optional={
            "every": durations,
            "startAfter": durations,
            "jitterPercent": percentages,
            "attempts": attempts,
            "pace": spans,
            "successPercent": percentages,
            "users": names_lists,
            "hosts": names_lists,
            "steps": st.one_of(
                st.lists(steps, max_size=3), st.sampled_from([[{"event": "cron_job"}] * 17]), other_types
            ),
            "malicious": st.one_of(st.booleans(), other_types),
            "techniques": st.one_of(
                st.lists(st.sampled_from(["T1110", "T1110.001", "T111", "t1110", "T1110.1", "T1110\n", 5]), max_size=2),
                st.just(["T1110"] * 9),
                other_types,
            ),
            "suspend": st.one_of(st.booleans(), other_types),
        },
    ),
    st.builds(
        lambda which, more: {"name": "s", "type": "Steps", "steps": [which], **more},
        steps,
        st.fixed_dictionaries({}, optional={"every": durations, "users": names_lists}),
    ),
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "A", "", "a-", "x" * 63, "x" * 64]), "type": st.just("LogTampering")}
    ),
    other_types,
)
truths = st.fixed_dictionaries(
    {},
    optional={
        "queue": st.one_of(
            st.sampled_from(["truth", "audit_events", "amq.x", "", " "]), texts, long_texts, other_types
        ),
        "header": st.one_of(st.booleans(), other_types),
    },
)
object_names = st.one_of(
    st.sampled_from(["a", "a.b", "a..b", "-a", "A", "a\n", "a" * 253, "a" * 254]), texts, other_types
)
references = st.one_of(st.just({"name": "broker"}), st.fixed_dictionaries({"name": object_names}), other_types)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "queue": st.one_of(st.sampled_from(["q", "amq.", "amq.x", "amq", "Amq.x", "", " "]), texts, long_texts),
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
    "scenarios": st.one_of(st.lists(scenarios, max_size=2), st.just([{}] * 9), other_types),
    "groundTruth": truths,
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
