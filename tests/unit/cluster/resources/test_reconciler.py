"""What a resource says reaches the fleet, once, and nothing it says does harm."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.cluster.resources.reconciler import Reconciler
from support.doubles.fleet import FakeFleet
from support.doubles.kubernetes import make_resource


class Notes:
    """Statuses as they came, by UID."""

    def __init__(self):
        self.statuses = {}
        self.clear = self.statuses.clear

    def seen(self, uid, status, version):
        self.statuses[uid] = status

    def status(self, uid):
        return self.statuses.get(uid, {})

    def forget(self, uid):
        self.statuses.pop(uid, None)


@pytest.fixture
def notes():
    return Notes()


class Owners:
    """Resources are ours by their namespace; statuses as they were heard, by UID."""

    def __init__(self, ours):
        self.ours, self.statuses, self.forgotten = ours, {}, []
        self.forget = self.forgotten.append

    def is_ours(self, identity):
        return identity.ref.namespace in self.ours

    def heard(self, identity, status, version=0):
        self.statuses[identity.uid] = status


@pytest.fixture
def ours():
    """The namespaces that are ours."""
    return {"default"}


@pytest.fixture
def owners(ours):
    return Owners(ours)


@pytest.fixture
def reconciler(fleet, notes, owners):
    reconciler = Reconciler(fleet, notes, owners)
    fleet.on_departure(reconciler.departed)
    return reconciler


def test_a_new_resource_is_applied_with_what_its_status_says_was_done(fleet, reconciler, notes):
    reconciler.take("ADDED", make_resource(status={"eventsPublished": 7}))
    assert fleet.told == [("apply", "demo", 1, False)]
    assert fleet.known["uid-demo"].facts.progress.events_published == 7
    assert notes.statuses == {"uid-demo": {"eventsPublished": 7}}


def test_a_resource_that_was_there_before_us_joins(fleet, reconciler):
    reconciler.take(None, make_resource(), preexisting=True)
    assert fleet.told == [("apply", "demo", 1, True)]


def test_a_generation_is_passed_on_once_and_an_older_one_never(fleet, reconciler):
    for generation in (1, 1, 2, 1):
        reconciler.take("MODIFIED", make_resource(generation=generation))
    assert fleet.told == [("apply", "demo", 1, False), ("apply", "demo", 2, False)]


def test_an_invalid_spec_is_refused_with_a_sentence_that_names_the_field(fleet, reconciler):
    reconciler.take("ADDED", make_resource(interval="abc"))
    ((_, name, generation, message),) = fleet.told
    assert (name, generation) == ("demo", 1)
    assert "interval" in message
    assert reconciler.results["rejected"] == 1


@pytest.mark.parametrize("resource", [make_resource(), make_resource(deleting=True)])
def test_a_deleted_resource_is_discarded_and_forgotten(fleet, reconciler, notes, resource):
    reconciler.take("ADDED", make_resource())
    reconciler.take("MODIFIED" if resource["metadata"].get("deletionTimestamp") else "DELETED", resource)
    assert fleet.told[-1] == ("discard", "uid-demo")
    assert notes.statuses == {}
    assert reconciler.results["discarded"] == 1


@pytest.mark.parametrize(
    ("later", "running"),
    [
        pytest.param(("MODIFIED", make_resource(generation=2)), set(), id="a late word does not revive it"),
        pytest.param(("ADDED", make_resource(uid="new")), {"new"}, id="its name may be used again"),
    ],
)
def test_after_a_resource_was_deleted(fleet, reconciler, later, running):
    reconciler.take("ADDED", make_resource())
    reconciler.take("DELETED", make_resource())
    reconciler.take(*later)
    assert fleet.uids() == running


def test_a_resource_that_proves_to_be_alive_is_taken_up_again(fleet, reconciler):
    reconciler.take("ADDED", make_resource())
    reconciler.discard("uid-demo")
    reconciler.retake(make_resource())
    assert fleet.uids() == {"uid-demo"}


def test_a_resource_that_the_api_server_does_not_have_any_more_is_forgotten_like_a_deleted_one(
    fleet, reconciler, notes
):
    reconciler.take("ADDED", make_resource())
    fleet.discard("uid-demo")
    reconciler.take("MODIFIED", make_resource(generation=2))
    assert fleet.uids() == reconciler.known() == frozenset()
    assert notes.statuses == {}


async def test_what_is_not_ours_is_known_and_left_alone(fleet, reconciler):
    reconciler.take(None, make_resource("theirs", "elsewhere"), preexisting=True)
    await reconciler.take_over()
    reconciler.take("MODIFIED", make_resource("theirs", "elsewhere", generation=2))
    assert reconciler.known() == {"uid-theirs"}
    reconciler.take("DELETED", make_resource("theirs", "elsewhere"))
    assert reconciler.known() == frozenset()
    assert fleet.told == []
    assert set(reconciler.results.values()) == {0}


async def test_what_becomes_ours_starts_with_its_latest_generation_and_progress(fleet, reconciler, ours):
    reconciler.take(None, make_resource("running"))
    for generation, published in ((1, 5), (2, 5), (2, 9)):
        resource = make_resource("new", "elsewhere", generation=generation, status={"eventsPublished": published})
        reconciler.take("MODIFIED", resource)
    reconciler.take(None, make_resource("wrong", "elsewhere", interval="abc"))
    ours.add("elsewhere")
    await reconciler.take_over()
    assert [told[:3] for told in fleet.told] == [("apply", "running", 1), ("apply", "new", 2), ("reject", "wrong", 1)]
    assert fleet.told[1] == ("apply", "new", 2, True)
    assert fleet.known["uid-new"].facts.progress.events_published == 9


async def test_a_bug_at_take_over_is_counted_and_leaves_the_resource_to_the_resync(fleet, reconciler, ours):
    reconciler.take(None, make_resource("new", "elsewhere"))
    ours.add("elsewhere")
    fleet.apply, apply = None, fleet.apply
    await reconciler.take_over()
    assert reconciler.results["error"] == 1
    assert reconciler.known() == frozenset()
    fleet.apply = apply
    reconciler.retake(make_resource("new", "elsewhere"))
    assert fleet.told == [("apply", "new", 1, False)]


def test_a_bug_in_the_fleet_does_not_reach_the_watch(fleet, reconciler, caplog):
    fleet.apply = None
    reconciler.take("ADDED", make_resource())
    assert reconciler.results["error"] == 1
    assert "bug" in caplog.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(st.sampled_from([None, "ADDED", "MODIFIED", "DELETED", "OTHER"]), json_values, json_values, json_values)
def test_whatever_a_resource_looks_like_nothing_is_raised(event_type, metadata, spec, status):
    reconciler = Reconciler(FakeFleet(), Notes(), Owners({"default"}))
    reconciler.take(event_type, {"metadata": metadata, "spec": spec, "status": status})
    strange = make_resource()
    strange["spec"], strange["status"] = spec, status
    reconciler.take(event_type, strange)
    assert reconciler.results["error"] == 0
