import asyncio
import gc
import gzip
import re
import time
from collections import defaultdict
from dataclasses import replace
from itertools import count

import aiohttp
import pytest
from hypothesis import strategies as st
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from audit_event_operator.engine.ledger import DropReason, Outcome, SkipReason
from audit_event_operator.engine.snapshot import Ref, ScenarioCounts, TruthCounts
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.web.app import build_applications
from audit_event_operator.web.http_counts import HttpCounts
from audit_event_operator.web.metrics.families import FAMILIES, Sources, of_operator
from audit_event_operator.web.metrics.text import pieces
from support.doubles.fleet import Still, changed
from support.metrics_text import seen

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
EACH = "audit_event_operator_generator_"
RESOURCE = frozenset({"generator_namespace", "generator"})

SEED = {
    "audit_event_generator_events_total": ("counter", {"event_type", "server_hostname", "action_result"}),
    "audit_event_generator_published_success_total": ("counter", set()),
    "audit_event_generator_published_failure_total": ("counter", set()),
    "audit_event_generator_rabbitmq_connection_status": ("gauge", set()),
}
TWELVE = {
    **{f"events_{end}_total": "counter" for end in ("generated", "published", "dropped", "retried", "skipped")},
    **{f"events_{place}": "gauge" for place in ("buffered", "in_flight")},
    **dict.fromkeys(("target_events_per_second", "interval_seconds", "ready", "info"), "gauge"),
    "last_publish_timestamp_seconds": "gauge",
}
OPERATOR_WIDE = {
    "audit_event_operator_generators": ("gauge", {"state"}),
    "audit_event_operator_buckets": ("gauge", set()),
    "audit_event_operator_members": ("gauge", set()),
    "audit_event_operator_events_dropped_total": ("counter", {"reason"}),
    "audit_event_operator_events_skipped_total": ("counter", {"reason"}),
    "audit_event_operator_buffered_bytes": ("gauge", {"generator_namespace"}),
    "audit_event_operator_publish_attempts_total": ("counter", {"outcome"}),
    "audit_event_operator_publish_confirm_seconds": ("histogram", {"le"}),
    "audit_event_operator_schedule_lag_seconds": ("histogram", {"le"}),
    "audit_event_operator_event_loop_lag_seconds": ("histogram", {"le"}),
    "audit_event_operator_broker_connections": ("gauge", {"state"}),
    "audit_event_operator_broker_connects_total": ("counter", {"result"}),
    "audit_event_operator_reconcile_total": ("counter", {"result"}),
    "audit_event_operator_api_writes_total": ("counter", {"kind", "result"}),
    "audit_event_operator_foreign_owners": ("gauge", set()),
    "audit_event_operator_apiserver_last_success_timestamp_seconds": ("gauge", set()),
    "audit_event_operator_leader": ("gauge", set()),
    "audit_event_operator_http_requests_total": ("counter", {"route", "method", "code"}),
    "audit_event_operator_http_request_duration_seconds": ("histogram", {"route", "le"}),
    "audit_event_operator_label_overflow_total": ("counter", set()),
    "audit_event_operator_build_info": ("gauge", {"version", "revision", "python_version"}),
}
OF_SCENARIOS = {
    "audit_event_operator_scenario_episodes_total": ("counter", RESOURCE | {"scenario", "outcome"}),
    "audit_event_operator_scenario_events_total": ("counter", RESOURCE | {"scenario"}),
    "audit_event_operator_expected_alerts_total": ("counter", RESOURCE | {"rule"}),
    "audit_event_operator_truth_records_total": ("counter", RESOURCE | {"outcome"}),
}
SCENARIOS = {
    "scenario_counts": (
        ScenarioCounts("brute", 4, 1, 2, 97, {"ANLY-SEC-001": 72, "ANLY-SEC-002": 1}),
        ScenarioCounts("takeover", 1, 0, 0, 40, {"ANLY-SEC-001": 30, "ANLY-SEC-002": 1}),
    ),
    "truth": TruthCounts(5, 1, 0),
}


