"""Scenarios and ground truth in a spec: what they may say, what is told about mistakes, and what scripts read off them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.resource.durations import parse_duration
from audit_event_operator.resource.entities import ATTACKER_NETWORKS
from audit_event_operator.resource.problems import SpecError
from audit_event_operator.resource.scenarios import MAX_SCENARIOS, MAX_STEPS, ScenarioType
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.templates import ALIASES, BUILT_IN_TEMPLATES

STEP = {"event": "sudo_command"}
MILLISECOND = 1_000_000


def scenario(kind="BruteForce", **fields):
    return {"name": "attack", "type": kind} | fields


def stepping(*steps, **fields):
    return scenario("Steps", steps=list(steps), **fields)


def parsed(*scenarios, **spec):
    return parse_spec({"scenarios": list(scenarios), **spec}).scenarios


def problems(*scenarios, **spec):
    with pytest.raises(SpecError) as caught:
        parsed(*scenarios, **spec)
    return dict(caught.value.problems)


# --- what is read -------------------------------------------------------------------------------------------------------


def test_a_spec_has_no_scenarios_and_tells_nothing_unless_asked_to():
    spec = parse_spec({})
    assert (spec.scenarios, spec.ground_truth, spec.entities.attackers.listed) == ((), None, ATTACKER_NETWORKS)


@pytest.mark.parametrize("kind", ScenarioType)
def test_a_name_and_a_type_are_enough(kind):
    fields = {"steps": [STEP]} if kind is ScenarioType.STEPS else {}
    (read,) = parsed(scenario(kind, **fields))
    assert (read.name, read.type) == ("attack", kind)
    assert (read.every, read.every_ns, read.start_after_ns, read.jitter_percent) == (None, None, 0, 20)
    assert (read.attempts, read.pace, read.success_percent) == (None, None, None)
    assert (read.users, read.hosts, read.techniques) == ((), (), ())
    assert (read.malicious, read.suspend) == (True, False)


def test_a_step_is_about_the_victim_and_happens_once_unless_it_says_otherwise():
    (read,) = parsed(stepping(STEP))
    (step,) = read.steps
    assert (step.event, step.user, step.host, step.address) == ("sudo_command", "victim", "victim", "victim")
    assert (step.after, step.repeat, step.gap) == (None, 1, None)


def test_every_field_is_read():
    span = {"min": "10ms", "max": "10m"}
    step = STEP | {
        "user": "root",
        "host": "db-01",
        "address": "attacker",
        "after": span,
        "repeat": 1000,
        "gap": {"min": "1s", "max": "1s"},
    }
    (read,) = parsed(
        stepping(
            step,
            every="1h30m",
            startAfter="0.5s",
            jitterPercent=0,
            attempts={"min": 1, "max": 1000},
            pace=span,
            successPercent=0,
            users=["alice"],
            hosts=["web-01"],
            malicious=False,
            techniques=["T1110", "T1110.001"],
            suspend=True,
        )
    )
    assert (read.every_ns, read.start_after_ns, read.jitter_percent) == (5_400_000 * MILLISECOND, 500 * MILLISECOND, 0)
    assert (read.attempts.range, read.success_percent) == ((1, 1000), 0)
    assert (read.pace.range.low, read.pace.range.high) == (10 * MILLISECOND, 600_000 * MILLISECOND)
    assert (read.users, read.hosts, read.techniques) == (("alice",), ("web-01",), ("T1110", "T1110.001"))
    assert (read.malicious, read.suspend) == (False, True)
    (step,) = read.steps
    assert (step.user, step.host, step.address, step.repeat) == ("root", "db-01", "attacker", 1000)
    assert step.after.range == read.pace.range
    assert step.gap.range == (1000 * MILLISECOND, 1000 * MILLISECOND)


def test_attackers_come_from_the_networks_that_the_spec_lists():
    assert parse_spec({"entities": {"attackers": {"cidrs": ["10.9.0.0/16"]}}}).entities.attackers.listed == (
        "10.9.0.0/16",
    )


def test_ground_truth_without_a_queue_only_counts():
    truth = parse_spec({"groundTruth": {}}).ground_truth
    assert (truth.queue, truth.header) == (None, False)
    truth = parse_spec({"groundTruth": {"queue": "truth", "header": True}}).ground_truth
    assert (truth.queue, truth.header) == ("truth", True)


@pytest.mark.parametrize("event", BUILT_IN_TEMPLATES)
def test_a_step_may_be_any_built_in_event_type(event):
    assert parsed(stepping({"event": event}))


def test_a_step_may_be_an_event_type_of_ones_own():
    assert parsed(stepping({"event": "door_opened"}), eventTypes=[{"name": "door_opened"}])


@pytest.mark.parametrize("address", ["victim", "attacker", "0.0.0.0", "255.255.255.255", "203.0.113.7"])
def test_an_address_is_a_role_or_an_ipv4_address(address):
    assert parsed(stepping(STEP | {"address": address}))


# --- what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields, field, says",
    [
        ({"name": "Attack"}, "name", "at most 63 lower-case letters, digits and hyphens"),
        ({"name": "a" * 64}, "name", "at most 63 lower-case letters, digits and hyphens"),
        ({"name": "a-"}, "name", "beginning and ending with a letter or digit"),
        ({"name": ""}, "name", "at most 63"),
        ({"type": "Flood"}, "type", "'BruteForce', 'PasswordSpray'"),
        ({"every": "9.999s"}, "every", "between 10s and 720h"),
        ({"every": "720h1ms"}, "every", "between 10s and 720h"),
        ({"every": "often"}, "every", "must be a duration such as"),
        ({"startAfter": "721h"}, "startAfter", "between 0s and 720h"),
        ({"startAfter": "-1s"}, "startAfter", "must be a duration such as"),
        ({"jitterPercent": 101}, "jitterPercent", "from 0 to 100"),
        ({"jitterPercent": -1}, "jitterPercent", "from 0 to 100"),
        ({"attempts": {"min": 0, "max": 1}}, "attempts.min", "from 1 to 1000"),
        ({"attempts": {"min": 1, "max": 1001}}, "attempts.max", "from 1 to 1000"),
        ({"attempts": {"min": 1}}, "attempts.max", "is required"),
        ({"attempts": 5}, "attempts", "must be an object"),
        ({"attempts": {"min": 3, "max": 2}}, "attempts", "attempts.min must not be above attempts.max"),
        ({"pace": {"min": "1s"}}, "pace.max", "is required"),
        ({"pace": {"min": "1s", "max": "5"}}, "pace.max", "must be a duration such as"),
        ({"pace": {"min": "9ms", "max": "1s"}}, "pace.min", "pace.min must be between 10ms and 10m"),
        ({"pace": {"min": "1s", "max": "10m0.001s"}}, "pace.max", "pace.max must be between 10ms and 10m"),
        ({"pace": {"min": "2s", "max": "1999ms"}}, "pace", "pace.min must not be longer than pace.max"),
        ({"pace": {"min": "1s", "max": f"{'9' * 31}h"}}, "pace.max", "pace.max must be between 10ms and 10m"),
        ({"successPercent": 101}, "successPercent", "from 0 to 100"),
        ({"users": [""]}, "users[0]", "1 to 255 characters"),
        ({"users": ["a"] * 17}, "users", "at most 16 entries"),
        ({"users": ["a\n"]}, "users[0]", "without control characters"),
        ({"hosts": ["web 01"]}, "hosts[0]", "must be a host name"),
        ({"hosts": ["a"] * 17}, "hosts", "at most 16 entries"),
        ({"steps": [STEP]}, "steps", "steps must be set for type Steps, and for no other type"),
        ({"malicious": "yes"}, "malicious", "true or false"),
        ({"techniques": ["T1110.1"]}, "techniques[0]", "ATT&CK technique"),
        ({"techniques": ["T1110"] * 9}, "techniques", "at most 8 entries"),
        ({"suspend": 1}, "suspend", "true or false"),
    ],
)
def test_a_refusal_names_the_field_and_what_is_allowed(fields, field, says):
    found = problems(scenario() | fields)
    place = f"spec.scenarios[0].{field}"
    assert list(found) == [place]
    assert says in found[place]
    assert found[place].split()[0].split(".")[0].split("[")[0] in place, "the sentence begins with the field's name"


@pytest.mark.parametrize(
    "step, field, says",
    [
        ({}, "event", "is required"),
        ({"event": "Door"}, "event", "must be the name of an event type"),
        ({"event": "coffee_break"}, "event", "a built-in event type or a name defined in eventTypes; coffee_break is"),
        *((({"event": alias}), "event", f"{alias} is neither") for alias in ALIASES),
        (STEP | {"user": ""}, "user", "1 to 255 characters"),
        (STEP | {"user": "u" * 256}, "user", "1 to 255 characters"),
        (STEP | {"host": "-"}, "host", "must be a host name"),
        (STEP | {"host": "h" * 254}, "host", "must be a host name"),
        (STEP | {"address": "victims"}, "address", 'must be "victim", "attacker" or an IPv4 address'),
        (STEP | {"address": "10.0.0.256"}, "address", 'must be "victim", "attacker" or an IPv4 address'),
        (STEP | {"address": "::1"}, "address", 'must be "victim", "attacker" or an IPv4 address'),
        (STEP | {"address": "10.0.0.1\n"}, "address", 'must be "victim", "attacker" or an IPv4 address'),
        (STEP | {"repeat": 0}, "repeat", "from 1 to 1000"),
        (STEP | {"repeat": 1001}, "repeat", "from 1 to 1000"),
        (STEP | {"after": {"min": "0s", "max": "1s"}}, "after.min", "after.min must be between 10ms and 10m"),
        (STEP | {"after": {"min": "3s", "max": "1s"}}, "after", "after.min must not be longer than after.max"),
        (STEP | {"gap": {"min": "1s", "max": "11m"}}, "gap.max", "gap.max must be between 10ms and 10m"),
        (STEP | {"gap": {"min": "3s", "max": "1s"}}, "gap", "gap.min must not be longer than gap.max"),
    ],
)
def test_a_refused_step_is_told_by_its_number_and_its_field(step, field, says):
    found = problems(scenario("LogTampering", name="other"), stepping(STEP, step))
    place = f"spec.scenarios[1].steps[1].{field}"
    assert list(found) == [place]
    assert says in found[place]
    assert found[place].startswith(field)


def test_steps_are_required_for_their_type():
    says = {"spec.scenarios[0].steps": "steps must be set for type Steps, and for no other type"}
    assert problems(scenario("Steps")) == says
    assert problems(stepping()) == says


def test_there_are_at_most_8_scenarios_of_at_most_16_steps():
    many = [scenario(name=f"s{number}") for number in range(MAX_SCENARIOS + 1)]
    assert len(parsed(*many[1:])) == MAX_SCENARIOS
    assert problems(*many) == {"spec.scenarios": "scenarios must have at most 8 entries"}
    assert len(parsed(stepping(*[STEP] * MAX_STEPS))[0].steps) == MAX_STEPS
    too_many = problems(stepping(*[STEP] * (MAX_STEPS + 1)))
    assert too_many == {"spec.scenarios[0].steps": "steps must have at most 16 entries"}


def test_a_name_may_be_used_once():
    assert problems(scenario(), scenario("LogTampering")) == {
        "spec.scenarios": "scenarios must not define a name twice"
    }


def test_everything_that_is_wrong_inside_of_scenarios_is_told_at_once():
    slow = {"min": "2s", "max": "1s"}
    found = problems(
        scenario(name="a", attempts={"min": 2, "max": 1}, pace=slow),
        stepping({"event": "nothing", "after": slow, "gap": slow}),
    )
    inner = "spec.scenarios[1].steps[0]"
    assert list(found) == [
        "spec.scenarios[0].attempts",
        "spec.scenarios[0].pace",
        f"{inner}.event",
        f"{inner}.after",
        f"{inner}.gap",
    ]


def test_an_unknown_event_cannot_disturb_the_sentence_about_it():
    long_name = "a" * 63
    assert long_name in problems(stepping({"event": long_name}))["spec.scenarios[0].steps[0].event"]


@pytest.mark.parametrize(
    "truth, field, says",
    [
        ({"queue": "audit_events"}, "queue", "must differ from the queue of the stream"),
        ({"queue": "amq.truth"}, "queue", "must not begin with amq."),
        ({"queue": ""}, "queue", "1 to 255 characters"),
        ({"queue": "é" * 128}, "queue", "255 bytes"),
        ({"header": "yes"}, "header", "true or false"),
    ],
)
def test_a_refused_ground_truth_names_the_field(truth, field, says):
    with pytest.raises(SpecError) as caught:
        parse_spec({"groundTruth": truth})
    ((place, message),) = caught.value.problems
    assert place == f"spec.groundTruth.{field}"
    assert says in message
    assert message.startswith(field)


def test_the_queue_of_the_ground_truth_is_compared_with_the_one_of_the_stream():
    assert parse_spec({"queue": "audit", "groundTruth": {"queue": "audit_events"}})
    with pytest.raises(SpecError, match="queue of groundTruth must differ from the queue of the stream"):
        parse_spec({"queue": "audit", "groundTruth": {"queue": "audit"}})


@pytest.mark.parametrize("networks", [[], ["10.0.0.0"], ["10.0.0.0/7"], ["2001:db8::/32"], ["10.0.0.0/8"] * 17])
def test_networks_of_attackers_are_one_to_sixteen_of_ipv4(networks):
    with pytest.raises(SpecError, match=r"spec\.entities\.attackers\.cidrs"):
        parse_spec({"entities": {"attackers": {"cidrs": networks}}})


# --- over wide ranges ---------------------------------------------------------------------------------------------------

milliseconds = st.one_of(st.sampled_from([1, 9, 10, 11, 599_999, 600_000, 600_001]), st.integers(1, 1_000_000))


@given(low=milliseconds, high=milliseconds, place=st.sampled_from(["pace", "after", "gap"]))
def test_a_span_is_accepted_exactly_if_both_ends_are_in_range_and_in_order(low, high, place):
    span = {"min": f"{low}ms", "max": f"{high}ms"}
    given_scenario = scenario(pace=span) if place == "pace" else stepping(STEP | {place: span})
    if 10 <= low <= high <= 600_000:
        (read,) = parsed(given_scenario)
        found = read.pace if place == "pace" else getattr(read.steps[0], place)
        assert found.range == (low * MILLISECOND, high * MILLISECOND)
    else:
        found = problems(given_scenario)
        outside = {bound for bound, value in (("min", low), ("max", high)) if not 10 <= value <= 600_000}
        assert {field.rpartition(place)[2] for field in found} == ({f".{bound}" for bound in outside} or {""})
        assert all(message.startswith(f"{place}.") for message in found.values())


@given(low=st.integers(-1, 1002), high=st.integers(-1, 1002))
def test_attempts_are_accepted_exactly_if_both_are_in_range_and_in_order(low, high):
    asked = scenario(attempts={"min": low, "max": high})
    if 1 <= low <= high <= 1000:
        assert parsed(asked)[0].attempts.range == (low, high)
    else:
        assert all(field.startswith("spec.scenarios[0].attempts") for field in problems(asked))


@given(st.integers(0, 2_600_000))
def test_the_time_between_episodes_is_10_seconds_to_720_hours(seconds):
    asked = scenario(every=f"{seconds}s", startAfter=f"{min(seconds, 2_592_000)}s")
    if 10 <= seconds <= 2_592_000:
        (read,) = parsed(asked)
        assert read.every_ns == read.start_after_ns == parse_duration(f"{seconds}s")
    else:
        assert list(problems(asked)) == ["spec.scenarios[0].every"]


@given(st.text(min_size=1, max_size=64))
def test_no_text_as_an_event_crashes_the_parser_and_only_known_names_are_accepted(text):
    if text in BUILT_IN_TEMPLATES:
        assert parsed(stepping({"event": text}))
    else:
        ((field, message),) = problems(stepping({"event": text})).items()
        assert field == "spec.scenarios[0].steps[0].event"
        assert message.isprintable()
