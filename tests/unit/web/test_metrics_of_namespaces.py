"""Scrapes of one namespace, and sums for each namespace in place of series for each resource."""

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from audit_event_operator.engine.ledger import DropReason, Ledger, SkipReason
from audit_event_operator.resource.conditions import Reason

OF_NAMESPACES = "audit_event_operator_namespace_"


@pytest.fixture
def scrape(client):
    async def now(query=""):
        answer = await client.get(f"/metrics{query}")
        assert answer.status == 200
        found = re.findall(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$", await answer.text(), re.MULTILINE)
        return {(name, labels): float(value) for name, labels, value in found}

    return now


async def test_a_scrape_of_one_namespace_has_what_bears_its_name_and_nothing_else(scrape, backend, a_snapshot):
    backend.fleet.live = [a_snapshot("team-a", "one"), a_snapshot("team-b", "two"), a_snapshot("team-ab", "three")]
    whole, narrowed = await scrape(), await scrape("?generator_namespace=team-a")
    assert narrowed
    assert narrowed == {key: value for key, value in whole.items() if 'generator_namespace="team-a"' in key[1]}


async def test_a_namespace_without_resources_has_no_series(scrape, backend, a_snapshot):
    backend.fleet.live = [a_snapshot("team-a", "one")]
    assert await scrape("?generator_namespace=nobody") == {}


async def test_a_narrowed_scrape_is_whole_in_openmetrics_too(client, backend, a_snapshot):
    backend.fleet.live = [a_snapshot("team-a", "one"), a_snapshot("team-b", "two")]
    accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
    text = await (await client.get("/metrics?generator_namespace=team-a", headers=accept)).text()
    assert text.endswith("# EOF\n")
    assert text.count("# EOF") == 1
    assert "team-b" not in text
    assert list(parse_openmetrics(text))


@pytest.mark.parametrize("value", ["", "Team-A", "a,b", "a&generator_namespace=b", "%0a", "x" * 64, ".*"])
async def test_what_cannot_be_one_namespace_is_refused_with_a_sentence(ask, value):
    status, answer = await ask(f"/metrics?generator_namespace={value}")
    assert status == 400
    assert "takes the name of one namespace" in answer["error"]


class TestSums:
    @pytest.fixture
    def backend(self, backend):
        backend.metrics_per_resource = False
        return backend

    async def test_there_is_no_series_of_a_resource(self, scrape, backend, a_snapshot):
        backend.fleet.live = [a_snapshot("team-a", "one")]
        Ledger(backend.fleet.totals, "team-a")
        seen = await scrape()
        assert [key for key in seen if 'generator="' in key[1]] == []
        assert (f"{OF_NAMESPACES}generators", 'generator_namespace="team-a"') in seen

    async def test_counters_add_up_and_stay_when_resources_go(self, scrape, backend):
        ledgers = [Ledger(backend.fleet.totals, namespace) for namespace in ("team-a", "team-a", "team-b")]
        for ledger in ledgers:
            ledger.of_namespace.generated += 5
            ledger.of_namespace.published += 2
            ledger.drop(DropReason.OVERSIZE, 0)
            ledger.skip(SkipReason.LATE, 3)
        del ledgers
        seen = await scrape()
        for namespace, resources in (("team-a", 2), ("team-b", 1)):
            labels = f'generator_namespace="{namespace}"'
            ends = ("generated", "published", "dropped", "skipped")
            numbers = [seen[f"{OF_NAMESPACES}events_{end}_total", labels] for end in ends]
            assert numbers == [5 * resources, 2 * resources, resources, 3 * resources]
            assert seen[f"{OF_NAMESPACES}events_waiting", labels] == 2 * resources

    async def test_gauges_are_of_the_resources_that_there_are_now(self, scrape, backend, a_snapshot):
        Ledger(backend.fleet.totals, "team-a")
        backend.fleet.live = [
            a_snapshot("team-a", "one", target_rate=2, interval_seconds=1.0),
            a_snapshot("team-a", "two", target_rate=3, interval_seconds=3_600.0, reason=Reason.STARTING),
        ]
        backend.fleet.departed = [a_snapshot("team-a", "gone")]

        async def gauges():
            seen = await scrape()
            names = ("generators", "generators_ready", "target_events_per_second", "steady_target_events_per_second")
            return [seen[OF_NAMESPACES + name, 'generator_namespace="team-a"'] for name in names]

        assert await gauges() == [2, 1, 5, 2]
        backend.fleet.live = []
        assert await gauges() == [0, 0, 0, 0]

    async def test_scenarios_are_told_by_outcome_and_rule(self, scrape, backend):
        counts = backend.fleet.totals.namespaces["team-a"]
        counts.episodes["complete"] += 2
        counts.expected_alerts["A-1"] += 7
        truth = Ledger(backend.fleet.truth_totals, "team-a")
        truth.of_namespace.published += 1
        truth.of_namespace.skipped += 4
        seen = await scrape("?generator_namespace=team-a")
        of_a = 'generator_namespace="team-a"'
        assert seen[f"{OF_NAMESPACES}scenario_episodes_total", f'{of_a},outcome="complete"'] == 2
        assert seen[f"{OF_NAMESPACES}expected_alerts_total", f'{of_a},rule="A-1"'] == 7
        told = [seen[f"{OF_NAMESPACES}truth_records_total", f'{of_a},outcome="{word}"']
                for word in ("delivered", "undelivered", "dropped")]  # fmt: skip
        assert told == [1, 0, 4]

    async def test_one_namespace_may_be_asked_for(self, scrape, backend, a_snapshot):
        for namespace in ("team-a", "team-b"):
            Ledger(backend.fleet.totals, namespace)
        whole, narrowed = await scrape(), await scrape("?generator_namespace=team-b")
        assert narrowed
        assert narrowed == {key: value for key, value in whole.items() if 'generator_namespace="team-b"' in key[1]}