class Scrape:
    def __init__(self, text):
        self.text = text
        self.types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        self.helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
        self.labels = defaultdict(set)
        self.values = {}
        for family in parse_text(text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            for sample in family.samples:
                if not sample.name.endswith(("_sum", "_count")):
                    self.labels[name].add(frozenset(sample.labels))
                key = (sample.name, *sorted(sample.labels.items()))
                assert key not in self.values, f"the same series twice: {key}"
                self.values[key] = sample.value

    def __call__(self, name, **labels):
        return self.values[(name, *sorted(labels.items()))]


@pytest.fixture
def scrape(client):
    async def now(**headers):
        answer = await client.get("/metrics", headers=headers)
        assert answer.status == 200
        return Scrape(await answer.text())

    return now


async def test_names_types_and_labels_are_exactly_the_contract(scrape, backend, a_snapshot, a_default_stream):
    backend.fleet.live, backend.fleet.default_stream_row = [a_snapshot(**SCENARIOS)], a_default_stream()
    backend.fleet.totals.label_sets.stream("team-a").count("user_login", "prod-web-01", "FAILURE")
    seen = await scrape()
    contract = SEED | OPERATOR_WIDE | OF_SCENARIOS
    contract |= {EACH + name: (kind, RESOURCE) for name, kind in TWELVE.items()}
    contract[f"{EACH}info"] = ("gauge", RESOURCE | {"queue", "broker"})
    ours = {name: kind for name, kind in seen.types.items() if name.startswith("audit_event")}
    assert ours == {name: kind for name, (kind, _) in contract.items()}
    for name, (_, labels) in contract.items():
        assert seen.labels[name] == {frozenset(labels)}, name
    others = {name for name in seen.types if not name.startswith("audit_event")}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "python_info"} <= others
    assert all(name.startswith(("process_", "python_")) for name in others)


async def test_every_metric_is_explained(scrape):
    seen = await scrape()
    assert set(seen.helps) == set(seen.types)
    assert all(len(text) > 10 for text in seen.helps.values())


async def test_everything_with_a_fixed_label_set_is_there_from_the_start(scrape, backend):
    backend.brokers.states = {}
    seen = await scrape()
    for name, label, values in (
        ("events_dropped_total", "reason", DropReason),
        ("events_skipped_total", "reason", SkipReason),
        ("publish_attempts_total", "outcome", Outcome),
        ("generators", "state", ("active", "suspended", "completed", "failing")),
        ("broker_connections", "state", ("connecting", "connected", "blocked", "failing")),
    ):
        assert {seen(f"audit_event_operator_{name}", **{label: value}) for value in values} == {0}
    assert seen("audit_event_generator_published_success_total") == 0
    assert seen("audit_event_generator_published_failure_total") == 0
    assert seen("audit_event_generator_rabbitmq_connection_status") == 1
    assert seen("audit_event_operator_label_overflow_total") == 0


async def test_a_resource_has_twelve_series_that_add_up(scrape, backend, a_snapshot):
    backend.fleet.live = [a_snapshot(), a_snapshot(name="other", reason=Reason.SUSPENDED, last_publish_time=None)]
    seen = await scrape()
    labels = {"generator_namespace": "team-a", "generator": "logins"}
    series = [key for key in seen.values if ("generator", "logins") in key]
    assert len(series) == 12
    parts = ("events_published_total", "events_dropped_total", "events_buffered", "events_in_flight")
    assert seen(f"{EACH}events_generated_total", **labels) == sum(seen(EACH + part, **labels) for part in parts) == 100
    assert seen(f"{EACH}target_events_per_second", **labels) == 0.2
    assert seen(f"{EACH}interval_seconds", **labels) == 5
    assert seen(f"{EACH}last_publish_timestamp_seconds", **labels) == 1767323045
    assert seen(f"{EACH}info", **labels, queue="audit_events", broker="rabbit:5672/%2F") == 1
    assert seen(f"{EACH}last_publish_timestamp_seconds", **labels | {"generator": "other"}) == 0


async def test_a_resource_with_scenarios_tells_of_its_episodes_their_alerts_and_their_records(
    scrape, backend, a_snapshot
):
    backend.fleet.live = [a_snapshot(**SCENARIOS)]
    seen = await scrape()

    def ours(name, **labels):
        return seen(f"audit_event_operator_{name}_total", generator_namespace="team-a", generator="logins", **labels)

    outcomes = "complete", "incomplete", "missed"
    assert [ours("scenario_episodes", scenario="brute", outcome=outcome) for outcome in outcomes] == [4, 1, 2]
    assert [ours("scenario_events", scenario=scenario) for scenario in ("brute", "takeover")] == [97, 40]
    assert [ours("expected_alerts", rule=f"ANLY-SEC-00{number}") for number in (1, 2)] == [102, 2]
    outcomes = "delivered", "undelivered", "dropped"
    assert [ours("truth_records", outcome=outcome) for outcome in outcomes] == [5, 1, 0]


