"""Tenants' credentials: wrong, rotated, missing, malformed, and those that would lead the operator to a foreign host."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from support.faults.delivery_report import compare
from support.faults.harness import FULL, SHORTENED, Harness, span
from support.faults.secrets import Secrets, by_secret, connects
from support.parts.controlplane import GENERATORS
from support.parts.generators import API_VERSION
from support.parts.rabbitmq import Broker, RabbitMQ
from support.parts.tcp_proxy import TcpProxy

STEADY = {"interval": "20ms", "eventsPerInterval": 4}  # 200/s
SECRET_CHANGED_SECONDS = 35  # while its broker fails, the operator looks at a Secret every 20 to 30 s


@pytest.fixture
def user() -> str:
    """The name of a user of the broker that no other test uses."""
    return f"user-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def stream_of(
    harness: Harness, secrets: Secrets, own_rabbitmq: RabbitMQ
) -> Callable[[str, str], AbstractContextManager[None]]:
    """with stream_of(user, password): the stream "main" publishes as this user, whom the Secret "broker" names."""

    @contextmanager
    def stream_of(user: str, password: str) -> Iterator[None]:
        own_rabbitmq.add_user(user, password)
        secrets.lead_to_broker("broker", username=user, password=password)
        harness.start()
        harness.stream("main", rabbitmq=by_secret("broker"), **STEADY)
        with harness.watched():
            harness.wait_published("main", 100)
            yield

    return stream_of


# --- wrong and rotated ------------------------------------------------------------------------------------------------


@pytest.mark.row(18)
@pytest.mark.timeout(600)
def test_a_wrong_password_is_tried_seldom_and_the_right_one_soon(
    harness, secrets, own_rabbitmq, user, measured
) -> None:
    pause_seconds = 30.0 if FULL else float(SHORTENED["AEG_SLOW_RETRY_MIN_SECONDS"])
    own_rabbitmq.add_user(user, "right")
    secrets.lead_to_broker("broker", username=user, password="wrong")
    harness.start()
    harness.stream("healthy", harness.queue("healthy"), interval="100ms")
    with harness.watched():
        began = time.monotonic()
        harness.stream("locked-out", until="AuthenticationFailed", rabbitmq=by_secret("broker"), **STEADY)
        assert harness.resources.ready("locked-out")[0] == "False"
        time.sleep(span(180, 9))  # the fault itself
        failed, seconds = connects(harness, "authentication_failed"), time.monotonic() - began
        secrets.lead_to_broker("broker", username=user, password="right")
        back = harness.seconds_until("locked-out", "Publishing", timeout_seconds=SECRET_CHANGED_SECONDS)
        harness.wait_published("locked-out", 100)
        harness.settle()
        counted = connects(harness, "authentication_failed")
    assert 1 <= failed <= 1 + seconds / pause_seconds
    assert counted == _refused_logins(own_rabbitmq, user), "the operator counts what the broker counts"
    measured(
        f"{failed} logins in {seconds:.0f} s, Publishing {back:.1f} s after the correction; {harness.check_delivery()}"
    )


@pytest.mark.row(19)
@pytest.mark.timeout(600)
def test_a_rotation_that_breaks_the_connection_costs_no_failed_login(
    harness, secrets, own_rabbitmq, user, stream_of, measured
) -> None:
    with stream_of(user, "one"):
        own_rabbitmq.change_password(user, "two")
        secrets.lead_to_broker("broker", username=user, password="two")
        own_rabbitmq.close_all_connections()
        harness.wait_published("main", 300)

        own_rabbitmq.add_user(f"{user}-2", "three")
        secrets.lead_to_broker("broker", username=f"{user}-2", password="three")
        own_rabbitmq.rabbitmqctl("delete_user", user)
        changed = _seconds_until_connected(harness, own_rabbitmq, f"{user}-2")
        harness.wait_published("main", 300)
        harness.wait_for("main", "Publishing")
        failed = connects(harness, "authentication_failed")
        harness.settle()
    assert failed == 0
    assert set(harness.account().dropped) == set()
    measured(f"new user {changed:.1f} s after the old one was deleted, no failed login; {harness.check_delivery()}")


@pytest.mark.row(19)
@pytest.mark.timeout(900)
def test_a_rotation_that_breaks_nothing_is_noticed_by_reading_the_secret(
    harness, secrets, own_rabbitmq, user, stream_of, measured
) -> None:
    own_rabbitmq.add_user(f"{user}-new", "new")
    with stream_of(f"{user}-old", "old"):
        secrets.lead_to_broker("broker", username=f"{user}-new", password="new")
        noticed = _seconds_until_connected(harness, own_rabbitmq, f"{user}-new")
        harness.operator.wait_until(lambda: f"{user}-old" not in _users(own_rabbitmq), what="the old user to be gone")
        own_rabbitmq.rabbitmqctl("delete_user", f"{user}-old")
        harness.wait_published("main", 300)
        connected = connects(harness, "connected")
        harness.settle()
    measured(f"noticed after {noticed:.1f} s, {connected} connections made; {harness.check_delivery()}")


@pytest.mark.row(19)
@pytest.mark.timeout(600)
def test_events_outlive_a_password_that_is_wrong_for_a_while(
    harness, secrets, own_rabbitmq, user, stream_of, measured
) -> None:
    with stream_of(user, "one"):
        own_rabbitmq.change_password(user, "two")
        own_rabbitmq.close_all_connections()
        harness.wait_for("main", "AuthenticationFailed")
        secrets.lead_to_broker("broker", username=user, password="two")
        back = harness.seconds_until("main", "Publishing", timeout_seconds=SECRET_CHANGED_SECONDS)
        harness.wait_published("main", 300)
        harness.settle()
    assert set(harness.account().dropped) == set()
    measured(f"locked out, Publishing {back:.1f} s after the correction; {harness.check_delivery()}")


@pytest.mark.row(20)
@pytest.mark.timeout(1500)
def test_a_virtual_host_may_come_late_and_go_under_load(harness, secrets, own_rabbitmq, measured) -> None:
    vhost = f"vhost/{uuid.uuid4().hex[:8]}"
    inside = Broker(own_rabbitmq.host, own_rabbitmq.port, own_rabbitmq.user, own_rabbitmq.password, vhost)
    patience = span(330, 30)  # in the end it tries every 5 min, for it cannot see that a virtual host was made
    secrets.lead_to_broker("broker")
    harness.start()
    harness.stream("healthy", harness.queue("healthy"), interval="100ms")
    queue = harness.queue()
    try:
        with harness.watched():
            harness.stream(
                "main", queue, until="VirtualHostNotFound", rabbitmq=by_secret("broker", vhost=vhost), **STEADY
            )
            own_rabbitmq.add_vhost(vhost)
            first = harness.seconds_until("main", "Publishing", timeout_seconds=patience)
            harness.wait_published("main", 300)
            own_rabbitmq.delete_vhost(vhost)
            assert vhost not in harness.wait_for("main", "VirtualHostNotFound"), (
                "a reason's sentence is not the broker's"
            )
            lost = harness.account("main").published
            own_rabbitmq.add_vhost(vhost)
            second = harness.seconds_until("main", "Publishing", timeout_seconds=patience)
            harness.wait_published("main", 300)
            harness.settle()
        account = harness.account("main")
        delivery = compare(account, inside.drain(queue)).must_hold(broker_discards=True)
    finally:
        own_rabbitmq.delete_vhost(vhost)
    assert not account.dropped
    assert delivery.missing <= lost, "what was confirmed by the second virtual host is there"
    measured(
        f"True {first:.1f} s and {second:.1f} s after the host was made, {len(lost)} went with the first; {delivery}"
    )


# --- malformed --------------------------------------------------------------------------------------------------------

HUGE = b"canary" * 150_000
CANARY = "canary"


@pytest.mark.row(21)
@pytest.mark.timeout(600)
def test_every_malformed_secret_has_its_sentence_and_can_be_mended(harness, secrets, measured) -> None:
    good = secrets.of_broker()
    broken: dict[str, tuple[dict[str, bytes], str]] = {
        "no-data": ({}, "lacks host, username, password"),
        "no-password": (_without(good, "password"), "lacks password"),
        "empty-password": (good | {"password": b""}, "lacks password"),
        "huge-password": (good | {"password": HUGE}, "password longer than"),
        "huge-authority": (good | {"ca.crt": HUGE}, "ca.crt larger than"),
        "binary-host": (good | {"host": b"\xff\xfecanary"}, "host that is not UTF-8"),
        "binary-password": (good | {"password": bytes(range(256)) + b"canary"}, "password that is not UTF-8"),
        "binary-authority": (good | {"ca.crt": b"\x30\x82\xffcanary"}, "ca.crt that is not PEM"),
        "nul": (good | {"password": b"canary\0canary"}, "control character"),
        "line-break": (good | {"password": b"canary\n"}, "line break"),
        "line-break-after-host": (good | {"host": good["host"] + b"\r\n"}, "host with a line break"),
        "port-in-words": (good | {"port": b"canary"[:5]}, "port that is not a number"),
        "port-out-of-range": (good | {"port": b"65536"}, "port that is not a number from 1 to 65535"),
        "half-a-certificate": (good | {"port": b"5671", "tls.crt": b"-----BEGIN canary"}, "only one of tls.crt"),
        "half-an-authority": (good | {"ca.crt": b"-----BEGIN CERTIFICATE-----\ncanary\n"}, "not PEM"),
    }  # fmt: skip
    for name, (data, _) in broken.items():
        secrets.put(name, data)
    secrets.put("huge-beside", good | {"notes": HUGE})
    harness.start()
    harness.wait_healthy()
    with harness.watched() as scraper:
        harness.stream("huge-beside", harness.queue(), rabbitmq=by_secret("huge-beside"), **STEADY)
        for name in [*broken, "missing"]:
            harness.stream(name, harness.queue(), until=None, rabbitmq=by_secret(name), interval="1s")
        for name, (_, sentence) in broken.items():
            message = harness.wait_for(name, "SecretInvalid")
            assert sentence in message, message
            assert CANARY not in message
            assert harness.resources.ready(name)[0] == "False"
        assert '"missing"' in harness.wait_for("missing", "SecretNotFound")
        assert CANARY not in harness.operator.log

        for name in [*broken, "missing"]:
            secrets.put(name, good)
        mended = time.monotonic()
        for name in [*broken, "missing"]:
            harness.wait_for(name, "Publishing", timeout_seconds=SECRET_CHANGED_SECONDS)
        back = time.monotonic() - mended
        lines = len(harness.operator.log.splitlines())
        harness.settle()
    assert lines < 20 * len(broken), "nobody fills the log with one broken Secret"
    assert scraper.health_seen() == [200]
    measured(
        f"{len(broken) + 1} broken Secrets, {len(broken) + 1} sentences, mended in {back:.1f} s; {harness.check_delivery()}"
    )


# --- somebody else's host ---------------------------------------------------------------------------------------------


@pytest.mark.row(22)
@pytest.mark.timeout(300)
def test_a_secret_that_is_not_given_for_this_leads_nowhere(harness, secrets, measured) -> None:
    elsewhere = harness.plane.create_namespace(f"test-{uuid.uuid4().hex[:10]}")
    harness.start()
    with TcpProxy(harness.broker.host, harness.broker.port) as attacker, harness.watched():
        there = {"port": str(attacker.port)}
        secrets.lead_to_broker("unlabelled", labelled=False, **there)
        secrets.lead_to_broker("elsewhere", namespace=elsewhere, **there)
        harness.stream("unlabelled", until="SecretNotAllowed", rabbitmq=by_secret("unlabelled"), **STEADY)
        harness.stream("elsewhere", until="SecretNotFound", rabbitmq=by_secret("elsewhere"), **STEADY)
        harness.stream("healthy", harness.queue("healthy"), interval="100ms")
        time.sleep(span(90, 6))  # several attempts of each
        assert attacker.accepted == 0, "nobody has knocked at the host that these Secrets name"

        secrets.lead_to_broker(
            "unlabelled", **there
        )  # its owner allows it: the listener does hear what there is to hear
        harness.wait_for("unlabelled", "Publishing", timeout_seconds=SECRET_CHANGED_SECONDS)
        assert attacker.accepted == 1
        harness.settle()
    measured(f"without label or from another namespace: 0 connections, with label: 1; {harness.check_delivery()}")


@pytest.mark.row(22)
@pytest.mark.timeout(300)
def test_a_host_that_the_operators_owner_does_not_allow_is_never_dialled(harness, secrets, measured) -> None:
    listed = harness.start(name="listed", AEG_ALLOWED_BROKER_HOSTS="example.org,10.0.0.0/8")
    with TcpProxy(harness.broker.host, harness.broker.port) as attacker:
        for name, host in (("by-address", "127.0.0.1"), ("by-name", "localhost"), ("mapped", "::ffff:127.0.0.1")):
            secrets.lead_to_broker(name, host=host, port=str(attacker.port))
            harness.stream(name, harness.queue(name), until="HostNotAllowed", rabbitmq=by_secret(name), **STEADY)
        harness.stream("healthy", harness.queue("healthy"), interval="100ms")
        time.sleep(span(90, 4))
        refused = connects(harness, "host_not_allowed")
        assert listed.stop().exit_code == 0
        assert attacker.accepted == 0

        # In a pod, loopback is the pod's own and its neighbours': also a name that is allowed may not lead there.
        podded = harness.start(name="podded", AEG_ALLOWED_BROKER_HOSTS="localhost", KUBERNETES_SERVICE_HOST="192.0.2.1")
        podded.wait_until(lambda: connects(harness, "host_not_allowed") >= 3, what="all three to be refused")
        harness.wait_for("by-name", "HostNotAllowed")
        assert podded.stop().exit_code == 0
        assert attacker.accepted == 0

        harness.start(name="open")
        for name in ("by-address", "by-name"):
            harness.wait_for(name, "Publishing")
        assert attacker.accepted >= 2, "the listener hears what there is to hear"
        harness.settle()
    measured(
        f"{refused} refusals, 0 connections; without the list the same Secrets connect; {harness.check_delivery()}"
    )


@pytest.mark.row(22)
def test_a_host_cannot_be_named_beside_a_secret(harness, measured) -> None:
    for field in ("host", "port", "username", "password", "uri"):
        spec = {"rabbitmq": by_secret("broker", **{field: "attacker.example"})}
        body = {"apiVersion": API_VERSION, "kind": "AuditEventGenerator", "metadata": {"name": "named"}, "spec": spec}
        answer = harness.plane.request("POST", f"{GENERATORS.path(harness.namespace)}?fieldValidation=Strict", body)
        assert answer.status == 400, answer.body
        assert f'unknown field "spec.rabbitmq.{field}"' in answer.body["message"]
    measured("spec.rabbitmq takes no host, port, user, password or URI")


# --- helpers ----------------------------------------------------------------------------------------------------------


def _without(data: dict[str, bytes], key: str) -> dict[str, bytes]:
    return {each: value for each, value in data.items() if each != key}


def _refused_logins(broker: RabbitMQ, user: str) -> int:
    """As the broker's own log has it."""
    lines = broker.server.log_file.read_text(errors="replace").splitlines()
    return sum(1 for line in lines if "refused" in line and f"'{user}'" in line)


def _users(broker: RabbitMQ) -> set[str]:
    """The users that have a connection."""
    return {row["user"] for row in broker.list_connections()}


def _seconds_until_connected(harness: Harness, broker: RabbitMQ, user: str) -> float:
    began = time.monotonic()
    harness.operator.wait_until(
        lambda: user in _users(broker), timeout_seconds=span(330, 30), what=f"{user} to connect"
    )
    return time.monotonic() - began
