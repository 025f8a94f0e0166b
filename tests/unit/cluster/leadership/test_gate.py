"""When this process may work."""

import pytest

from audit_event_operator.cluster.leadership.buckets import BUCKETS, bucket_of
from audit_event_operator.cluster.leadership.gate import BucketAssignment, MemberGate
from audit_event_operator.cluster.leadership.lease import LeaseTiming


class Scene:
    """A gate, and a clock that moves when a test says so."""

    def __init__(self, timing=LeaseTiming(), *, strict=False):  # noqa: B008 - frozen
        self.now = 1000.0
        self.told = []
        self.gate = MemberGate(timing, clock=lambda: self.now, strict=strict)
        self.gate.on_doubt = lambda: self.told.append("doubt")
        self.gate.on_open = lambda: self.told.append("open")

    def turn(self, *, company=True):
        """Renew and look, as a member does every two seconds."""
        late = self.gate.renewed(self.now)
        self.gate.confirm(self.now, company=company)
        return late

    def awake(self, seconds, *, company=None):
        """Somebody looks at the gate once a second; with `company`, it is renewed, too."""
        for second in range(seconds):
            self.now += 1
            self.gate.look()
            if company is not None and second % 2 == 0:
                self.turn(company=company)


@pytest.fixture
def together():
    """A member that has company."""
    scene = Scene()
    assert not scene.gate.is_open()
    scene.turn(company=True)
    assert scene.gate.is_open()
    return scene


@pytest.fixture
def alone():
    """A lone member."""
    scene = Scene()
    scene.turn(company=False)
    return scene


def test_it_stays_open_while_the_member_renews(together):
    together.awake(120, company=True)
    assert together.gate.is_open()


def test_with_company_it_closes_by_itself_six_seconds_after_the_last_renewal_was_asked_for(together):
    together.gate.renewals_fail = True
    together.awake(6)
    assert together.gate.is_open()
    together.now += 0.01
    assert not together.gate.is_open()
    assert together.told == ["doubt"]


def test_alone_it_stays_open_while_nobody_can_renew_since_nobody_can_take(alone):
    alone.gate.renewals_fail = True
    alone.awake(600)
    assert alone.gate.is_open()


def test_alone_and_strict_it_closes_as_with_company():
    scene = Scene(strict=True)
    scene.turn(company=False)
    scene.gate.renewals_fail = True
    scene.awake(7)
    assert not scene.gate.is_open()


@pytest.mark.parametrize("renewals_fail", [True, False])
@pytest.mark.parametrize("company", [True, False])
def test_a_process_that_was_stopped_for_longer_than_the_lease_finds_it_closed(renewals_fail, company):
    scene = Scene()
    scene.turn(company=company)
    scene.gate.renewals_fail = renewals_fail
    scene.now += 10.1
    assert not scene.gate.is_open()
    assert not scene.gate.is_open()
    assert scene.told.count("doubt") == 1


def test_a_busy_loop_is_no_stop(alone):
    for _ in range(10):
        alone.now += 3
        assert alone.gate.is_open()


def test_it_opens_again_once_all_was_renewed_and_read(together):
    together.now += 60
    assert not together.gate.is_open()
    assert together.turn(), "too late to be certain of what it holds"
    assert together.gate.is_open()
    assert together.told == ["doubt", "open"]


def test_an_answer_to_a_question_from_before_the_stop_proves_nothing(together):
    asked_at = together.now
    together.now += 60
    together.gate.confirm(asked_at, company=True)
    assert not together.gate.is_open()


def test_a_renewal_that_comes_late_tells_that_others_may_have_taken(alone):
    alone.gate.renewals_fail = True
    alone.awake(7)
    assert alone.gate.is_open()
    assert alone.turn()


def test_a_stop_before_it_joined_is_nothing():
    scene = Scene()
    scene.now += 60
    scene.turn()
    assert scene.gate.is_open()
    assert "doubt" not in scene.told


def test_a_short_lease_is_lost_by_a_short_sleep():
    scene = Scene(LeaseTiming(duration=3, renew=2, retry=0.5))
    scene.turn(company=False)
    scene.now += 4
    assert not scene.gate.is_open()


def test_who_has_left_does_nothing(together):
    together.gate.leave()
    assert not together.gate.is_open()


def test_a_bucket_that_drains_is_not_served_but_may_still_be_written(together):
    assignment = BucketAssignment(together.gate)
    bucket = bucket_of("uid")
    assert not assignment.is_ours("uid")
    assert not assignment.gate("uid").is_open()
    assignment.serve(bucket)
    assert assignment.is_ours("uid")
    assert assignment.gate("uid").is_open()
    assert assignment.buckets == {bucket}
    assignment.drain(bucket)
    assert not assignment.is_ours("uid")
    assert assignment.gate("uid").is_open()
    assignment.stop(bucket)
    assert not assignment.gate("uid").is_open()


def test_in_doubt_all_gates_are_closed_and_nothing_is_lost(together):
    assignment = BucketAssignment(together.gate)
    for bucket in range(BUCKETS):
        assignment.serve(bucket)
    together.now += 60
    assert not assignment.gate("uid").is_open()
    assert assignment.is_ours("uid")


def test_what_belongs_to_no_resource_asks_the_gate_of_the_member(together):
    assert BucketAssignment(together.gate).gate("") is together.gate
