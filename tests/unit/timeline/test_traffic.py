"""Shaped streams along a synthetic clock: they follow day, bursts and stages; only a new runId begins these again."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from audit_event_operator.resource.advice import AdviceReason
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress
from audit_event_operator.timeline.change import Change
from audit_event_operator.timeline.reading import Reading
from audit_event_operator.timeline.shaping import advice_on_traffic
from audit_event_operator.timeline.timeline import Timeline
from support.doubles.synthetic_clock import SECOND, no_entropy

HOUR = 3_600
OFFICE = {
    "timeZone": "Europe/Berlin",
    "hourly": [5] * 7 + [40, 90, 120, 120, 100, 60, 100, 120, 110, 90, 50] + [10] * 6,
    "weekdays": [100, 110, 100, 100, 80, 5, 0],
}
BURST = {"every": "1m", "duration": "10s", "multiplierPercent": 1_000}
BEGIN = datetime(2026, 1, 5, 9, tzinfo=UTC)


def unix_ns(moment):
    return round(moment.timestamp()) * SECOND


class Played:
    """A stream on clocks that are only counted; `wall_ns` is where the wall clock begins."""

    def __init__(self, begin=BEGIN, progress=None, cap=5_000, preexisting=False, **spec):
        self.wall_ns, self.now_ns = unix_ns(begin), 0
        self.spec = {"randomSeed": 7, **spec}
        self.stream = Timeline(
            "uid", parse_spec(self.spec), progress or Progress(), cap=Fraction(cap), entropy=no_entropy,
            now=self.reading, preexisting=preexisting,
        )  # fmt: skip
        self.stream.begin(self.reading)
        self.moments: list[int] = []
        """When each event was due, on the wall clock."""

    @property
    def reading(self):
        return Reading(self.now_ns, self.wall_ns + self.now_ns)

    def play(self, seconds):
        """Go on for so long; how many events came."""
        end_ns, before = self.now_ns + round(seconds * SECOND), len(self.moments)
        while True:
            due = self.stream.advance(self.reading)
            if due is not None:
                assert due.late == 0
                self.moments += [self.reading.unix_ns] * due.events
            wait_ns = self.stream.wait_ns(self.reading)
            if wait_ns is None or self.now_ns + wait_ns >= end_ns:
                self.now_ns = end_ns
                self.stream.follow(self.reading)
                return len(self.moments) - before
            self.now_ns += wait_ns

    def patch(self, change=Change.RETIMED, **changes):
        self.spec |= changes
        self.stream.adopt(parse_spec(self.spec), change, self.reading)


def test_every_hour_of_two_weeks_with_a_change_of_the_clocks_has_its_events():
    """Summer time begins on 29 March 2026; each hour of the local clock has what the profile says, within one batch."""
    batch, begin = 7, datetime(2026, 3, 22, 23, tzinfo=UTC)
    played = Played(begin, interval="10s", eventsPerInterval=batch, traffic={"profile": OFFICE})
    played.play(14 * 24 * HOUR)
    counts = Counter((moment - unix_ns(begin)) // (HOUR * SECOND) for moment in played.moments)
    for hour in range(14 * 24):
        local = (begin + timedelta(hours=hour)).astimezone(ZoneInfo("Europe/Berlin"))
        percent = OFFICE["hourly"][local.hour] * OFFICE["weekdays"][local.weekday()] / 10_000
        assert abs(counts[hour] - HOUR / 10 * batch * percent) <= batch, local
    assert sum(counts.values()) > 100_000


@pytest.mark.parametrize(
    "law", [{"arrival": "Poisson"}, {"jitterPercent": 100}, {}], ids=["Poisson", "jitter", "plain"]
)
def test_all_arrival_laws_keep_the_rate_while_it_changes(law):
    stages = [{"duration": "10m", "targetPercent": 300}, {"duration": "10m", "targetPercent": 100}]
    played = Played(interval="100ms", traffic={"stages": stages, **law})
    assert played.play(1_200) == pytest.approx(9_000 + 12_000, abs=60 if law.get("arrival") else 2)


def test_a_patch_in_the_middle_of_a_burst_keeps_its_phase():
    played = Played(interval="1s", traffic={"bursts": [BURST]})
    assert played.play(5) == 50
    played.patch(interval="500ms")
    assert played.play(5) == pytest.approx(100, abs=1)
    assert played.play(50) == pytest.approx(100, abs=1)
    played.patch(traffic={"bursts": [BURST], "profile": {"hourly": [100] * 24}})
    assert played.play(10) == pytest.approx(200, abs=1), "the next burst begins a minute after the first"


def test_only_a_new_run_begins_bursts_and_stages_again():
    stages = [
        {"duration": "1m", "targetPercent": 0, "transition": "Step"},
        {"duration": "1m", "targetPercent": 100, "transition": "Step"},
    ]
    played = Played(interval="1s", traffic={"stages": stages})
    assert (played.play(60), played.play(30)) == (0, 30)
    played.patch(eventsPerInterval=2)
    assert played.play(30) == pytest.approx(60, abs=2)
    played.patch(Change.NEW_RUN, runId="again")
    played.stream.begin(played.reading)
    assert (played.play(60), played.play(30)) == (0, 60)


def test_a_restart_continues_in_the_middle_of_a_stage():
    stages = [{"duration": "10m", "targetPercent": 1_000}]
    progress = Progress(events_published=5, start_time=BEGIN - timedelta(minutes=5))
    played = Played(progress=progress, interval="1s", traffic={"stages": stages})
    assert played.play(60) == pytest.approx(60 * 5.5, abs=1), "five minutes in, it is at 500 percent"


def test_the_run_of_a_shaped_stream_begins_when_it_could_tick():
    played = Played(interval="1s", traffic={"stages": [{"duration": "10m", "targetPercent": 1}]})
    assert played.stream.run.start_time == BEGIN
    assert Played(interval="1s").stream.run.start_time is None


def test_silence_is_waited_for_and_told():
    night = {"hourly": [0] * 8 + [100] * 10 + [0] * 6}
    played = Played(BEGIN.replace(hour=20), interval="1m", traffic={"profile": night})
    assert played.play(11 * HOUR) == 0
    assert (played.stream.rates[0], bool(played.stream.silent)) == (0, True)
    assert played.stream.longest_gap_ns == 12 * HOUR * SECOND
    assert played.play(HOUR + 30) == 1, "the first one at eight o'clock"
    assert (played.stream.rates[0], played.stream.silent) == (Fraction(1, 60), "")


def test_no_events_per_interval_means_silence_until_there_are_some():
    played = Played(interval="1s", eventsPerInterval=0)
    assert (played.play(1_000), played.stream.silent) == (0, "spec.eventsPerInterval is 0")
    played.patch(eventsPerInterval=2)
    assert played.play(10) == pytest.approx(20, abs=2)
    played.patch(eventsPerInterval=0)
    assert played.play(100_000) == 0


def test_the_target_follows_a_ramp_and_much_is_told_and_little_is_not():
    played = Played(interval="1s", traffic={"stages": [{"duration": "100s", "targetPercent": 1_000}]})
    played.play(50)
    assert float(played.stream.rates[0]) == pytest.approx(5)
    told = []
    for _ in range(10_000):
        played.now_ns += SECOND // 1_000
        told.append(played.stream.follow(played.reading))
    assert 10 < sum(told) < 25, "from 5 to 6 events/s in steps of one percent"


def test_a_cap_cuts_the_top_of_a_shape():
    played = Played(cap=20, interval="100ms", traffic={"bursts": [BURST]})
    assert played.play(10) == pytest.approx(200, abs=1)
    assert played.play(50) == pytest.approx(500, abs=1)


def test_a_shape_follows_the_wall_clock_when_it_is_set():
    night = {"hourly": [0] * 8 + [100] * 10 + [0] * 6}
    played = Played(BEGIN.replace(hour=20), interval="1m", traffic={"profile": night})
    played.play(60)
    played.wall_ns += 12 * HOUR * SECOND
    assert played.stream.follow(played.reading)
    assert played.play(600) == pytest.approx(10, abs=1)
    played.wall_ns += SECOND // 10
    assert not played.stream.follow(played.reading), "clocks differ a little all the time"


def test_another_destination_keeps_a_shaped_stream_going():
    played = Played(interval="1s", traffic={"bursts": [BURST]})
    played.play(30)
    played.patch(Change.MOVED, queue="other")
    played.stream.begin(played.reading)
    assert played.play(30) == pytest.approx(30, abs=1)
    assert played.play(10) == pytest.approx(100, abs=1)


DAY_ONLY = {"profile": {"hourly": [0] * 9 + [100] + [0] * 14}}


@pytest.mark.parametrize(
    ("traffic", "begun"),
    [
        pytest.param({"stages": [{"duration": "1h", "targetPercent": 0}]}, None, id="stages at 0"),
        pytest.param({"stages": [{"duration": "1h", "targetPercent": 100}, {"duration": "1s", "targetPercent": 0}]},
                     BEGIN - timedelta(hours=2), id="stages that are over"),
        pytest.param(DAY_ONLY | {"bursts": [{"every": "24h", "duration": "2h", "multiplierPercent": 0}]}, BEGIN,
                     id="a gap in the only hour of the day"),
    ],
)  # fmt: skip
def test_a_shape_that_asks_for_nothing_is_warned_of(traffic, begun):
    (advice,) = advice_on_traffic(parse_spec({"traffic": traffic}), begun, Reading(0, unix_ns(BEGIN)))
    assert (advice.reason, advice.field) == (AdviceReason.ASKS_FOR_NOTHING, "spec.traffic")


@pytest.mark.parametrize(
    "traffic",
    [
        {},
        DAY_ONLY,
        {"bursts": [BURST | {"multiplierPercent": 0}]},
        {"stages": [{"duration": "1h", "targetPercent": 1}]},
    ],
    ids=repr,
)
def test_a_shape_that_asks_for_something_is_not_talked_about(traffic):
    assert advice_on_traffic(parse_spec({"traffic": traffic}), None, Reading(0, unix_ns(BEGIN))) == ()
