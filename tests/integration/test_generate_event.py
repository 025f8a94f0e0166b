"""POST /generate_event of the real command: what is accepted is in the queue, what is not in the queue was not accepted."""

import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from support.faults.scraper import scrape
from support.parts.operator_process import SERIES, OperatorProcess, Response
from support.parts.rabbitmq import Broker

EXAMPLE = {
    "event_type": "user_login",
    "server_hostname": "prod-web-01",
    "user_id": "attacker_bob",
    "action_result": "FAILURE",
}


@pytest.fixture
def generators(tmp_path: Path, queue: str) -> Path:
    """A file with one suspended generator, whose queue is another one than that of the default target."""
    file = tmp_path / "generators.yaml"
    file.write_text(
        dedent(f"""\
            apiVersion: auditflow.jojees.net/v1alpha1
            kind: AuditEventGenerator
            metadata: {{name: asleep, namespace: shop}}
            spec: {{queue: {queue}-asleep, suspend: true}}
            """)
    )
    return file


@pytest.fixture
def operator(tmp_path: Path, generators: Path, rabbitmq: Broker, queue: str) -> Iterator[OperatorProcess]:
    environment = rabbitmq.environment() | {"RABBITMQ_QUEUE": queue, "AEG_BACKOFF_MAX_SECONDS": "1"}
    with OperatorProcess(tmp_path, "standalone", "-f", generators, env=environment) as running:
        running.wait_until(lambda: running.status_of("/healthz") == 200, what="the default target")
        yield running


def is_refused(answer: Response, status: int) -> bool:
    return answer.status == status and list(answer.json()) == ["error"]


def test_an_accepted_event_is_in_the_queue(operator, rabbitmq, queue) -> None:
    answer = operator.post("/generate_event", EXAMPLE)
    assert answer.status == 202
    assert sorted(answer.json()) == ["event_id", "status"]
    assert answer.json()["status"] == "success"
    assert rabbitmq.queue_depth(queue) == 1, "it is there when the answer is"
    (message,) = rabbitmq.take(queue, 1)
    body = message.json()
    assert body["event_id"] == answer.json()["event_id"] == message.properties.message_id
    assert body["source_service"] == "audit-event-generator-api"
    assert EXAMPLE.items() <= body.items()
    assert operator.metric(f"{SERIES}events_published_total", generator_namespace="", generator="api") == 1


def test_a_named_generator_takes_events_also_while_suspended(operator, rabbitmq, queue) -> None:
    answer = operator.post("/generate_event?generator=shop/asleep", EXAMPLE)
    assert answer.status == 202
    assert answer.headers["X-Audit-Queue"] == f"{queue}-asleep"
    assert rabbitmq.take(f"{queue}-asleep", 1)[0].json()["event_id"] == answer.json()["event_id"]
    rabbitmq.delete(f"{queue}-asleep")
    assert operator.metric(f"{SERIES}events_published_total", generator="asleep") == 1
    assert is_refused(operator.post("/generate_event?generator=shop/nobody", EXAMPLE), 404)


def test_what_is_no_event_is_refused(operator, rabbitmq, queue) -> None:
    assert is_refused(operator.post("/generate_event", {"user_id": "x"}), 400)
    assert is_refused(operator.post("/generate_event", b"[]"), 400)
    assert is_refused(operator.post("/generate_event", b'{"event_type": '), 400)
    assert is_refused(operator.post("/generate_event", EXAMPLE, {"Content-Type": "text/plain"}), 400)
    assert is_refused(operator.post("/generate_event", b'{"event_type": "' + b"x" * 1024 * 1024 + b'"}'), 413)
    assert is_refused(operator.get("/generate_event"), 405)
    assert is_refused(operator.get("/nowhere"), 404)
    assert rabbitmq.queue_depth(queue) == 0


def test_without_a_broker_nothing_is_accepted_and_nothing_is_left_behind(tmp_path, own_rabbitmq, queue) -> None:
    environment = own_rabbitmq.environment() | {
        "RABBITMQ_QUEUE": queue,
        "EVENT_GENERATION_INTERVAL_SECONDS": "3600",
        "AEG_BACKOFF_MAX_SECONDS": "1",
    }
    with OperatorProcess(tmp_path, "standalone", env=environment) as operator:
        operator.wait_until(lambda: operator.post("/generate_event", EXAMPLE).status == 202)
        own_rabbitmq.stop()
        operator.wait_until(lambda: operator.status_of("/healthz") == 503, what="/healthz to see it")
        assert operator.status_of("/livez") == 200
        before = time.monotonic()
        answer = operator.post("/generate_event", EXAMPLE)
        assert is_refused(answer, 503)
        assert time.monotonic() - before < 4
        assert int(answer.headers["Retry-After"]) > 0
        assert operator.metric("audit_event_generator_rabbitmq_connection_status") == 0
        assert (operator.metric("audit_event_generator_published_failure_total") or 0) >= 1

        own_rabbitmq.start()
        operator.wait_until(
            lambda: operator.status_of("/healthz") == 200, timeout_seconds=60, what="/healthz to recover"
        )
        last = operator.wait_until(
            lambda: (answer := operator.post("/generate_event", EXAMPLE)).status == 202 and answer
        )
        seen = [message.json()["event_id"] for message in own_rabbitmq.drain(queue)]
        assert last.json()["event_id"] in seen
        assert scrape(operator).unbalanced() == []
