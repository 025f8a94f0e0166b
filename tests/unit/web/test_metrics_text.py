import re
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.exposition import choose_encoder

from audit_event_operator.engine.snapshot import Ref, TruthCounts
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.web.http_counts import HttpCounts
from audit_event_operator.web.metrics.families import Sources
from audit_event_operator.world.scenarios.score import ScenarioCounts
from support.doubles.fleet import make_snapshot
from support.metrics_text import ours, plain, seen

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
FORMATS = [
    "text/plain;version=0.0.4",
    "text/plain;version=1.0.0;escaping=allow-utf-8",
    OPENMETRICS,
    *(f"{OPENMETRICS};escaping={word}" for word in ("allow-utf-8", "underscores", "dots", "values")),
]
SPECIAL = ["a\nb", 'a"b', "a\\", "\\n", "%s", "%", "100%d", "{}", "\u2028", "\U0001f600", "# HELP x y", "", "x" * 300]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(SPECIAL)
COUNTS = st.integers(0, 2_000_000) | st.sampled_from([999_999, 1_000_000, 10**15, 2**53])
TIMES = st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
SCENARIOS = st.builds(
    ScenarioCounts, TEXTS, COUNTS, COUNTS, COUNTS, COUNTS, st.dictionaries(st.sampled_from(["A-1", "B-2"]), COUNTS)
)


@st.composite
def snapshots(draw):
    """Resources with names of their own and numbers of any size."""
    refs = draw(st.lists(st.builds(Ref, TEXTS, TEXTS), max_size=6, unique=True))
    return [
        make_snapshot(
            ref,
            f"uid-{index}",
            draw(st.sampled_from([Reason.PUBLISHING, Reason.SUSPENDED, Reason.STARTING, Reason.INVALID_SPEC])),
            destination=draw(TEXTS | st.just("lone \ud800")),
            broker=draw(TEXTS),
            target_rate=draw(st.fractions(0, 10_000)),
            interval_seconds=draw(st.floats(0.001, 1e9)),
            last_publish_time=draw(TIMES),
            **{name: draw(COUNTS) for name in ("generated", "published", "dropped", "retried", "skipped", "buffered")},
            scenario_counts=tuple(draw(st.lists(SCENARIOS, max_size=2, unique_by=lambda each: each.name))),
            truth=draw(st.builds(TruthCounts, COUNTS, COUNTS, COUNTS)),
        )
        for index, ref in enumerate(refs)
    ]


@pytest.fixture
def sources(backend):
    site = backend.site()
    return Sources(
        site.fleet, site.brokers, site.health_checks, site.source, HttpCounts([("/", "GET", 200)]), site.build
    )


@pytest.mark.parametrize("accept", FORMATS)
def test_whatever_there_is_the_text_is_the_librarys_own(sources, accept):
    encode, _ = choose_encoder(accept)

    @settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None, database=None)
    @given(snapshots(), st.tuples(TEXTS, TEXTS, TEXTS), st.floats(0, 100))
    def compare(there, labels, seconds):
        sources.fleet.totals.label_sets.stream("team-a").count(*labels)
        sources.fleet.totals.confirm_seconds.observe(seconds)
        looked = seen(sources, there)
        assert ours(looked, there, encode) == plain(looked, there, encode)

    compare()


def test_more_resources_than_one_piece_holds_are_all_there_in_order(sources):
    encode, _ = choose_encoder("")
    there = [make_snapshot(Ref("team", f"g{number}"), f"uid-{number}", generated=number) for number in range(1_001)]
    looked = seen(sources, there)
    text = ours(looked, there, encode)
    assert text == plain(looked, there, encode)
    found = re.findall(rb"^audit_event_operator_generator_events_generated_total\{.*\} (.*)$", text, re.MULTILINE)
    assert len(found) == 1_001


async def test_resources_that_come_go_return_and_change_are_told_as_they_are_now(client, backend, a_snapshot):
    async def rows():
        text = await (await client.get("/metrics")).text()
        return dict(re.findall(r'^audit_event_operator_generator_events_published_total\{generator="(\w+)",.*\} (.*)$',
                               text, re.MULTILINE))  # fmt: skip

    one, two = a_snapshot(name="one"), a_snapshot(name="two", published=7)
    for there, expected in (
        ([one], {"one": "90.0"}),
        ([one, two], {"one": "90.0", "two": "7.0"}),
        ([two], {"two": "7.0"}),
        ([a_snapshot(name="one", published=0), two], {"one": "0.0", "two": "7.0"}),
        ([a_snapshot(name="one", published=1_000_000), a_snapshot(name="renamed", published=7)],
         {"one": "1e+06", "renamed": "7.0"}),
        ([], {}),
    ):  # fmt: skip
        backend.fleet.live = there
        assert await rows() == expected


async def test_a_target_of_a_fraction_is_told_as_a_number(client, backend, a_snapshot):
    backend.fleet.live = [a_snapshot(target_rate=Fraction(1, 3))]
    text = await (await client.get("/metrics")).text()
    assert re.search(
        r"^audit_event_operator_generator_target_events_per_second\{.*\} 0\.3333333333333333$", text, re.MULTILINE
    )
