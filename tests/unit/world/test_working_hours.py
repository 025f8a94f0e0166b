"""People work in their hours, automation all the time, and a few users do most of what is done."""

import math
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.world.cast import WorldCast
from audit_event_operator.world.people import SERVICE
from support.worlds import MONDAY, made, maker, seen

SEED = 3


def roles():
    cast = WorldCast(parse_spec({"activity": "Sessions"}).entities, SEED)
    return {cast.people[number].name: cast.people[number] for number in range(cast.people.count)}


def at_work(person, seconds, zone=UTC):
    local = datetime.fromtimestamp(seconds, zone)
    return local.weekday() < 5 and person.begins <= local.hour * 60 + local.minute < person.ends


def human_share(events, zone=UTC):
    people = roles()
    humans = [event for event in events if event.user in people and people[event.user].human]
    return sum(at_work(people[event.user], event.time_seconds, zone) for event in humans) / len(humans)


@pytest.mark.parametrize("days, per_second", [(7, 0.1), (2, 0.5)])
def test_at_a_flat_rate_most_of_what_people_do_lies_in_their_hours(days, per_second):
    events = seen(made(maker(SEED), round(days * 86_400 * per_second), per_second=per_second))
    assert human_share(events) >= 0.8


def test_hours_are_those_of_the_zone():
    zone = "America/New_York"
    profile = {"timeZone": zone, "hourly": [100] * 24, "weekdays": [100] * 7}
    events = list(seen(made(maker(SEED, traffic={"profile": profile}), 17_280, per_second=0.1)))
    assert human_share(events, ZoneInfo(zone)) >= 0.8
    assert human_share(events) < 0.8


def test_in_the_hours_of_a_day_profile_it_is_nearly_all():
    events = []
    for day in range(5):
        events += seen(made(maker(SEED), 10_000, per_second=10_000 / 28_800, start=MONDAY + day * 86_400 + 9 * 3_600))
    assert human_share(events) >= 0.9


def test_activity_of_users_falls_like_one_over_the_rank():
    found = Counter(event.user for event in seen(made(maker(SEED), 60_000, per_second=60_000 / 604_800)))
    counts = sorted(found.values(), reverse=True)[:100]
    points = [(math.log(rank), math.log(count)) for rank, count in enumerate(counts, start=1)]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    assert 0.7 <= -slope <= 1.3


def test_the_first_four_have_a_role_each_and_the_others_their_shares():
    found = Counter(person.role for person in list(roles().values())[4:])
    assert [person.role for person in list(roles().values())[:4]] == [0, 1, 2, 3]
    assert found[SERVICE] / 196 == pytest.approx(0.15, abs=0.08)
