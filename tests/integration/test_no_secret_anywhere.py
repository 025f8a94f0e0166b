"""Passwords are looked for wherever the operator writes, at its most talkative, and are not there."""

import base64
import json
import re
import secrets
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.parts.controlplane import ControlPlane
from support.parts.operator_process import OperatorProcess, must_be_free_of_bugs

QUICK = {
    "AEG_LOG_LEVEL": "DEBUG",
    "AEG_SLOW_RETRY_MIN_SECONDS": "0.5",
    "AEG_SLOW_RETRY_MAX_SECONDS": "1",
    "AEG_SECRET_FAILING_SECONDS": "0.5",
    "AEG_SECRET_CONNECTED_SECONDS": "0.5",
    "AEG_STATUS_COUNTER_SECONDS": "0.5",
    "AEG_SHUTDOWN_DRAIN_SECONDS": "1",  # what waits for a broker with a changed password is not delivered any more
}


class Canary(NamedTuple):
    """A password that means nothing anywhere else."""

    text: str

    @property
    def forms(self) -> set[str]:
        """How it could be written: as it is, in a Secret, in a URL, in JSON, in the bytes of a SASL answer."""
        whole = self.text.encode()
        encoded = {base64.b64encode(b"\0" * skipped + whole).decode()[4 * bool(skipped) :] for skipped in range(3)}
        return {self.text, urllib.parse.quote(self.text, safe=""), json.dumps(self.text)[1:-1]} | {
            form.rstrip("=")[:-1] for form in encoded
        }


def canary() -> Canary:
    return Canary(f"canary/{secrets.token_hex(12)}")


def everything_it_says(operator: OperatorProcess, cluster: ControlPlane) -> Iterator[tuple[str, str]]:
    """Each place, and what stands there."""
    yield "the log", operator.log
    yield "stdout", operator.output
    for path in ("/metrics", "/generators", "/healthz", "/healthz?verbose=1", "/readyz?verbose=1", "/livez", "/"):
        yield path, operator.get(path).body.decode()
    yield "/metrics of its own port", operator.metrics_text()
    for kind in ("auditeventgenerators", "events", "events.events.k8s.io", "leases"):
        yield kind, cluster.kubectl("get", kind, "-A", "-o", "yaml", "--show-managed-fields").stdout


def must_hide(operator: OperatorProcess, cluster: ControlPlane, *canaries: Canary) -> None:
    for place, text in everything_it_says(operator, cluster):
        for hidden in canaries:
            for form in hidden.forms:
                at = text.find(form)
                assert at < 0, f"{place} tells {form!r}: …{text[max(0, at - 300) : at + 50]}…"


@pytest.fixture
def start(start_operator: Callable[..., OperatorProcess]) -> Iterator[Callable[..., OperatorProcess]]:
    started: list[OperatorProcess] = []

    def start(**env: str) -> OperatorProcess:
        started.append(start_operator(**QUICK, **env))
        return started[-1]

    yield start
    for operator in started:
        must_be_free_of_bugs(operator)


def test_passwords_that_are_right_wrong_or_in_the_wrong_place_are_told_nowhere(
    start, cluster, operator_kubeconfig, own_rabbitmq, generators, namespace, queue
) -> None:
    right, wrong, misplaced, changed = canary(), canary(), canary(), canary()
    own_rabbitmq.add_user(f"user-{queue}", right.text)
    user = {"username": f"user-{queue}"}
    token = Canary(json.loads(operator_kubeconfig.read_text())["users"][0]["user"]["token"])

    def put(name: str, **keys: str) -> None:
        cluster.kubectl("apply", "-f", "-", input=json.dumps(own_rabbitmq.secret(name, namespace, **keys)))

    put("right", **user, password=right.text)
    put("wrong", **user, password=wrong.text, connection_string=f"amqp://x:{wrong.text}@nowhere:5672/")
    put("port", **user, password=right.text, port=misplaced.text)
    put("line-break", **user, password=f"{misplaced.text}\n")
    put("certificate", **user, password=right.text, **{"ca.crt": misplaced.text})
    put("closed", **user, password=right.text, port="1")
    put("vhost", **user, password=right.text, vhost="no-such-vhost")
    operator = start()
    reasons = {
        "right": "Publishing",
        "wrong": "AuthenticationFailed",
        "port": "SecretInvalid",
        "line-break": "SecretInvalid",
        "certificate": "SecretInvalid",
        "closed": "BrokerUnreachable",
        "vhost": "VirtualHostNotFound",
    }
    for name in reasons:
        generators.create(name, queue=queue, interval="200ms", rabbitmq={"secretRef": {"name": name}})
    generators.create("default", queue=queue, interval="200ms")
    for name, reason in reasons.items():
        generators.wait_for(name, reason)
    generators.wait_for("default", "Publishing")
    answer = operator.post(f"/generate_event?generator={namespace}/right", {"event_type": "user_login"})
    assert answer.status == 202

    put("right", **user, password=changed.text)  # a reconnect with what is wrong now
    generators.wait_for("right", "AuthenticationFailed")
    assert cluster.kubectl("get", "events", "-n", namespace, "-o", "name").stdout, (
        "there are Kubernetes Events to look at"
    )
    assert "DEBUG" in operator.log
    canaries = (right, wrong, misplaced, changed, Canary(own_rabbitmq.password), token)
    must_hide(operator, cluster, *canaries)
    limits = Path(f"/proc/{operator.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE), "a crash would write passwords to a disk"
    assert operator.stop().exit_code == 0
    assert not any(form in operator.log for hidden in canaries for form in hidden.forms)


def test_a_wrong_password_of_the_operator_itself_is_told_nowhere(start, cluster, generators, queue) -> None:
    wrong = canary()
    operator = start(RABBITMQ_PASS=wrong.text, AEG_LOG_FORMAT="json")
    generators.create("default", queue=queue, interval="200ms")
    generators.wait_for("default", "AuthenticationFailed")
    assert operator.post("/generate_event", {"event_type": "user_login"}).status == 503
    assert operator.status_of("/healthz") == 503
    must_hide(operator, cluster, wrong)


def test_a_setting_that_is_refused_does_not_tell_the_others(start_operator, rabbitmq) -> None:
    operator = start_operator(ready=False, AEG_MAX_EVENTS_PER_SECOND="many", AEG_LOG_LEVEL="DEBUG")
    assert operator.process.wait(20) != 0
    assert "AEG_MAX_EVENTS_PER_SECOND" in operator.log
    assert rabbitmq.password not in operator.log + operator.output
