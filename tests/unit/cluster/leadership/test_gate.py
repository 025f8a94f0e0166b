"""When this process may work."""

import pytest

from audit_event_operator.cluster.leadership.gate import LeaseAssignment, LeaseGate
from audit_event_operator.cluster.leadership.lease import LeaseTiming
from audit_event_operator.engine.snapshot import Ref


class Scene:
    """A gate, and a clock that moves when a test says so."""

    def __init__(self, timing=LeaseTiming()):  # noqa: B008 - frozen
        self.now = 1000.0
        self.told = []
        self.gate = LeaseGate(timing, clock=lambda: self.now)
        self.gate.on_doubt = lambda: self.told.append("doubt")
        self.gate.on_open = lambda: self.told.append("open")

    def confirm(self):
        self.gate.confirm(self.now)

    def awake(self, seconds, *, renewing=True):
        """Somebody looks at the gate once a second."""
        for second in range(seconds):
            self.now += 1
            self.gate.look()
            if renewing and second % 2 == 0:
                self.confirm()


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture
def opened(scene):
    assert not scene.gate.is_open()
    scene.confirm()
    assert scene.gate.is_open()
    return scene


def test_one_lease_is_for_all_resources(scene):
    assignment = LeaseAssignment(scene.gate)
    one, two = Ref("team", "one"), Ref("team", "two")
    assert assignment.gate(one) is assignment.gate(two) is scene.gate
    assert not assignment.is_ours(one)
    scene.confirm()
    assert assignment.is_ours(one)
    assert assignment.is_ours(two)
    scene.now += 60
    assert not scene.gate.is_open()
    assert assignment.is_ours(one), "in doubt, but not lost"
    scene.gate.close()
    assert not assignment.is_ours(two)


def test_it_is_closed_when_the_lease_is_lost(opened):
    opened.gate.close()
    assert not opened.gate.is_open()


def test_it_stays_open_while_the_lease_is_renewed(opened):
    opened.awake(120)
    assert opened.gate.is_open()


def test_it_stays_open_while_nobody_can_renew_since_nobody_can_take(opened):
    opened.gate.renewals_fail = True
    opened.awake(600, renewing=False)
    assert opened.gate.is_open()


@pytest.mark.parametrize("renewals_fail", [True, False])
def test_a_process_that_was_stopped_for_longer_than_the_lease_finds_it_closed(opened, renewals_fail):
    opened.gate.renewals_fail = renewals_fail
    opened.now += 16
    assert not opened.gate.is_open()
    assert not opened.gate.is_open()
    assert opened.told.count("doubt") == 1


def test_a_shorter_stop_counts_when_the_lease_could_have_run_out(opened):
    opened.now += 9
    assert opened.gate.is_open()
    opened.now += 6
    assert not opened.gate.is_open()


def test_a_busy_loop_is_no_stop(opened):
    for _ in range(10):
        opened.now += 4
        assert opened.gate.is_open()


def test_an_answer_to_a_question_from_before_the_stop_proves_nothing(opened):
    asked_at = opened.now
    opened.now += 60
    opened.gate.confirm(asked_at)
    assert not opened.gate.is_open()


def test_it_opens_again_once_the_lease_was_read(opened):
    opened.now += 60
    assert not opened.gate.is_open()
    opened.confirm()
    assert opened.gate.is_open()
    assert opened.told.count("open") == 1


def test_a_stop_of_a_standby_is_nothing(scene):
    scene.now += 60
    scene.confirm()
    assert scene.gate.is_open()
    assert "doubt" not in scene.told


def test_a_short_lease_is_lost_by_a_short_sleep():
    scene = Scene(LeaseTiming(duration=3, renew=2, retry=0.5))
    scene.confirm()
    scene.now += 4
    assert not scene.gate.is_open()
    assert scene.told.count("doubt") == 1
