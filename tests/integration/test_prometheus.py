"""The real Prometheus and its promtool read what the real command exports, with a real broker behind it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from support.parts.operator_process import SERIES, OperatorProcess
from support.parts.prometheus import Prometheus, program
from support.parts.rabbitmq import Broker
from support.waiting import wait_until

GENERATORS = ("fast", "slow", "broken")


def _write(folder: Path, name: str, spec: str) -> None:
    temporary = folder / f".{name}.new"
    temporary.write_text(
        dedent(f"""\
            apiVersion: auditflow.jojees.net/v1alpha1
            kind: AuditEventGenerator
            metadata: {{name: {name}, namespace: shop}}
            spec: {spec}
            """)
    )
    temporary.replace(folder / f"{name}.yaml")


@pytest.fixture
def resources(tmp_path: Path, queue: str) -> Path:
    """A folder of three resources: two that publish, one whose Secret is missing."""
    folder = tmp_path / "resources"
    folder.mkdir()
    _write(folder, "fast", f"{{queue: {queue}, interval: 20ms}}")
    _write(folder, "slow", f"{{queue: {queue}, interval: 1s}}")
    _write(folder, "broken", f"{{queue: {queue}, rabbitmq: {{secretRef: {{name: nowhere}}}}}}")
    return folder


@pytest.fixture
def operator(tmp_path: Path, resources: Path, rabbitmq: Broker, queue: str) -> Iterator[OperatorProcess]:
    environment = rabbitmq.environment() | {"RABBITMQ_QUEUE": queue, "AEG_DEPARTED_SERIES_SECONDS": "2"}
    with OperatorProcess(tmp_path, "standalone", "-f", resources, env=environment) as running:
        yield running


def test_promtool_has_nothing_to_say_about_the_metrics(operator) -> None:
    for odd in ('quote " and \\', "tab\tand\nnewline", "snow ☃"):
        operator.wait_until(lambda odd=odd: operator.post("/generate_event", {"event_type": odd}).status in {202, 400})
    operator.wait_until(lambda: (operator.metric(f"{SERIES}events_published_total", generator="fast") or 0) > 10)
    for port in (operator.app_port, operator.metrics_port):
        body = operator.request("GET", "/metrics", port=port).body
        checked = subprocess.run(
            [program("promtool"), "check", "metrics"], input=body, capture_output=True, check=False, timeout=60
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_prometheus_scrapes_both_ports_and_the_sums_hold_in_every_scrape(operator, resources, tmp_path) -> None:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with Prometheus(folder, operator.app_port, operator.metrics_port) as prometheus:
        wait_until(lambda: (prometheus.value("min(count_over_time(up[1m]))") or 0) >= 4, what="four scrapes of both")
        everything = "audit_event_generator_events_total"
        before = prometheus.value(f"max(sum by (instance) ({everything}))")

        (resources / "fast.yaml").unlink()
        wait_until(
            lambda: not prometheus.query(f'{SERIES}events_published_total{{generator="fast"}}'),
            what="the end of the series of a deleted resource",
        )

        targets = prometheus.targets()
        assert [(each["health"], each["lastError"]) for each in targets] == [("up", ""), ("up", "")]
        assert prometheus.value("min(min_over_time(up[1m]))") == 1
        parts = ("events_published_total", "events_dropped_total", "events_buffered", "events_in_flight")
        difference = f"{SERIES}events_generated_total - " + " - ".join(SERIES + part for part in parts)
        assert len(prometheus.query(f"max_over_time(({difference})[1m:500ms])")) >= 2 * len(GENERATORS)
        assert prometheus.query(f"max_over_time((abs({difference}))[1m:500ms]) != 0") == []
        for total in (everything, "audit_event_generator_published_success_total"):
            assert prometheus.query(f"resets({total}[1m]) != 0") == []
        assert before is not None
        after = prometheus.value(f"max(sum by (instance) ({everything}))")
        assert after is not None
        assert after >= before > 0
        assert prometheus.value(f'{SERIES}ready{{generator="broken"}}') == 0
        assert prometheus.value(f'{SERIES}ready{{generator="slow"}}') == 1
        assert prometheus.value('audit_event_operator_generators{state="failing"}') == 1
