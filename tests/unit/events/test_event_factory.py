"""The factory: content is a function of seed and sequence, ids and times are new."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.events.factory import EventFactory, derive_seed
from audit_event_operator.resource.spec import parse_spec
from support.doubles.events import slots

SPEC = parse_spec({})
LARGEST_SEED = 2**53 - 1


def contents(events):
    """What the events say, without the parts that are new each time."""
    bodies = [json.loads(event.body) for event in events]
    return [{key: body[key] for key in body if key not in ("event_id", "timestamp")} for body in bodies]


def test_the_same_seed_tells_the_same_story():
    first, second = (EventFactory(SPEC, seed=11).make(slots(0, 200, time)) for time in (0, 10**18))
    assert contents(first) == contents(second)
    assert {event.event_id for event in first}.isdisjoint(event.event_id for event in second)


def test_the_same_seed_entropy_and_time_give_the_same_bytes():
    first, second = (EventFactory(SPEC, seed=11, entropy=bytes).make(slots(0, 50, 77)) for _ in range(2))
    assert first == second


def test_other_seeds_tell_other_stories():
    seeds = (0, 1, -1, 255, 256, LARGEST_SEED, -LARGEST_SEED, 2**63 - 1, -(2**63))
    stories = [json.dumps(contents(EventFactory(SPEC, seed=seed).make(slots(0, 50)))) for seed in seeds]
    assert len(set(stories)) == len(seeds)


@settings(max_examples=50)
@given(st.integers(0, 400), st.lists(st.integers(0, 40), max_size=8))
def test_an_event_is_the_same_whatever_was_made_before(first, counts):
    whole = contents(EventFactory(SPEC, seed=5).make(slots(first, sum(counts))))
    factory, parts, at = EventFactory(SPEC, seed=5), [], first
    for count in counts:
        factory.make(slots(at * 7, 1))
        parts += contents(factory.make(slots(at, count)))
        at += count
    assert parts == whole


def test_the_largest_numbers_in_a_run_are_as_good_as_the_first():
    factory = EventFactory(SPEC, seed=1)
    (last,) = factory.make(slots(2**53 - 1, 1))
    assert contents([last]) == contents(factory.make(slots(2**53 - 2, 2))[1:])


def test_no_events_are_no_events():
    assert EventFactory(SPEC, seed=1).make(slots(5, 0)) == []


def test_ids_are_unique_over_batches_generators_and_restarts():
    factories = [EventFactory(SPEC, seed=seed) for seed in (1, 1, 2)]
    batches = [factory.make(slots(batch, 1000)) for factory in factories for batch in (0, 0, 1000)]
    ids = [event.event_id for events in batches for event in events]
    assert len(set(ids)) == len(ids) == 9000


@pytest.mark.parametrize(
    "byte, text", [(0x00, "00000000-0000-4000-8000-000000000000"), (0xFF, "ffffffff-ffff-4fff-bfff-ffffffffffff")]
)
def test_all_but_six_bits_of_an_id_are_random(byte, text):
    events = EventFactory(SPEC, seed=1, entropy=lambda length: bytes([byte]) * length).make(slots(0, 3))
    assert [event.event_id for event in events] == [text] * 3


def test_ids_cost_one_call_for_entropy_per_batch():
    asked = []

    def entropy(length):
        asked.append(length)
        return bytes(length)

    EventFactory(SPEC, seed=1, entropy=entropy).make(slots(0, 100))
    assert asked == [1600]


@pytest.mark.parametrize(
    "unix_ns, text, seconds",
    [
        (0, "1970-01-01T00:00:00.000000Z", 0),
        (999, "1970-01-01T00:00:00.000000Z", 0),
        (1_000, "1970-01-01T00:00:00.000001Z", 0),
        (999_999_999, "1970-01-01T00:00:00.999999Z", 0),
        (1_709_251_199_000_000_000, "2024-02-29T23:59:59.000000Z", 1_709_251_199),
        (1_709_251_199_123_456_789, "2024-02-29T23:59:59.123456Z", 1_709_251_199),
        (253_402_300_799_999_999_999, "9999-12-31T23:59:59.999999Z", 253_402_300_799),
    ],
)
def test_times_have_six_digits_and_are_cut_not_rounded(unix_ns, text, seconds):
    (event,) = EventFactory(SPEC, seed=1).make(slots(0, 1, unix_ns))
    assert json.loads(event.body)["timestamp"] == text
    assert event.unix_seconds == seconds


def test_a_name_given_twice_comes_twice_as_often():
    spec = parse_spec({"entities": {"hosts": {"names": ["a", "b", "a"]}}})
    hosts = [event.server_hostname for event in EventFactory(spec, seed=1).make(slots(0, 3000))]
    assert set(hosts) == {"a", "b"}
    assert hosts.count("a") == pytest.approx(2000, abs=120)


def test_the_seed_of_a_resource_follows_from_its_uid():
    uid = "0b3f6a52-6d6e-4f0c-9d1e-0c2f4e9e7a11"
    assert derive_seed(uid) == derive_seed(uid)
    assert derive_seed(uid) == 771_546_110_593_036
    seeds = {derive_seed(f"{uid}{index}") for index in range(1000)}
    assert len(seeds) == 1000
    assert all(0 <= seed <= LARGEST_SEED for seed in seeds)
    assert max(seeds) > 2**52


@given(st.text(st.characters()))
def test_every_uid_has_a_seed(uid):
    assert 0 <= derive_seed(uid) <= LARGEST_SEED
