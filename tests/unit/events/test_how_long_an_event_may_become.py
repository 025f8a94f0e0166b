"""No event is longer than its maker says, whatever the format, the kind, the names and the activity: outboxes count on it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.events.canonical import Derived
from audit_event_operator.events.catalogue import CATALOGUE, in_session, kind_of
from audit_event_operator.events.factory import Slot
from audit_event_operator.events.occurrences import OccurrenceWriter
from audit_event_operator.resource.formats import Format
from audit_event_operator.resource.spec import Activity, parse_spec
from audit_event_operator.timeline.makers import LONGEST_VALUE, Makers
from support.formats.streams import KINDS, OWN, layout, occurred
from support.formats.texts import HOSTS, USERS
from support.worlds import MONDAY, counted

EVERY = pytest.mark.parametrize("chosen", Format, ids=str)
NAMES = [*CATALOGUE, OWN["name"]]
NETWORKS = st.lists(
    st.sampled_from(["1.0.0.0/8", "10.0.0.0/28", "192.0.2.0/30", "192.168.128.0/18", "172.16.0.0/12"]),
    min_size=1, max_size=3, unique=True,
)  # fmt: skip
ENTITIES = st.fixed_dictionaries(
    {
        "users": st.fixed_dictionaries({"names": st.lists(USERS, min_size=1, max_size=4, unique=True)}),
        "hosts": st.fixed_dictionaries({"names": st.lists(HOSTS, min_size=1, max_size=3, unique=True)}),
    },
    optional={"clients": st.fixed_dictionaries({"cidrs": NETWORKS})},
)


def derivations(chosen):
    """All that values of this format follow by."""
    (own,) = parse_spec({"eventTypes": [OWN]}).event_types
    events = [*map(in_session, KINDS), kind_of(own)]
    return {piece.how for event in events for piece in layout(chosen).render(event) if isinstance(piece, Derived)}


@EVERY
@settings(max_examples=100, deadline=None)
@given(text=USERS | st.sampled_from(["", "INFO", "WARNING", "ERROR", "CRITICAL", "a/", "/", "x"]))
def test_no_value_that_follows_from_another_is_longer_than_it_may_become(chosen, text):
    written = layout(chosen).escape(text)
    for how in derivations(chosen):
        assert len(how.function(written)) <= how.longest(len(written))


@EVERY
@pytest.mark.parametrize("activity", Activity, ids=str)
@settings(max_examples=12, deadline=None)
@given(entities=ENTITIES, seed=st.integers(0, 2**53 - 1), first=st.sampled_from([0, 10**6, 2**53 - 9]))
def test_no_event_is_longer_than_its_maker_says(chosen, activity, entities, seed, first):
    for name in NAMES:
        spec = parse_spec(
            {"activity": activity, "eventMix": {name: 1}, "eventTypes": [OWN], "entities": entities, "randomSeed": seed}
        )  # fmt: skip
        maker = Makers().maker(spec, seed, fresh=True, entropy=counted(), layout=layout(chosen))
        events = maker.make([Slot(first + number, (MONDAY + number) * 10**9) for number in range(8)])
        assert max(len(event.body) for event in events) <= maker.largest_body_bytes


@EVERY
@settings(max_examples=60, deadline=None)
@given(user=USERS, host=HOSTS, turn=st.integers(0, 10**6))
def test_no_event_of_a_scenario_is_longer_than_its_writer_says(chosen, user, host, turn):
    own = parse_spec({"eventTypes": [OWN]}).event_types
    writer = OccurrenceWriter(own, layout=layout(chosen), entropy=bytes)
    longest = max(LONGEST_VALUE, *(len(layout(chosen).escape(name)) for name in (user, host)))
    for kind, event in zip([*KINDS, OWN["name"]], occurred(chosen, user, host, turn), strict=True):
        assert len(event.body) <= writer.largest_body_bytes([kind], longest)
