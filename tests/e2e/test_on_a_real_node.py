"""The whole product on a node with a kubelet: image, manifests, broker, probes, confinement and hand-over."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from e2e.conftest import NAMESPACE, Installation
from e2e.node import OPERATOR, condition, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # with a build of the node from nothing

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
EVENTS_PER_SECOND = 50
STREAM = """
apiVersion: auditflow.jojees.net/v1alpha1
kind: AuditEventGenerator
metadata: {name: NAME}
spec: {queue: QUEUE, interval: 20ms}
"""


def stream(name: str, queue: str) -> str:
    return STREAM.replace("NAME", name).replace("QUEUE", queue)


def test_the_operator_is_ready_soon_after_it_was_applied(installation: Installation) -> None:
    assert installation.seconds_to_ready <= 20


def test_a_sample_puts_events_into_the_queue(installation: Installation) -> None:
    installation.apply((SAMPLES / "01-minimal.yaml").read_text())
    installation.cluster.kubectl("-n", NAMESPACE, "wait", "aeg/demo", "--for=condition=Ready", "--timeout=30s")
    with installation.cluster.broker() as broker:
        eventually("an event is in the queue", 10, lambda: broker.depth("audit_events"))
        message = broker.take_all("audit_events")[0]
    assert message.message_id == message.body["event_id"]
    assert {"timestamp", "event_type", "server_hostname", "user_id", "action_result"} <= set(message.body)


def test_the_list_of_generators_tells_the_state(installation: Installation) -> None:
    shown = installation.cluster.kubectl("-n", NAMESPACE, "get", "aeg")
    assert re.search(r"NAME\s+READY\s+REASON\s+DESTINATION\s+INTERVAL\s+RATE\s+OBSERVED\s+PUBLISHED\s+AGE", shown)
    assert re.search(r"demo\s+True\s+Publishing\s+audit_events\s+5s\s+0\.2/s", shown)


def test_the_log_is_made_of_readable_lines(installation: Installation) -> None:
    log = installation.cluster.kubectl("-n", OPERATOR, "logs", f"deployment/{OPERATOR}")
    lines = log.splitlines()
    assert lines
    assert "Traceback" not in log
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) +\S", line), line


def test_health_and_metrics_answer_through_the_service(installation: Installation) -> None:
    code, body = installation.cluster.ask("/healthz")
    health = json.loads(body)
    assert (code, health["status"], health["rabbitmq_connected"]) == (200, "healthy", True)
    code, body = installation.cluster.ask("/metrics", port=8000)
    families = {family.name: family for family in text_string_to_metric_families(body)}
    assert code == 200
    assert families["audit_event_generator_rabbitmq_connection_status"].samples[0].value == 1
    published = families["audit_event_operator_generator_events_published"].samples
    assert {"generator_namespace": NAMESPACE, "generator": "demo"} in [sample.labels for sample in published]


def test_the_process_is_confined(installation: Installation) -> None:
    program = """