async def test_only_resources_with_scenarios_have_series_of_scenarios_and_they_go_with_the_others(
    scrape, backend, a_snapshot, a_default_stream
):
    backend.fleet.live, backend.fleet.default_stream_row = [a_snapshot()], a_default_stream()
    backend.fleet.departed = [a_snapshot(name="leaving", **SCENARIOS)]
    seen = await scrape()
    found = [dict(key[1:]) for key in seen.values if key[0] in OF_SCENARIOS]
    assert {labels["generator"] for labels in found} == {"leaving"}
    backend.fleet.departed = []
    seen = await scrape()
    assert [key for key in seen.values if key[0] in OF_SCENARIOS] == []


async def test_a_record_that_a_removed_scenario_left_behind_is_counted(scrape, backend, a_snapshot):
    backend.fleet.live = [a_snapshot(truth=TruthCounts(undelivered=1))]
    seen = await scrape()
    labels = {"generator_namespace": "team-a", "generator": "logins", "outcome": "undelivered"}
    assert seen("audit_event_operator_truth_records_total", **labels) == 1


async def test_ready_is_the_condition(scrape, backend, a_snapshot):
    expected = dict.fromkeys((Reason.PUBLISHING, Reason.SUSPENDED, Reason.COMPLETED), 1)
    expected |= dict.fromkeys((Reason.STARTING, Reason.INVALID_SPEC), 0)
    backend.fleet.live = [a_snapshot(name=reason, reason=reason) for reason in expected]
    seen = await scrape()
    for reason, ready in expected.items():
        assert seen(f"{EACH}ready", generator_namespace="team-a", generator=reason) == ready, reason


async def test_posted_events_have_a_row_of_their_own_that_is_no_generator(
    scrape, backend, a_snapshot, a_default_stream
):
    backend.fleet.live, backend.fleet.default_stream_row = [a_snapshot(reason=Reason.SUSPENDED)], a_default_stream()
    seen = await scrape()
    assert seen(f"{EACH}events_published_total", generator_namespace="", generator="api") == 90
    assert seen("audit_event_operator_generators", state="active") == 0
    assert seen("audit_event_operator_generators", state="suspended") == 1


async def test_a_departed_resource_is_shown_but_not_counted(scrape, backend, a_snapshot):
    backend.fleet.departed = [a_snapshot()]
    seen = await scrape()
    assert seen(f"{EACH}events_published_total", generator_namespace="team-a", generator="logins") == 90
    assert seen("audit_event_operator_generators", state="active") == 0


async def test_the_seeds_counters_follow_the_totals(scrape, backend):
    totals = backend.fleet.totals
    for _ in range(3):
        totals.label_sets.stream("team-a").count("user_login", "prod-web-01", "FAILURE")
    totals.published, totals.refused_posts = 2, 1
    totals.attempts.update({Outcome.ACK: 2, Outcome.NACK: 1, Outcome.RETURNED: 1, Outcome.UNKNOWN: 1})
    seen = await scrape()
    labels = {"event_type": "user_login", "server_hostname": "prod-web-01", "action_result": "FAILURE"}
    assert seen("audit_event_generator_events_total", **labels) == 3
    assert seen("audit_event_generator_published_success_total") == 2
    assert seen("audit_event_generator_published_failure_total") == 4


async def test_the_connection_status_says_what_healthz_says(ask, scrape, backend, a_snapshot, a_default_stream):
    situations = [
        ([], None),
        ([], a_default_stream(connected=False)),
        ([a_snapshot()], a_default_stream(connected=False)),
        ([a_snapshot(connected=False)], None),
        ([a_snapshot(connected=False), a_snapshot(name="b")], None),
        ([a_snapshot(reason=Reason.SECRET_NOT_FOUND, connected=False)], None),
    ]
    words = []
    for backend.fleet.live, backend.fleet.default_stream_row in situations:
        healthy = (await ask("/healthz"))[1]["rabbitmq_connected"]
        assert (await scrape())("audit_event_generator_rabbitmq_connection_status") == int(healthy)
        words.append(healthy)
    assert words == [True, False, False, False, True, True]


