"""No namespace's labels keep those of another one out, and no count ever falls."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from audit_event_operator.engine.label_sets import OTHER, LabelSets

REST = (OTHER, OTHER, OTHER)


def flood(stream, count, begin=0):
    for number in range(begin, begin + count):
        stream.count("flood", f"host-{number}", "SUCCESS")


def test_one_namespace_gets_three_quarters_and_the_rest_counts_as_other():
    sets = LabelSets(limit=100)
    flood(sets.stream("a"), 500)
    counts = sets.counts()
    assert (len(counts), counts[REST], sets.overflow) == (76, 425, 425)


def test_new_labels_have_a_row_during_and_after_another_namespaces_flood():
    sets = LabelSets(limit=100)
    for turn in range(20):
        greedy = sets.stream("a")
        flood(greedy, 500, begin=turn * 500)
        modest = sets.stream("b")
        modest.count(f"during-{turn}", "host", "SUCCESS")
        greedy.leave()
        modest.count(f"after-{turn}", "host", "SUCCESS")
        assert {event_type for event_type, _, _ in sets.counts()} >= {f"during-{turn}", f"after-{turn}"}
        modest.leave()


def test_what_ended_keeps_its_row_until_its_place_is_needed_and_then_moves_to_other_for_good():
    sets = LabelSets(limit=4)
    old = sets.stream("a")
    old.count("old", "host", "SUCCESS")
    old.leave()
    new = sets.stream("a")
    flood(new, 3)
    assert ("old", "host", "SUCCESS") in sets.counts()
    sets.stream("b").count("its own", "host", "SUCCESS")
    assert sets.counts()[REST] == 1
    new.leave()
    sets.stream("a").count("old", "host", "SUCCESS")
    assert ("old", "host", "SUCCESS") not in sets.counts()
    assert sets.counts()[REST] == 2


def test_a_stream_that_comes_back_goes_on_counting():
    sets = LabelSets()
    for _ in range(3):
        stream = sets.stream("a")
        stream.count("login", "host", "SUCCESS")
        stream.leave()
        stream.leave()
    assert sets.counts() == {("login", "host", "SUCCESS"): 3}


def test_what_is_remembered_of_one_namespace_is_bounded(monkeypatch):
    monkeypatch.setattr("audit_event_operator.engine.label_sets.EVICTIONS_OF_A_NAMESPACE", 50)
    sets = LabelSets(limit=10)
    for turn in range(100):
        stream = sets.stream("a")
        flood(stream, 5, begin=turn * 5)
        stream.leave()
    assert len(sets._evicted) == 50
    sets.stream("b").count("its own", "host", "SUCCESS")
    assert ("its own", "host", "SUCCESS") in sets.counts()


class LabelMachine(RuleBasedStateMachine):
    """Streams of three namespaces come, count and go."""

    @initialize(limit=st.integers(1, 8))
    def start(self, limit):
        self.sets, self.limit, self.generated = LabelSets(limit), limit, 0
        self.streams = []
        self.before = {}
        self.gone = set()

    @rule(namespace=st.sampled_from("abc"))
    def begin(self, namespace):
        self.streams.append(self.sets.stream(namespace))

    @precondition(lambda self: self.streams)
    @rule(data=st.data(), event_type=st.sampled_from("abcdefghijkl"))
    def count(self, data, event_type):
        data.draw(st.sampled_from(self.streams)).count(event_type, "host", "SUCCESS")
        self.generated += 1

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def end(self, data):
        self.streams.pop(data.draw(st.integers(0, len(self.streams) - 1))).leave()

    @invariant()
    def counts_only_grow_and_add_up(self):
        counts = self.sets.counts()
        assert sum(counts.values()) == self.generated
        assert len(counts) <= self.limit + 1
        self.gone |= self.before.keys() - counts.keys()
        assert not self.gone & counts.keys(), "what was left out never comes back with less"
        assert all(counts[key] >= count for key, count in self.before.items() if key in counts)
        self.before = counts


LabelMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestLabelSets = LabelMachine.TestCase
