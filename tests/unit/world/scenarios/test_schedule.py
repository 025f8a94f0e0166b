"""When episodes begin: a pure function of seed, name, number and the beginning of the run."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.resource.scenarios import Scenario
from audit_event_operator.world.scenarios.schedule import Schedule
from audit_event_operator.world.scenarios.usual import USUAL, longest_ns

SECOND = 1_000_000_000
STEPS = [{"event": "sudo_denied", "repeat": 3, "gap": {"min": "1s", "max": "2s"}}]


def scenario(**fields):
    more = {"steps": STEPS} if fields.get("type") == "Steps" else {}
    return Scenario.model_validate({"name": "s", "type": "BruteForce", **more, **fields})


def schedule(victims=25, seed=1, begun_ns=0, **fields):
    return Schedule(scenario(**fields), seed, begun_ns=begun_ns, victims=victims)


scenarios = st.builds(
    lambda kind, every, start, jitter: {"type": kind, "every": every, "startAfter": start, "jitterPercent": jitter},
    st.sampled_from([each.value for each in USUAL]),
    st.sampled_from(["10s", "33s", "15m", "1h", "24h"]),
    st.sampled_from(["0s", "7s", "2h"]),
    st.integers(0, 100),
)


@given(scenarios, st.integers(1, 50), st.integers(0, 2**53), st.integers(0, 10**18))
def test_episodes_of_one_scenario_never_overlap_and_leave_whom_they_were_about_alone(fields, victims, seed, begun):
    made = schedule(victims, seed, begun, **fields)
    moments = [made.begins_ns(number) for number in range(60)]
    parsed = scenario(**fields)
    longest, rest = longest_ns(parsed), USUAL[parsed.type].rest_seconds * SECOND
    assert moments[0] >= begun + parsed.start_after_ns
    assert all(after - before >= longest for before, after in itertools.pairwise(moments))
    for number in range(60 - victims):
        assert moments[number + victims] - moments[number] >= (longest + rest) * (victims > 1 or 1) - victims


@given(scenarios, st.integers(0, 2**53))
def test_an_episode_comes_at_its_time_or_later_by_the_jitter(fields, seed):
    made, parsed = schedule(25, seed, **fields), scenario(**fields)
    for number in range(20):
        late = made.begins_ns(number) - parsed.start_after_ns - number * made.period_ns
        assert 0 <= late <= parsed.every_ns * parsed.jitter_percent // 100
    assert made.period_ns % parsed.every_ns == 0


def test_the_same_seed_name_and_beginning_give_the_same_moments_and_others_give_others():
    moments = [schedule(every="15m").begins_ns(number) for number in range(10)]
    assert moments == [schedule(every="15m").begins_ns(number) for number in range(10)]
    assert moments != [schedule(every="15m", seed=2).begins_ns(number) for number in range(10)]
    assert moments != [schedule(every="15m", name="t").begins_ns(number) for number in range(10)]


@given(scenarios, st.integers(-(10**12), 10**14))
def test_the_first_episode_after_a_moment_is_later_and_the_one_before_is_not_clearly_later(fields, moment):
    made = schedule(**fields)
    number = made.first_after(moment)
    assert made.begins_ns(number) > moment
    assert number == 0 or made.begins_ns(number - 1) <= moment + SECOND


def test_a_single_episode_begins_once_and_without_jitter():
    made = schedule(startAfter="90s")
    assert made.begins_ns(0) == 90 * SECOND
    assert made.first_after(89 * SECOND) == 0
    assert made.first_after(90 * SECOND) is None


def test_where_one_user_is_named_episodes_wait_until_that_user_has_rested():
    assert schedule(victims=1, type="MistypedPassword", every="10m").period_ns == 2_400 * SECOND
    assert schedule(victims=25, type="MistypedPassword", every="10m").period_ns == 600 * SECOND
