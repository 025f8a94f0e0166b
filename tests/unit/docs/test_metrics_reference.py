"""docs/reference/metrics.md is generated from the collector: `python tests/unit/docs/test_metrics_reference.py` rewrites it."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from audit_event_operator.brokers.rabbitmq.faults import ConnectResult
from audit_event_operator.build import build_info
from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.engine.budget import Budget
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.snapshot import ScenarioCounts
from audit_event_operator.web.http_counts import HttpCounts
from audit_event_operator.web.metrics.by_namespace import PER_NAMESPACE
from audit_event_operator.web.metrics.families import FAMILIES, Sources
from audit_event_operator.web.ports import HealthChecks, SourceCounts
from support.doubles.fleet import make_snapshot
from support.metrics_text import Plain, seen

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"

HEAD = """# Metrics

`/metrics` answers on port 8000 (`http-metrics`, nothing else there) and on port 5000, as text or OpenMetrics.
Histograms have the series `_bucket` (with the label `le`), `_sum` and `_count`. Counters never decrease while the
process runs, even when resources are deleted.

In every scrape and for every resource, `generated = published + dropped + buffered + in_flight`. Posts to the
operator's own broker have a row too: `generator_namespace` is empty and `generator` is `api`. The series of a deleted
resource disappear within two minutes.

## One namespace

`/metrics?generator_namespace=team-a` has the series that bear this label with this value, and no others: what a team's own
Prometheus wants. What tells of the whole operator or its process stays out, so that nothing is counted twice where somebody
else scrapes the rest. A namespace without resources is answered with families without series, what cannot be a namespace's name
with 400. It is a narrower answer, not a right: who may read `/metrics` may read all of it.

```yaml
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: our-audit-events
  namespace: team-a
spec:
  namespaceSelector:
    matchNames: [audit-event-operator]
  selector:
    matchLabels:
      app.kubernetes.io/name: audit-event-operator
  endpoints:
  - port: http-metrics
    params:
      generator_namespace: [team-a]
```

## Many resources

Twelve series for each resource are 120,000 with 10,000 of them. `AEG_METRICS_PER_RESOURCE=false` leaves them and those of
scenarios out, and adds the families [per namespace](#per-namespace). Alerts and dashboard work with either; alerts about one
generator then tell of a namespace. The counters of a namespace stay until the operator restarts, also when its resources go.
"""

OF_SCENARIOS = """
Only resources that have [scenarios](api.md#specscenarios) have these. They disappear with the resource's other series.
"""

PER_NAMESPACE_SAYS = """
With `AEG_METRICS_PER_RESOURCE=false` only, in place of those per resource. Posts to the operator's own broker count under the
empty namespace.
"""

PARTS = (
    ("The seed service's four", ("audit_event_generator_",), ""),
    ("Per resource", ("audit_event_operator_generator_",), ""),
    (
        "Per resource with scenarios",
        tuple(f"audit_event_operator_{name}" for name in ("scenario_", "expected_alerts", "truth_records")),
        OF_SCENARIOS,
    ),
    ("Per namespace", ("audit_event_operator_namespace_",), PER_NAMESPACE_SAYS),
    ("The whole operator", ("audit_event_operator_",), ""),
)

FOOT = """
## Process and runtime

The Prometheus client library adds `process_*` (on Linux: memory, CPU seconds, open files, start time), `python_info`
and `python_gc_*`.

## Queries to start with

```promql
# published events per second, per resource
sum by (generator_namespace, generator) (rate(audit_event_operator_generator_events_published_total[5m]))
# share of the target rate that each achieves (1 = all of it)
sum by (generator_namespace, generator) (rate(audit_event_operator_generator_events_published_total[5m]))
  / (sum by (generator_namespace, generator) (audit_event_operator_generator_target_events_per_second) > 0)
# resources that are not Ready
audit_event_operator_generator_ready == 0
# alerts that the scenarios of the last hour should have raised
sum by (rule) (increase(audit_event_operator_expected_alerts_total[1h]))
# 99th percentile of the time to confirm, in seconds
histogram_quantile(0.99, sum by (le) (rate(audit_event_operator_publish_confirm_seconds_bucket[5m])))
```
"""


def a_scrape():
    """The families of a scrape in which no family is empty, so that each shows its labels."""
    totals, http = Totals(), HttpCounts([("/healthz", "GET", 200)])
    totals.label_sets.stream("team-a").count("user_login", "prod-web-01", "FAILURE")
    counts, truth = totals.namespaces["team-a"], Totals()
    counts.episodes.update({"complete": 0, "incomplete": 0, "missed": 0})
    counts.expected_alerts["ANLY-SEC-001"] = truth.namespaces["team-a"].published = 1
    snapshot = make_snapshot(
        last_publish_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        scenario_counts=(ScenarioCounts("brute-force", expected_alerts={"ANLY-SEC-001": 12}),),
    )
    fleet = SimpleNamespace(
        totals=totals,
        truth_totals=truth,
        budget=Budget(),
        running=True,
        default_stream=None,
    )
    results = dict.fromkeys(map(str, ConnectResult), 0)
    source = SourceCounts(
        reconciles=lambda: dict.fromkeys(("applied", "rejected", "discarded", "ignored", "error"), 0),
        api_writes=lambda: Cluster(None).writes,
        apiserver_last_success_unix_seconds=lambda: 1.0,
    )
    brokers = SimpleNamespace(connections=dict, connect_results=lambda: results)
    looked = seen(Sources(fleet, brokers, HealthChecks(), source, http, build_info({})), [snapshot])
    return list(Plain(looked, [snapshot], (*FAMILIES, *PER_NAMESPACE)).collect())


# Labels with a fixed set of words, all of which a sample holds.
WORDS = {"state", "reason", "outcome", "result", "kind"}


def render():
    text, left = HEAD, a_scrape()
    for title, prefixes, says in PARTS:
        text += f"\n## {title}\n{says}\n| metric | type | labels | description |\n|---|---|---|---|\n"
        for family in [each for each in left if part_of(each) in prefixes]:
            text += f"| `{name_of(family)}` | {family.type} | {labels_of(family)} | {family.documentation} |\n"
            left.remove(family)
    assert not left
    return text + FOOT


def part_of(family):
    """The longest prefix: a metric per resource begins like one of the whole operator."""
    found = (prefix for _, prefixes, _ in PARTS for prefix in prefixes if family.name.startswith(prefix))
    return max(found, key=len)


def name_of(family):
    return family.name + ("_total" if family.type == "counter" else "")


def labels_of(family):
    seen = {}
    for sample in family.samples:
        for label, value in sample.labels.items():
            seen.setdefault(label, []).append(value)
    return "<br>".join(shown(label, values) for label, values in seen.items() if label != "le")


def shown(label, values):
    return f"`{label}`: {', '.join(dict.fromkeys(values))}" if label in WORDS else f"`{label}`"


def test_the_page_is_up_to_date_with_what_is_exported():
    assert PAGE.read_text(encoding="utf-8") == render()


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
