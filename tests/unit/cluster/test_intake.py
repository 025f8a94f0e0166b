"""What a resource says reaches the fleet, once, and nothing it says does harm."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.cluster.intake import Intake
from doubles.fleet import FakeFleet
from doubles.kubernetes import make_resource


class Notes:
    def __init__(self) -> None:
        self.seen: list[tuple[str, dict]] = []
        self.forgotten: list[str] = []


@pytest.fixture
def fleet():
    return FakeFleet()


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def intake(fleet, notes):
    return Intake(fleet, lambda uid, status: notes.seen.append((uid, status)), notes.forgotten.append)


def test_a_new_resource_is_applied_with_what_its_status_says_was_done(fleet, intake, notes):
    intake.take("ADDED", make_resource(status={"eventsPublished": 7}))
    assert fleet.told == [("apply", "demo", 1, False)]
    assert fleet.known["uid-demo"].events_published == 7
    assert notes.seen == [("uid-demo", {"eventsPublished": 7})]


def test_a_resource_that_was_there_before_us_joins(fleet, intake):
    intake.take(None, make_resource(), joining=True)
    assert fleet.told == [("apply", "demo", 1, True)]


def test_a_generation_is_passed_on_once_and_an_older_one_never(fleet, intake):
    for generation in (1, 1, 2, 1):
        intake.take("MODIFIED", make_resource(generation=generation))
    assert fleet.told == [("apply", "demo", 1, False), ("apply", "demo", 2, False)]


def test_an_invalid_spec_is_refused_with_a_sentence_that_names_the_field(fleet, intake):
    intake.take("ADDED", make_resource(interval="abc"))
    ((_, name, generation, message),) = fleet.told
    assert (name, generation) == ("demo", 1)
    assert "interval" in message
    assert intake.results["rejected"] == 1


@pytest.mark.parametrize("resource", [make_resource(), make_resource(deleting=True)])
def test_a_deleted_resource_is_discarded_and_forgotten(fleet, intake, notes, resource):
    intake.take("ADDED", make_resource())
    intake.take("MODIFIED" if resource["metadata"].get("deletionTimestamp") else "DELETED", resource)
    assert fleet.told[-1] == ("discard", "uid-demo")
    assert notes.forgotten == ["uid-demo"]


def test_a_late_word_about_a_deleted_resource_does_not_revive_it(fleet, intake):
    intake.take("ADDED", make_resource())
    intake.take("DELETED", make_resource())
    intake.take("MODIFIED", make_resource(generation=2))
    assert fleet.uids() == frozenset()


def test_a_name_that_is_used_again_is_another_resource(fleet, intake):
    intake.take("ADDED", make_resource(uid="old"))
    intake.take("DELETED", make_resource(uid="old"))
    intake.take("ADDED", make_resource(uid="new"))
    assert fleet.uids() == {"new"}


def test_a_resource_that_proves_to_be_alive_is_taken_up_again(fleet, intake):
    intake.take("ADDED", make_resource())
    intake.discard("uid-demo")
    intake.retake(make_resource())
    assert fleet.uids() == {"uid-demo"}


def test_a_bug_in_the_fleet_does_not_reach_the_watch(fleet, intake, caplog):
    fleet.apply = None
    intake.take("ADDED", make_resource())
    assert intake.results["error"] == 1
    assert "bug" in caplog.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(st.sampled_from([None, "ADDED", "MODIFIED", "DELETED", "OTHER"]), json_values, json_values, json_values)
def test_whatever_a_resource_looks_like_nothing_is_raised(event_type, metadata, spec, status):
    intake = Intake(FakeFleet(), lambda *_: None, lambda _: None)
    intake.take(event_type, {"metadata": metadata, "spec": spec, "status": status})
    strange = make_resource()
    strange["spec"], strange["status"] = spec, status
    intake.take(event_type, strange)
    assert intake.results["error"] == 0
