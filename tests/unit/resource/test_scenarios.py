"""Scenarios as they are written: what is accepted, and what is refused with which sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.resource.problems import SpecError
from audit_event_operator.resource.scenarios import ScenarioType
from audit_event_operator.resource.spec import parse_spec

STEP = {"event": "sudo_denied"}


def scenario(kind="BruteForce", **fields):
    return {"name": "s", "type": kind, **({"steps": [STEP]} if kind == "Steps" else {}), **fields}


def steps(**fields):
    return scenario("Steps", steps=[{**STEP, **fields}])


def problems(*scenarios, **spec):
    with pytest.raises(SpecError) as refused:
        parse_spec({"scenarios": [*scenarios], **spec})
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize("kind", [*ScenarioType])
def test_every_type_needs_a_name_and_a_type_only(kind):
    (parsed,) = parse_spec({"scenarios": [scenario(kind)]}).scenarios
    assert (parsed.every_ns, parsed.start_after_ns, parsed.jitter_percent, parsed.suspend) == (None, 0, 20, False)


@pytest.mark.parametrize(
    "wrong, said",
    [
        (scenario(name="A"), "spec.scenarios[0].name: name must be at most 63 lower-case letters, digits and hyphens"),
        (scenario("Brute"), "spec.scenarios[0].type: type must be one of"),
        ({"name": "s"}, "spec.scenarios[0].type: type is required"),
        (scenario(every="9s"), "spec.scenarios[0].every: every must be between 10s and 720h"),
        (scenario(startAfter="721h"), "spec.scenarios[0].startAfter: startAfter must be between 0s and 720h"),
        (
            scenario(jitterPercent=101),
            "spec.scenarios[0].jitterPercent: jitterPercent must be a whole number from 0 to 100",
        ),
        (
            scenario(attempts={"min": 0, "max": 1}),
            "spec.scenarios[0].attempts.min: min must be a whole number from 1 to 1000",
        ),
        (scenario(attempts={"min": 3}), "spec.scenarios[0].attempts.max: max is required"),
        (
            scenario(attempts={"min": 3, "max": 2}),
            "spec.scenarios[0].attempts: attempts.min must not be above attempts.max",
        ),
        (
            scenario(pace={"min": "1ms", "max": "1s"}),
            "spec.scenarios[0].pace.min: pace.min must be between 10ms and 10m",
        ),
        (
            scenario(pace={"min": "1s", "max": "11m"}),
            "spec.scenarios[0].pace.max: pace.max must be between 10ms and 10m",
        ),
        (
            scenario(pace={"min": "2s", "max": "1s"}),
            "spec.scenarios[0].pace: pace.min must not be longer than pace.max",
        ),
        (scenario(pace={"min": "5", "max": "1s"}), "spec.scenarios[0].pace.min: min must be a duration such as"),
        (scenario(users=[""]), "spec.scenarios[0].users[0]: users[0] must be a user name"),
        (scenario(steps=[STEP]), "spec.scenarios[0].steps: steps must be set for type Steps, and for no other type"),
        (scenario("Steps", steps=[]), "spec.scenarios[0].steps: steps must be set for type Steps"),
        (
            steps(event="no_such_event"),
            "spec.scenarios[0].steps[0].event: event must be a built-in event type or a name",
        ),
        (steps(event="user_login"), "spec.scenarios[0].steps[0].event: event must be a built-in event type or a name"),
        (
            steps(address="10.0.0.256"),
            'spec.scenarios[0].steps[0].address: address must be "victim", "attacker" or an IPv4',
        ),
        (steps(user="a\nb"), "spec.scenarios[0].steps[0].user: user must be a user name"),
        (steps(host="-"), "spec.scenarios[0].steps[0].host: host must be a host name"),
        (steps(repeat=0), "spec.scenarios[0].steps[0].repeat: repeat must be a whole number from 1 to 1000"),
        (
            steps(after={"min": "1s", "max": "20m"}),
            "spec.scenarios[0].steps[0].after.max: after.max must be between 10ms",
        ),
        (
            steps(gap={"min": "2s", "max": "1s"}),
            "spec.scenarios[0].steps[0].gap: gap.min must not be longer than gap.max",
        ),
        (scenario(techniques=["1110"]), "spec.scenarios[0].techniques[0]: techniques[0] must be an ATT&CK technique"),
    ],
)
def test_a_refusal_names_the_field_and_what_is_allowed(wrong, said):
    (problem,) = problems(wrong)
    assert problem.startswith(said), problem


def test_names_differ_and_there_are_at_most_eight():
    assert problems(scenario(), scenario()) == ["spec.scenarios: scenarios must not define a name twice"]
    assert problems(*(scenario(name=f"s{number}") for number in range(9))) == [
        "spec.scenarios: scenarios must have at most 8 entries"
    ]


def test_everything_that_is_wrong_inside_of_scenarios_is_told_at_once():
    twice = scenario("Steps", name="t", steps=[{"event": "no"}, {**STEP, "gap": {"min": "2s", "max": "1s"}}])
    assert len(problems(scenario(attempts={"min": 3, "max": 2}), twice)) == 3


def test_an_event_of_a_step_may_be_one_of_your_own():
    own = {"name": "door_opened"}
    spec = parse_spec({"eventTypes": [own], "scenarios": [steps(event="door_opened")]})
    assert spec.scenarios[0].steps[0].event == "door_opened"


def test_the_truth_queue_differs_from_that_of_the_stream_also_where_neither_is_the_users_word():
    said = "spec.groundTruth.queue: queue of groundTruth must differ from the queue of the stream"
    assert problems(groundTruth={"queue": "audit_events"}) == [said]
    assert problems(groundTruth={"queue": "q"}, queue="q") == [said]
    truth = parse_spec({"groundTruth": {"queue": "q"}}).ground_truth
    assert (truth.queue, truth.header) == ("q", False)
    assert problems(groundTruth={"queue": "amq.q"}) == [
        "spec.groundTruth.queue: queue must not begin with amq. because RabbitMQ reserves these names"
    ]


@given(st.integers(1, 1_000), st.integers(0, 999), st.integers(10, 600_000), st.integers(0, 600_000))
def test_ranges_with_their_ends_in_order_are_accepted(low, more, milliseconds, longer):
    attempts = {"min": low, "max": min(1_000, low + more)}
    pace = {"min": f"{milliseconds}ms", "max": f"{min(600_000, milliseconds + longer)}ms"}
    (parsed,) = parse_spec({"scenarios": [scenario(attempts=attempts, pace=pace)]}).scenarios
    assert parsed.attempts.range == (attempts["min"], attempts["max"])
    assert parsed.pace.range.low == milliseconds * 1_000_000