import json
status = dict(line.rstrip().split(":", 1) for line in open("/proc/1/status"))
facts = {key: status[key].split() for key in ("Uid", "Gid", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp")}
facts["command"] = open("/proc/1/cmdline").read().split("\\0")
for path in ("/here", "/usr/local/here", "/tmp/here"):
    try:
        open(path, "w").close()
        facts[path] = "written"
    except OSError as error:
        facts[path] = error.strerror
print(json.dumps(facts))
"""
    facts = json.loads(installation.cluster.in_the_pod(program))
    assert set(facts["Uid"]) == set(facts["Gid"]) == {"65532"}
    for capabilities in ("CapEff", "CapPrm", "CapBnd"):
        assert int(facts[capabilities][0], 16) == 0
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == (["1"], ["2"])
    assert any(part.endswith("audit-event-operator") for part in facts["command"]), "the command itself is process 1"
    assert facts["/here"] == facts["/usr/local/here"] == "Read-only file system"
    assert facts["/tmp/here"] == "written"


def test_memory_stays_far_below_its_limit(installation: Installation) -> None:
    program = """
import pathlib
for path in ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes"):
    if pathlib.Path(path).exists():
        print(pathlib.Path(path).read_text())
        break
"""
    used_bytes = int(installation.cluster.in_the_pod(program))
    assert used_bytes < 256 * 2**20
    assert restarts(installation) == 0


def test_an_outage_of_the_broker_is_no_reason_to_restart(installation: Installation) -> None:
    installation.apply(stream("steady", "audit_outage"))
    cluster = installation.cluster
    cluster.kubectl("-n", NAMESPACE, "wait", "aeg/steady", "--for=condition=Ready", "--timeout=30s")
    (before,) = cluster.operator_pods()
    cluster.kubectl("-n", OPERATOR, "scale", "deployment/rabbitmq", "--replicas=0")
    eventually("/healthz says unhealthy", 30, lambda: cluster.ask("/healthz")[0] == 503)
    assert cluster.ask("/livez")[0] == 200
    assert cluster.ask("/readyz")[0] == 200
    cluster.kubectl("-n", OPERATOR, "scale", "deployment/rabbitmq", "--replicas=1")
    cluster.kubectl("-n", OPERATOR, "rollout", "status", "deployment/rabbitmq", "--timeout=120s")
    eventually("/healthz says healthy again", 60, lambda: cluster.ask("/healthz")[0] == 200)
    cluster.kubectl("-n", OPERATOR, "delete", "pod", "-l", "app.kubernetes.io/name=rabbitmq")
    cluster.kubectl("-n", OPERATOR, "rollout", "status", "deployment/rabbitmq", "--timeout=120s")
    with cluster.broker() as broker:
        eventually("events flow again", 60, lambda: broker.depth("audit_outage") > 2 * EVENTS_PER_SECOND)
    eventually("Ready again", 30, lambda: condition(installation.generator("steady"), "Ready").get("status") == "True")
    (after,) = cluster.operator_pods()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert restarts(installation) == 0
    unhealthy = cluster.get(
        "-n",
        OPERATOR,
        "events",
        "--field-selector",
        f"reason=Unhealthy,involvedObject.name={after['metadata']['name']}",
    )
    assert not [event for event in unhealthy["items"] if "Liveness" in event["message"]]
    cluster.kubectl("-n", NAMESPACE, "delete", "aeg", "steady")


@pytest.mark.parametrize(
    "take_away",
    [["rollout", "restart", f"deployment/{OPERATOR}"], ["delete", "pod", "-l", f"app.kubernetes.io/name={OPERATOR}"]],
    ids=["rollout restart", "delete pod"],
)
def test_a_new_pod_goes_on_where_the_old_one_stopped(installation: Installation, take_away: list[str]) -> None:
    name = f"handover-{take_away[0]}"
    queue = f"audit_{name}"
    cluster = installation.cluster
    installation.apply(stream(name, queue))
    with cluster.broker() as broker:
        eventually("the stream runs", 30, lambda: broker.depth(queue) > 4 * EVENTS_PER_SECOND)
        (before,) = cluster.operator_pods()
        cluster.kubectl("-n", OPERATOR, *take_away)
        cluster.kubectl("-n", OPERATOR, "rollout", "status", f"deployment/{OPERATOR}", "--timeout=120s")
        seen = broker.depth(queue)
        eventually("the new pod generates", 30, lambda: broker.depth(queue) > seen + 2 * EVENTS_PER_SECOND)
        eventually("the old pod is gone", 60, lambda: len(cluster.operator_pods()) == 1)
        (after,) = cluster.operator_pods()
        assert after["metadata"]["uid"] != before["metadata"]["uid"]

        installation.patch(name, '{"suspend":true}')
        eventually(
            "it is suspended", 10, lambda: condition(installation.generator(name), "Ready").get("reason") == "Suspended"
        )
        messages = broker.take_all(queue)
    unique = {message.message_id for message in messages}

    # The counter went from one pod to the other by the status. Equal means both: nothing that was published is missing, and no
    # second generator published beside the one that counts.
    def published() -> int:
        return installation.generator(name)["status"]["eventsPublished"]

    eventually(f"the status counts the {len(unique)} events of the queue", 45, lambda: published() == len(unique))
    per_second = Counter(message.unix_seconds for message in messages)
    assert max(per_second.values()) < 1.7 * EVENTS_PER_SECOND, "two generators at once would make twice as many"
    cluster.kubectl("-n", NAMESPACE, "delete", "aeg", name)


def restarts(installation: Installation) -> int:
    return sum(
        status["restartCount"]
        for pod in installation.cluster.operator_pods()
        for status in pod["status"]["containerStatuses"]
    )
