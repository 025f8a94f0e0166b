"""How the rate of a stream follows day and week, bursts and stages: the `traffic` part of a spec.

Percentages multiply: 100 leaves the rate as it is. Must not know what rate they apply to.
"""

from datetime import tzinfo
from enum import StrEnum
from functools import cached_property
from typing import Annotated, ClassVar, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StrictBool

from audit_event_operator.resource.durations import parse_duration
from audit_event_operator.resource.fields import (
    DURATION_TEXT,
    Text,
    WholeNumber,
    duration_is_readable,
    duration_range,
    refusal,
)
from audit_event_operator.resource.model import SpecModel
from audit_event_operator.resource.rules import Rule
from audit_event_operator.resource.schema import LIST_TYPE

_FULL: Final = 100
_ATOMIC: Final = {LIST_TYPE: "atomic"}

_ZONE_NAME: Final = Text(
    64,
    r"^[A-Za-z]([A-Za-z0-9_+/-]*[A-Za-z0-9])?$",
    'must be the name of a time zone such as "UTC" or "Europe/Berlin"',
)


def _known_zone(name: str) -> str:
    """Refuse a name that the IANA database does not have; the API server cannot know."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise refusal('is not a time zone of the IANA database; use a name such as "UTC" or "Europe/Berlin"') from None
    return name


def _some(field: str) -> Rule:
    return Rule(
        message=f"{field} must have at least one percentage above 0",
        cel="self.exists(percent, percent > 0)",
        holds=any,
    )


_Percentages = tuple[Annotated[int, WholeNumber(0, 1_000)], ...]


class Arrival(StrEnum):
    """How events are spread along the rate."""

    CONSTANT = "Constant"
    POISSON = "Poisson"


class Transition(StrEnum):
    """How a stage comes to its percentage."""

    LINEAR = "Linear"
    STEP = "Step"


class Profile(SpecModel):
    """The rate over a week of a time zone."""

    time_zone: Annotated[str, _ZONE_NAME, AfterValidator(_known_zone)] = Field(
        default="UTC",
        description='Time zone of hours and days, a name of the IANA database such as "Europe/Berlin". Changes to and from'
        " summer time are followed.",
    )
    hourly: Annotated[_Percentages, _some("hourly")] = Field(
        min_length=24,
        max_length=24,
        default=(_FULL,) * 24,
        json_schema_extra={**_ATOMIC, "default": None},
        description="Percentage of the rate in each of the 24 hours of a day, from midnight on: exactly 24 whole numbers from"
        " 0 to 1000, at least one above 0. If unset, 100 in every hour.",
    )
    weekdays: Annotated[_Percentages, _some("weekdays")] = Field(
        min_length=7,
        max_length=7,
        default=(_FULL,) * 7,
        json_schema_extra={**_ATOMIC, "default": None},
        description="Percentage of the rate on each of the 7 days of a week, from Monday on: exactly 7 whole numbers from 0 to"
        " 1000, at least one above 0. Multiplied by that of the hour. If unset, 100 on every day.",
    )

    @cached_property
    def zone(self) -> tzinfo:
        """The time zone."""
        return ZoneInfo(self.time_zone)

    def percent(self, weekday: int, hour: int) -> int:
        """Hundredths of a percent in that hour; Monday is 0."""
        return self.weekdays[weekday] * self.hourly[hour]


class Burst(SpecModel):
    """A stretch with another rate, again and again."""

    every: Annotated[str, DURATION_TEXT, duration_range("every", "10s", "168h")] = Field(
        description='Time from the beginning of one burst to that of the next, 10s to 168h, such as "15m". The first one'
        " begins with the run.",
    )
    duration: Annotated[str, DURATION_TEXT, duration_range("duration", "10ms", "168h")] = Field(
        description='How long a burst lasts, at least 10ms and shorter than every, such as "30s".',
    )
    multiplier_percent: Annotated[int, WholeNumber(0, 10_000)] = Field(
        description="Percentage of the rate during the burst, 0 to 10000: 500 is five times the rate, 0 is a gap. Where"
        " bursts overlap, the largest one counts.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="duration of a burst must be shorter than its every",
            cel=(
                f"!({duration_is_readable('self.duration')}) || !({duration_is_readable('self.every')})"
                " || duration(self.duration) < duration(self.every)"
            ),
            holds=lambda burst: burst.duration_ns < burst.every_ns,
            field="duration",
        ),
    )

    @cached_property
    def every_ns(self) -> int:
        """From one beginning to the next, in nanoseconds."""
        return parse_duration(self.every)

    @cached_property
    def duration_ns(self) -> int:
        """How long it lasts, in nanoseconds."""
        return parse_duration(self.duration)


class Stage(SpecModel):
    """A step of a plan."""

    duration: Annotated[str, DURATION_TEXT, duration_range("duration", "1s", "720h")] = Field(
        description='How long the stage lasts, 1s to 720h, such as "10m".',
    )
    target_percent: Annotated[int, WholeNumber(0, 10_000)] = Field(
        description="Percentage of the rate that the stage comes to, 0 to 10000.",
    )
    transition: Transition = Field(
        default=Transition.LINEAR,
        json_schema_extra={"default": None},
        description="Linear: the rate rises or falls evenly from the percentage of the stage before, for the first stage from"
        " 0. Step: the stage has its percentage from its beginning. If unset, Linear.",
    )

    @cached_property
    def duration_ns(self) -> int:
        """How long it lasts, in nanoseconds."""
        return parse_duration(self.duration)


class Traffic(SpecModel):
    """The shape of the rate, and how events are spread along it."""

    arrival: Arrival = Field(
        default=Arrival.CONSTANT,
        description="Constant: a tick of eventsPerInterval events whenever so many are due. Poisson: single events at random"
        " distances, as independent sources cause them; the rate is the same.",
    )
    jitter_percent: Annotated[int, WholeNumber(0, 100)] = Field(
        default=0,
        description="Constant only: each tick comes later by a random part of its distance to the next one, at most this"
        " percentage, 0 to 100. The rate stays the same.",
    )
    profile: Profile | None = Field(
        default=None,
        description="The rate over a day and a week, by the clock of a time zone. If unset, it is the same at all times.",
    )
    bursts: tuple[Burst, ...] = Field(
        default=(),
        max_length=8,
        json_schema_extra={**_ATOMIC, "default": None},
        description="Stretches with another rate, at most 8 kinds. They count from the beginning of the run"
        " (status.startTime); a new runId begins them now.",
    )
    stages: tuple[Stage, ...] = Field(
        default=(),
        max_length=32,
        json_schema_extra={**_ATOMIC, "default": None},
        description="A plan of at most 32 stages, one after the other from the beginning of the run (status.startTime); a new"
        " runId begins it now. The percentage of the last stage holds for ever, unless repeatStages is true.",
    )
    repeat_stages: StrictBool = Field(
        default=False,
        description="Whether the stages begin again after the last one; a Linear first stage then starts from the last one's"
        " percentage.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="jitterPercent above 0 requires arrival Constant; Poisson is random already",
            cel=(
                "!has(self.jitterPercent) || self.jitterPercent == 0 || !has(self.arrival) || self.arrival != 'Poisson'"
            ),
            holds=lambda traffic: traffic.jitter_percent == 0 or traffic.arrival is not Arrival.POISSON,
            field="jitterPercent",
        ),
        Rule(
            message="repeatStages requires stages",
            cel="!has(self.repeatStages) || !self.repeatStages || (has(self.stages) && size(self.stages) > 0)",
            holds=lambda traffic: not traffic.repeat_stages or bool(traffic.stages),
            field="repeatStages",
        ),
    )

    @property
    def plain(self) -> bool:
        """The rate is the same at all times."""
        return self.profile is None and not self.bursts and not self.stages

    @cached_property
    def peak(self) -> int:
        """The largest product of the percentages of hour, day, bursts and stages."""
        profile = _FULL * _FULL if self.profile is None else max(self.profile.hourly) * max(self.profile.weekdays)
        burst = max((burst.multiplier_percent for burst in self.bursts), default=_FULL)
        stage = max((stage.target_percent for stage in self.stages), default=_FULL)
        return profile * max(_FULL, burst) * stage
