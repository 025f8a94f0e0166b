"""What a scenario of each type looks like where its spec does not say. Data only.

The figures come from what public detections count: docs/scenarios.md says which of them fire.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.resource.scenarios import Range, Scenario, ScenarioType
from audit_event_operator.world.quiet import WINDOW_SECONDS

_NS_PER_MS: Final = NS_PER_SECOND // 1_000
_NONE: Final = Range(0, 0)
RULE_WINDOW_SECONDS: Final = 60
"""So long the platform's rule remembers failed logins of a user on a host."""


def _ms(low: int, high: int) -> Range:
    return Range(low * _NS_PER_MS, high * _NS_PER_MS)


DEFAULT_GAP: Final = _ms(1_000, 3_000)
"""Between steps that say nothing else, and before logins and logouts that nobody asked for."""
_QUICK: Final = _ms(2_000, 8_000)


class Usual(NamedTuple):
    """One type.

    `attempts` and `pace` (nanoseconds): defaults. An episode lasts at most so many paces and quick gaps: `each` for every
    attempt, and `more` besides. `rest_seconds`: so long nothing else happens to whom it was about.
    """

    techniques: tuple[str, ...]
    attempts: Range
    pace: Range
    each: tuple[int, int]
    more: tuple[int, int]
    rest_seconds: int = 0
    success_percent: int = 0
    malicious: bool = True


USUAL: Final[Mapping[ScenarioType, Usual]] = MappingProxyType(
    {
        ScenarioType.BRUTE_FORCE: Usual(
            ("T1110.001",), Range(12, 24), _ms(1_000, 3_000), (1, 0), (1, 3), RULE_WINDOW_SECONDS, success_percent=20
        ),
        ScenarioType.PASSWORD_SPRAY: Usual(
            ("T1110.003",), Range(62, 66), _ms(3_000, 5_300), (1, 0), (0, 0), RULE_WINDOW_SECONDS
        ),
        ScenarioType.USER_ENUMERATION: Usual(
            ("T1110", "T1087"), Range(12, 16), _ms(1_000, 2_500), (1, 0), (0, 0), RULE_WINDOW_SECONDS
        ),
        ScenarioType.ACCOUNT_TAKEOVER: Usual(
            ("T1110", "T1078", "T1098.004"), Range(30, 40), _ms(250, 400), (1, 0), (1, 3), RULE_WINDOW_SECONDS,
            success_percent=100,
        ),
        ScenarioType.PRIVILEGE_ESCALATION: Usual(("T1548.003",), _NONE, _ms(10_000, 40_000), (0, 0), (6, 0)),
        ScenarioType.LATERAL_MOVEMENT: Usual(("T1021.004",), Range(3, 6), _ms(20_000, 90_000), (1, 2), (0, 0)),
        ScenarioType.LOG_TAMPERING: Usual(("T1070.002", "T1562.001"), _NONE, _ms(10_000, 40_000), (0, 0), (4, 0)),
        ScenarioType.MISTYPED_PASSWORD: Usual(
            (), Range(2, 2), _ms(4_000, 12_000), (1, 0), (0, 0), WINDOW_SECONDS, malicious=False
        ),
        ScenarioType.DEPLOYMENT_BURST: Usual((), Range(4, 10), _ms(3_000, 10_000), (1, 4), (0, 0), malicious=False),
        ScenarioType.STEPS: Usual((), _NONE, DEFAULT_GAP, (0, 0), (0, 0), RULE_WINDOW_SECONDS),
    }
)  # fmt: skip


def attempts_of(scenario: Scenario) -> Range:
    """How many logins, users, names or hosts an episode has."""
    usual = USUAL[scenario.type].attempts
    fixed = scenario.attempts is None or scenario.type is ScenarioType.MISTYPED_PASSWORD or usual == _NONE
    return usual if fixed or scenario.attempts is None else scenario.attempts.range


def pace_of(scenario: Scenario) -> Range:
    """How long it takes from one event to the next, in nanoseconds."""
    return USUAL[scenario.type].pace if scenario.pace is None else scenario.pace.range


def quick_gap_of(scenario: Scenario) -> Range:
    """Between events that follow from one another, in nanoseconds: a few seconds, but no longer than the pace."""
    pace = pace_of(scenario)
    return Range(min(_QUICK.low, pace.low), min(_QUICK.high, pace.high))


def success_percent_of(scenario: Scenario) -> int:
    """In so many of a hundred episodes the attacker gets in."""
    usual = USUAL[scenario.type].success_percent
    return usual if scenario.success_percent is None or not usual else scenario.success_percent


def malicious(scenario: Scenario) -> bool:
    """Whether it is an attack."""
    return scenario.malicious if scenario.type is ScenarioType.STEPS else USUAL[scenario.type].malicious


def techniques_of(scenario: Scenario) -> tuple[str, ...]:
    """ATT&CK techniques."""
    return scenario.techniques if scenario.type is ScenarioType.STEPS else USUAL[scenario.type].techniques


def longest_ns(scenario: Scenario) -> int:
    """An episode lasts no longer."""
    if scenario.type is ScenarioType.STEPS:
        total = 0
        for step in scenario.steps:
            after, gap = (DEFAULT_GAP if span is None else span.range for span in (step.after, step.gap))
            # Each may need a login or a stopped service before it, and a logout at the end.
            total += after.high + (step.repeat - 1) * gap.high + 3 * DEFAULT_GAP.high
        return total
    usual, attempts = USUAL[scenario.type], attempts_of(scenario).high
    paces, gaps = (each * attempts + more for each, more in zip(usual.each, usual.more, strict=True))
    return paces * pace_of(scenario).high + gaps * quick_gap_of(scenario).high