@pytest.mark.parametrize("leader, value", [(None, 1), (True, 1), (False, 0)])
async def test_leader_tells_who_does_the_work(scrape, backend, leader, value):
    backend.leader = leader
    assert (await scrape())("audit_event_operator_leader") == value


async def test_numbers_of_the_source_are_shown_and_absent_without_one(scrape, backend):
    seen = await scrape()
    assert seen("audit_event_operator_reconcile_total", result="applied") == 3
    assert seen("audit_event_operator_api_writes_total", kind="status", result="ok") == 2
    assert seen("audit_event_operator_apiserver_last_success_timestamp_seconds") == 1000
    assert seen("audit_event_operator_foreign_owners") == 2
    backend.last_success, backend.api_writes = None, {}
    seen = await scrape()
    assert ("audit_event_operator_apiserver_last_success_timestamp_seconds",) not in seen.values


async def test_histograms_are_cumulative(scrape, backend):
    for seconds in (0.0005, 0.003, 0.003, 100.0):
        backend.fleet.totals.confirm_seconds.observe(seconds)
    seen = await scrape()
    name = "audit_event_operator_publish_confirm_seconds"
    assert [seen(f"{name}_bucket", le=le) for le in ("0.001", "0.0025", "0.005", "60.0", "+Inf")] == [1, 1, 3, 3, 4]
    assert seen(f"{name}_count") == 4
    assert seen(f"{name}_sum") == pytest.approx(100.0065)


async def test_labels_cannot_break_out_of_their_quotes(scrape, backend, a_snapshot):
    evil = 'x"} 1\nevil_metric{a="\\'
    for event_type in (evil, "nul\0", "nul\x01", "lone \ud800", "snow ☃"):
        backend.fleet.totals.label_sets.stream("team-a").count(event_type, "host", "SUCCESS")
    backend.fleet.live = [a_snapshot(destination=evil, broker="b\r\n")]
    seen = await scrape()
    assert "evil_metric" not in seen.types
    rest = {"server_hostname": "host", "action_result": "SUCCESS"}
    assert seen("audit_event_generator_events_total", event_type='x"} 1\ufffdevil_metric{a="\\', **rest) == 1
    assert seen("audit_event_generator_events_total", event_type="nul\ufffd", **rest) == 2
    assert seen("audit_event_generator_events_total", event_type="lone \ufffd", **rest) == 1
    assert seen("audit_event_generator_events_total", event_type="snow ☃", **rest) == 1


LABELS = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["a\nb", 'a"b', "a\\", "\\n", "\x85", "\u2028", "\u202e\u2066", "\ud800", "\U0001f600", "{}", "# HELP x y", "", "x" * 300]
)  # fmt: skip


@pytest.mark.parametrize(
    ("accept", "parse"),
    [("text/plain", parse_text), (f"{OPENMETRICS};q=0.9", parse_openmetrics)],
    ids=["text", "openmetrics"],
)
async def test_no_text_in_a_label_breaks_the_page(client, backend, a_snapshot, draw, accept, parse):
    drawn = draw(st.tuples(LABELS, LABELS, LABELS), 100)
    for texts in drawn:
        backend.fleet.totals.label_sets.stream("team-a").count(*texts)
    backend.fleet.live = [
        a_snapshot("team-a", f"g{number}", destination=queue, broker=broker)
        for number, (queue, broker, _) in enumerate(drawn)
    ]
    answer = await client.get("/metrics", headers={"Accept": accept})
    samples = defaultdict(list)
    for family in parse(await answer.text()):
        for sample in family.samples:
            samples[sample.name].append(sample)
    assert len(samples["audit_event_generator_rabbitmq_connection_status"]) == 1
    counted = samples["audit_event_generator_events_total"]
    assert sum(sample.value for sample in counted) == len(drawn)
    assert all(set(sample.labels) == {"event_type", "server_hostname", "action_result"} for sample in counted)
    assert len(samples[f"{EACH}info"]) == len(drawn)


