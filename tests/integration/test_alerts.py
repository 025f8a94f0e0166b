"""The alerts in promtool's own tests, and in a real Prometheus while a real broker goes away and comes back."""

import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import yaml

from support.parts.controlplane import REPOSITORY
from support.parts.operator_process import OperatorProcess
from support.parts.prometheus import Prometheus, program
from support.waiting import wait_until

SPEC: dict[str, Any] = yaml.safe_load((REPOSITORY / "manifests/components/monitoring/prometheusrule.yaml").read_text())[
    "spec"
]
ALERTS = {rule["alert"]: rule for group in SPEC["groups"] for rule in group["rules"]}


def promtool(folder: Path, *arguments: str) -> str:
    """Run it in the folder, where rules.yaml and alerts.yaml are, and return what it says."""
    (folder / "rules.yaml").write_text(yaml.safe_dump(SPEC))
    shutil.copy(Path(__file__).parent / "alerts" / "alerts.yaml", folder)
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_has_nothing_to_say_about_the_rules(tmp_path) -> None:
    assert f"SUCCESS: {len(ALERTS)} rules found" in promtool(tmp_path, "check", "rules", "rules.yaml")


def test_every_alert_fires_when_it_must_and_only_then(tmp_path) -> None:
    assert "SUCCESS" in promtool(tmp_path, "test", "rules", "alerts.yaml")


def test_a_lost_broker_fires_its_alert_and_the_alert_ends_when_it_is_back(own_rabbitmq, tmp_path) -> None:
    hurried = {"groups": [{**g, "rules": [{**r, "for": "1s"} for r in g["rules"]]} for g in SPEC["groups"]]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(hurried))
    queue = f"test-{uuid.uuid4().hex[:10]}"
    settings = {"RABBITMQ_QUEUE": queue, "EVENT_GENERATION_INTERVAL_SECONDS": "0.05", "AEG_BACKOFF_MAX_SECONDS": "1"}
    with (
        OperatorProcess(tmp_path, "standalone", env=own_rabbitmq.environment() | settings) as operator,
        Prometheus(tmp_path, operator.metrics_port, rules=tmp_path / "rules.yaml") as prometheus,
    ):
        lost = "AuditEventBrokerDisconnected"
        published = "audit_event_generator_published_success_total"
        wait_until(lambda: (prometheus.value(published) or 0) > 20, what="events in Prometheus")
        wait_until(lambda: not prometheus.alerts(), what="quiet before the outage", explain=prometheus.alerts)

        own_rabbitmq.stop()
        wait_until(lambda: lost in prometheus.alerts(), what=lost, explain=operator.process.log_tail)
        assert "AuditEventOperatorDown" not in prometheus.alerts()

        own_rabbitmq.start()
        before = prometheus.value(published) or 0
        wait_until(lambda: lost not in prometheus.alerts(), what=f"the end of {lost}", explain=prometheus.alerts)
        wait_until(lambda: (prometheus.value(published) or 0) > before, what="events after the outage")
        assert prometheus.value(f'max_over_time(ALERTS{{alertname="{lost}",alertstate="firing"}}[5m])') == 1
        assert operator.running
    own_rabbitmq.delete(queue)
