"""When this process may work."""

import pytest

from audit_event_operator.cluster.leadership.gate import LeaseAssignment, LeaseGate
from audit_event_operator.cluster.leadership.lease import LeaseTiming
from audit_event_operator.engine.snapshot import Ref


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """A gate that somebody looks at once a second, as long as the process is awake."""

    def __init__(self, timing: LeaseTiming = LeaseTiming()) -> None:  # noqa: B008 - frozen
        self.clock = Clock()
        self.gate = LeaseGate(timing, clock=self.clock)
        self.doubts = self.openings = 0
        self.gate.on_doubt = self._doubt
        self.gate.on_open = self._open

    def awake(self, seconds: int, *, renewing: bool = True) -> None:
        for second in range(seconds):
            self.clock.now += 1
            self.gate.look()
            if renewing and second % 2 == 0:
                self.gate.confirm(self.clock.now)

    def asleep(self, seconds: float) -> None:
        self.clock.now += seconds

    def _doubt(self) -> None:
        self.doubts += 1

    def _open(self) -> None:
        self.openings += 1


@pytest.fixture
def scene():
    return Scene()


def test_one_lease_is_for_all_resources(scene):
    assignment = LeaseAssignment(scene.gate)
    one, two = Ref("team", "one"), Ref("team", "two")
    assert assignment.gate(one) is assignment.gate(two) is scene.gate
    assert not assignment.is_ours(one)
    scene.gate.confirm(scene.clock.now)
    assert assignment.is_ours(one)
    assert assignment.is_ours(two)
    scene.asleep(60)
    assert not scene.gate.is_open()
    assert assignment.is_ours(one), "in doubt, but not lost"
    scene.gate.close()
    assert not assignment.is_ours(two)


def test_it_is_closed_until_the_lease_is_ours(scene):
    assert not scene.gate.is_open()
    scene.gate.confirm(scene.clock.now)
    assert scene.gate.is_open()
    scene.gate.close()
    assert not scene.gate.is_open()


def test_it_stays_open_while_the_lease_is_renewed(scene):
    scene.gate.confirm(scene.clock.now)
    scene.awake(120)
    assert scene.gate.is_open()


def test_it_stays_open_while_nobody_can_renew_since_nobody_can_take(scene):
    scene.gate.confirm(scene.clock.now)
    scene.gate.renewals_fail = True
    scene.awake(600, renewing=False)
    assert scene.gate.is_open()


@pytest.mark.parametrize("renewals_fail", [True, False])
def test_a_process_that_was_stopped_for_longer_than_the_lease_finds_it_closed(scene, renewals_fail):
    scene.gate.confirm(scene.clock.now)
    scene.gate.renewals_fail = renewals_fail
    scene.asleep(16)
    assert not scene.gate.is_open()
    assert not scene.gate.is_open()
    assert scene.doubts == 1


def test_a_shorter_stop_counts_when_the_lease_could_have_run_out(scene):
    scene.gate.confirm(scene.clock.now)
    scene.asleep(9)
    assert scene.gate.is_open()
    scene.asleep(6)
    assert not scene.gate.is_open()


def test_a_busy_loop_is_no_stop(scene):
    scene.gate.confirm(scene.clock.now)
    for _ in range(10):
        scene.asleep(4)
        assert scene.gate.is_open()


def test_it_opens_again_once_the_lease_was_read(scene):
    scene.gate.confirm(scene.clock.now)
    scene.asleep(60)
    assert not scene.gate.is_open()
    scene.gate.confirm(scene.clock.now)
    assert scene.gate.is_open()
    assert scene.openings == 1


def test_an_answer_to_a_question_from_before_the_stop_proves_nothing(scene):
    scene.gate.confirm(scene.clock.now)
    asked_at = scene.clock.now
    scene.asleep(60)
    scene.gate.confirm(asked_at)
    assert not scene.gate.is_open()


def test_a_stop_of_a_standby_is_nothing(scene):
    scene.asleep(60)
    scene.gate.confirm(scene.clock.now)
    assert scene.gate.is_open()
    assert scene.doubts == 0


def test_a_short_lease_is_lost_by_a_short_sleep():
    scene = Scene(LeaseTiming(duration=3, renew=2, retry=0.5))
    scene.gate.confirm(scene.clock.now)
    scene.asleep(4)
    assert not scene.gate.is_open()
    assert scene.doubts == 1