async def test_openmetrics_is_spoken_to_those_who_ask(client, backend, a_snapshot):
    backend.fleet.live = [a_snapshot()]
    answer = await client.get("/metrics", headers={"Accept": f"{OPENMETRICS},text/plain;version=0.0.4;q=0.5,*/*;q=0.1"})
    assert answer.content_type == "application/openmetrics-text"
    text = await answer.text()
    assert text.endswith("# EOF\n")
    assert "_created" not in text
    assert f"{EACH}events_published" in {family.name for family in parse_openmetrics(text)}


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/html", "application/openmetrics-text;version=0.0.1", ";;,=;version", "text/plain;version=abc"],
)
async def test_everybody_else_gets_plain_text(client, accept):
    answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "_created" not in await answer.text()


@pytest.mark.parametrize(
    "accept",
    [f"{OPENMETRICS};escaping={word}" for word in ("allow-utf-8", "dots", "nonsense", "")]
    + ["application/openmetrics-text;version=99.0.0", "application/openmetrics-text;version=x.y"],
)
async def test_odd_wishes_are_no_internal_error(client, accept):
    assert (await client.get("/metrics", headers={"Accept": accept})).status == 200


async def test_a_scrape_is_packed_when_asked_for(client):
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        url = client.make_url("/metrics")
        async with session.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert b"audit_event_operator_leader 1.0" in gzip.decompress(await answer.read())
        async with session.get(url, headers={"Accept-Encoding": "identity"}) as answer:
            assert "Content-Encoding" not in answer.headers


async def test_two_sites_in_one_process_do_not_meet(backend):
    for _ in range(2):
        build_applications(backend.site())


async def test_thousands_of_resources_do_not_hold_up_the_loop(client, backend, a_snapshot):
    """In processor time of the loop's thread: what else the machine does is no matter."""
    backend.fleet.live = [a_snapshot(f"team-{i % 20}", f"generator-{i}") for i in range(3_000)]
    gaps, done = [], asyncio.Event()
    gc.collect()
    gc.freeze()

    async def beat():
        while not done.is_set():
            before = time.thread_time()
            await asyncio.sleep(0)
            gaps.append(time.thread_time() - before)

    beating = asyncio.create_task(beat())
    answers = [
        await client.get(path, headers={"Accept-Encoding": "gzip"}) for path in ("/metrics", "/generators", "/healthz")
    ]
    done.set()
    await beating
    gc.unfreeze()
    text = await answers[0].text()
    assert sum(line.startswith(EACH) for line in text.splitlines()) == 36_000
    assert len((await answers[1].json())["generators"]) == 3_000
    assert len(gaps) > 20, "the loop turned many times meanwhile"
    assert max(gaps) < 0.05


def test_numbers_of_the_operator_are_not_touched_by_what_comes_after(backend):
    totals, site = backend.fleet.totals, backend.site()
    sources = Sources(site.fleet, site.brokers, site.health_checks, site.source, HttpCounts([]), site.build)
    moment = of_operator(seen(sources, []), FAMILIES)
    before = b"".join(pieces(of_operator(seen(sources, []), FAMILIES), choose_encoder("")[0]))
    totals.label_sets.stream("team-a").count("a", "b", "c")
    totals.dropped[DropReason.OVERSIZE] += 1
    totals.confirm_seconds.observe(1.0)
    backend.reconciles["applied"] += 1
    backend.api_writes["status", "ok"] += 1
    assert b"".join(pieces(moment, choose_encoder("")[0])) == before


async def test_the_numbers_of_a_resource_add_up_although_all_of_them_change_meanwhile(client, backend, a_snapshot):
    class Busy(Still):
        """Whoever looks at one finds that of each another event was confirmed."""

        def snapshot(self):
            confirmed = next(confirms)
            return changed(super().snapshot(), published=confirmed, in_flight=1_000 - confirmed)

    confirms = count()
    there = a_snapshot(generated=1_000, dropped=0, buffered=0)
    backend.fleet.series = lambda: [Busy(replace(there, ref=Ref("team-a", f"g{number}"))) for number in range(500)]
    seen_now = Scrape(await (await client.get("/metrics")).text())
    for number in range(500):
        labels = {"generator_namespace": "team-a", "generator": f"g{number}"}
        published, in_flight = (seen_now(f"{EACH}events_{part}", **labels) for part in ("published_total", "in_flight"))
        assert (published, published + in_flight) == (number, 1_000)
