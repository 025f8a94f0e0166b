"""λ(t) as a user shapes it: a base rate times profile, bursts and stages, in pieces that are constant or linear.

All times are nanoseconds of the caller's steady clock. Only integers: a profile changes at quarters of an hour UTC, which suits
every zone in use and both kinds of DST day. Knows no clock; how events are spread along λ is for others.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, tzinfo
from fractions import Fraction
from itertools import accumulate
from typing import Final, NamedTuple

from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.resource.traffic import Burst, Profile, Stage, Traffic, Transition

_QUARTER_NS: Final = 900 * NS_PER_SECOND
_LONGEST_NS: Final = 86_400 * NS_PER_SECOND
"""No piece is longer, so that all of them end."""
_FULL: Final = 100
_PARTS_PER_NS: Final = _FULL**4
"""λ has four factors in percent: of the hour, of the day of the week, of bursts and of stages."""


class Piece(NamedTuple):
    """λ from `start` until `end`: `scale · (level + change · (t − since) / span)` parts per nanosecond, never negative."""

    start: int
    end: int
    scale: int
    level: int
    change: int = 0
    since: int = 0
    span: int = 1

    @property
    def silent(self) -> bool:
        """Nothing is asked for."""
        return self.scale == 0 or self.level == self.change == 0

    def amount(self, until: int) -> int:
        """The parts from the start until a moment inside; exact but for a part in a slope."""
        return self.scale * (self._integral(until) - self._integral(self.start))

    def _integral(self, moment: int) -> int:
        gone = moment - self.since
        return self.level * gone + self.change * gone * gone // (2 * self.span)

    def reached(self, amount: int) -> int:
        """The last moment at which no more than `amount` has come; it must come to more before the end."""
        if not self.change:
            return self.start + amount // (self.scale * self.level)
        moments = range(self.start, self.end)
        return self.start + bisect_right(moments, amount, key=self.amount) - 1

    def rate(self, moment: int) -> Fraction:
        """Parts per nanosecond."""
        return self.scale * (self.level + Fraction(self.change * (moment - self.since), self.span))

    def cut(self, most: int) -> tuple["Piece", ...]:
        """The same piece, at most `most` parts per nanosecond."""
        ends = self.rate(self.start), self.rate(self.end)
        if max(ends) <= most:
            return (self,)
        flat = Piece(self.start, self.end, 1, most)
        if min(ends) >= most:
            return (flat,)
        crossing = self.since + int((Fraction(most, self.scale) - self.level) * self.span / self.change)
        crossing = max(self.start + 1, min(self.end - 1, crossing))
        if self.change > 0:
            return self._replace(end=crossing), flat._replace(start=crossing)
        return flat._replace(end=crossing + 1), self._replace(start=crossing + 1)


@dataclass(frozen=True, slots=True)
class Shape:
    """`events` per `interval_ns`, shaped by `traffic`.

    Bursts and stages count from `begun_ns`; the profile reads the wall clock, which is `wall_offset_ns` ahead.
    """

    events: int
    interval_ns: int
    traffic: Traffic
    begun_ns: int = 0
    wall_offset_ns: int = 0

    @property
    def parts(self) -> int:
        """How many parts make one event."""
        return self.interval_ns * _PARTS_PER_NS

    @property
    def peak(self) -> Fraction:
        """No λ is higher than this, in events per second."""
        return Fraction(self.events * self.traffic.peak * NS_PER_SECOND, self.parts)

    @property
    def varies(self) -> bool:
        """Whether λ changes as time goes by: where nothing is asked for, nothing can be shaped."""
        traffic = self.traffic
        return self.events > 0 and bool(traffic.profile or traffic.bursts or traffic.stages)

    def rate(self, moment: int) -> Fraction:
        """λ(t) in events per second."""
        return self.piece(moment).rate(moment) * NS_PER_SECOND / self.parts

    def piece(self, start: int) -> Piece:
        """How λ goes on from a moment, until something changes; what is silent lasts as long as its longest reason."""
        profile, profile_end = _profile_at(self.traffic.profile, start + self.wall_offset_ns)
        burst, burst_ns = _burst_at(self.traffic.bursts, start - self.begun_ns)
        stage = _stage_at(self.traffic.stages, start - self.begun_ns, repeat=self.traffic.repeat_stages)
        lasting = [
            (profile == 0, profile_end - self.wall_offset_ns),
            (burst == 0, start + burst_ns),
            (stage.silent, stage.end + self.begun_ns),
            (self.events == 0, start + _LONGEST_NS),
        ]
        silent = [end for is_silent, end in lasting if is_silent]
        end = min(max(silent) if silent else min(end for _, end in lasting), start + _LONGEST_NS)
        if silent:
            return Piece(start, end, 0, 0)
        return stage._replace(
            start=start, end=end, scale=self.events * profile * burst, since=stage.since + self.begun_ns
        )


def _profile_at(profile: Profile | None, unix_ns: int) -> tuple[int, int]:
    """The product of the percentages of hour and day, and until when it holds."""
    if profile is None:
        return _FULL * _FULL, unix_ns + _LONGEST_NS
    quarter = unix_ns // _QUARTER_NS
    percent = _percent_in(profile, profile.zone, quarter)
    last = quarter + _LONGEST_NS // _QUARTER_NS
    quarter += 1
    while quarter < last and _percent_in(profile, profile.zone, quarter) == percent:
        quarter += 1
    return percent, quarter * _QUARTER_NS


def _percent_in(profile: Profile, zone: tzinfo, quarter: int) -> int:
    local = datetime.fromtimestamp(quarter * 900, zone)
    return profile.percent(local.weekday(), local.hour)


def _burst_at(bursts: tuple[Burst, ...], gone_ns: int) -> tuple[int, int]:
    """The largest multiplier of the bursts that are on, and how long nothing begins or ends."""
    on, left_ns = [], _LONGEST_NS
    for burst in bursts:
        phase_ns = gone_ns % burst.every_ns
        if phase_ns < burst.duration_ns:
            on.append(burst.multiplier_percent)
            left_ns = min(left_ns, burst.duration_ns - phase_ns)
        else:
            left_ns = min(left_ns, burst.every_ns - phase_ns)
    return max(on, default=_FULL), left_ns


def _stage_at(stages: tuple[Stage, ...], gone_ns: int, *, repeat: bool) -> Piece:
    """The stage that is on, as a piece on a clock that is 0 at the beginning of the first one."""
    if not stages:
        return Piece(gone_ns, gone_ns + _LONGEST_NS, 1, _FULL)
    ends = list(accumulate(stage.duration_ns for stage in stages))
    rounds, phase_ns = divmod(max(0, gone_ns), ends[-1])
    if rounds and not repeat:
        return Piece(gone_ns, gone_ns + _LONGEST_NS, 1, stages[-1].target_percent)
    index = bisect_right(ends, phase_ns)
    stage, first_ns = stages[index], rounds * ends[-1]
    since, end = first_ns + ends[index] - stage.duration_ns, first_ns + ends[index]
    before = stages[index - 1].target_percent if index or rounds else 0
    if stage.transition is Transition.STEP or before == stage.target_percent:
        return Piece(since, end, 1, stage.target_percent)
    return Piece(since, end, 1, before, stage.target_percent - before, since, stage.duration_ns)
