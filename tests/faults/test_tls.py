"""TLS through a Secret: nothing is sent to a server that cannot be verified, and the stream goes on once it can.

The broker behind a man in the middle is a real one that would take the events: only verification stands in between.
"""

import ssl
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.faults.harness import FULL, span
from support.faults.secrets import by_secret, connects
from support.parts.certificates import Pair, issue, make_authority
from support.parts.rabbitmq import RabbitMQ
from support.parts.tcp_proxy import TcpProxy

STEADY = {"interval": "20ms", "eventsPerInterval": 4}  # 200/s
HOSTS = ("127.0.0.1", "localhost")
SECRET_CHANGED_SECONDS = 35  # a failing broker's Secret is read every 20 to 30 s
SERVER_CHANGED_SECONDS = span(330, 30)  # what the operator cannot see is tried every 5 min in the end


class Authority:
    """An authority with what it has signed, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._pair = make_authority(folder)

    @property
    def pem(self) -> str:
        return self._pair.certificate.read_text()

    def issue(self, hosts: tuple[str, ...] = HOSTS, *, days: int = 30) -> Pair:
        return issue(self._pair, self._folder, f"server-{uuid.uuid4().hex[:8]}", hosts, days=days)


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture
def strangers(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "strangers")


class TlsProxies:
    """Men in the middle: each terminates TLS with a certificate and passes everything on to the broker."""

    def __init__(self, broker: RabbitMQ, stack: ExitStack) -> None:
        self._broker = broker
        self._stack = stack

    def open(self, pair: Pair) -> TcpProxy:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        proxy = TcpProxy(self._broker.host, self._broker.port, tls=context)
        renew(proxy, pair)
        return self._stack.enter_context(proxy)


@pytest.fixture
def tls_proxies(own_rabbitmq: RabbitMQ) -> Iterator[TlsProxies]:
    with ExitStack() as stack:
        yield TlsProxies(own_rabbitmq, stack)


def renew(front: TcpProxy, pair: Pair) -> None:
    """Show another certificate from the next connection on."""
    assert front.tls is not None
    front.tls.load_cert_chain(pair.certificate, pair.key)


@pytest.mark.row(23)
@pytest.mark.timeout(900)
def test_who_cannot_be_verified_hears_nothing_until_his_certificate_is_good(
    harness, secrets, ours, strangers, tls_proxies, measured
) -> None:
    bad = {
        "unknown-authority": (strangers.issue(), "cannot be verified"),
        "expired": (ours.issue(days=-1), "cannot be verified"),
        "wrong-name": (ours.issue(("rabbit.example.org", "127.0.0.2")), "is not valid for this host"),
    }
    middlemen = {name: tls_proxies.open(pair) for name, (pair, _) in bad.items()}
    harness.start()
    harness.stream("healthy", harness.queue("healthy"), interval="100ms")
    with harness.watched():
        for name, (_, sentence) in bad.items():
            secrets.lead_to_broker(name, port=str(middlemen[name].port), **{"ca.crt": ours.pem})
            harness.stream(
                name, harness.queue(name), until="TLSVerificationFailed", rabbitmq=by_secret(name), interval="20ms"
            )
            message = harness.resources.condition(name)["message"]
            assert sentence in message, message
            assert harness.resources.ready(name)[0] == "False"
        time.sleep(span(90, 5))  # several attempts of each
        failed = harness.operator.wait_until(
            lambda: (count := connects(harness, "tls_failed")) >= 2 * len(bad) and count, what="it to go on trying"
        )
        heard = {name: (proxy.accepted, proxy.passed_bytes) for name, proxy in middlemen.items()}
        assert set(heard.values()) == {(0, 0)}, f"no handshake came to its end, no byte of AMQP was said: {heard}"

        for proxy in middlemen.values():
            renew(proxy, ours.issue())
        renewed = time.monotonic()
        for name in bad:
            harness.wait_for(name, "Publishing", timeout_seconds=SERVER_CHANGED_SECONDS)
            assert middlemen[name].passed_bytes > 0, "the middleman does hear what there is to hear"
        back = time.monotonic() - renewed
        harness.settle()
    measured(
        f"unknown CA, expired, wrong name: {failed} handshakes refused, 0 bytes of AMQP, True {back:.1f} s after a good "
        f"certificate; {harness.check_delivery()}"
    )


@pytest.mark.row(23)
@pytest.mark.timeout(900)
def test_tls_and_plaintext_on_each_others_port_never_fall_back(harness, secrets, own_rabbitmq, measured) -> None:
    user = f"user-{uuid.uuid4().hex[:10]}"
    own_rabbitmq.add_user(user, "a-password")
    login = {"username": user, "password": "a-password"}
    log = own_rabbitmq.server.log_file
    known = log.stat().st_size
    authority = {"ca.crt": own_rabbitmq.ca_file.read_text()}
    # A TLS port waits for the rest of what it takes for a handshake: such an attempt lasts to its deadline.
    harness.start(**({} if FULL else {"AEG_CONNECT_SECONDS": "4"}))
    with harness.watched(), TcpProxy(own_rabbitmq.host, own_rabbitmq.port) as plain, \
            TcpProxy(own_rabbitmq.host, own_rabbitmq.tls_port) as encrypted:  # fmt: skip
        secrets.lead_to_broker("to-plain", **login, **authority, port=str(plain.port))
        secrets.lead_to_broker("to-tls", **login, port=str(encrypted.port))
        secrets.lead_to_broker("system", **login, port=str(own_rabbitmq.tls_port))
        harness.stream("to-plain", harness.queue("a"), until=None, rabbitmq=by_secret("to-plain"), **STEADY)
        harness.stream("to-tls", harness.queue("b"), until=None, rabbitmq=by_secret("to-tls"), **STEADY)
        verified = by_secret("system", tls={"mode": "Verify"})
        harness.stream("system", harness.queue("c"), until=None, rabbitmq=verified, **STEADY)
        message = harness.wait_for("to-plain", "TLSVerificationFailed")
        assert "port speaks TLS" in message
        harness.wait_for("to-tls", "BrokerUnreachable")
        message = harness.wait_for("system", "TLSVerificationFailed")
        assert "ca.crt" in message, "the system's authorities do not know this broker"
        harness.resources.wait_ready("to-tls", "False", "BrokerUnreachable", timeout_seconds=45)
        time.sleep(span(60, 3))
        attempts = harness.operator.wait_until(
            lambda: min(found := (plain.accepted, encrypted.accepted)) >= 2 and found, what="it to go on trying"
        )
        assert user.encode() not in log.read_bytes()[known:], "nobody has logged in, with or without success"

        secrets.lead_to_broker("to-plain", **login, port=str(plain.port))
        secrets.lead_to_broker("to-tls", **login, **authority, port=str(encrypted.port))
        secrets.lead_to_broker("system", **login, **authority, port=str(own_rabbitmq.tls_port))
        corrected = time.monotonic()
        for name in ("to-plain", "to-tls", "system"):
            harness.wait_for(name, "Publishing", timeout_seconds=SECRET_CHANGED_SECONDS + 20)
        back = time.monotonic() - corrected
        assert user.encode() in log.read_bytes()[known:], "the broker's log does say who logs in"
        harness.settle()
    measured(
        f"TLS to the plaintext port ({attempts[0]} attempts) and plaintext to the TLS port ({attempts[1]}): no login, "
        f"Publishing {back:.1f} s after the correction; {harness.check_delivery()}"
    )


@pytest.mark.row(23)
@pytest.mark.timeout(900)
def test_an_authority_rotated_in_the_secret_brings_the_stream_back(
    harness, secrets, ours, strangers, tls_proxies, measured
) -> None:
    front = tls_proxies.open(ours.issue())
    harness.start()
    with harness.watched():
        secrets.lead_to_broker("broker", port=str(front.port), **{"ca.crt": ours.pem})
        harness.stream("main", rabbitmq=by_secret("broker"), **STEADY)
        harness.wait_published("main", 200)
        passed = front.accepted

        renew(front, strangers.issue())  # the server first: nobody can verify it any more
        front.cut()
        harness.wait_for("main", "TLSVerificationFailed")
        assert front.accepted == passed
        secrets.lead_to_broker("broker", port=str(front.port), **{"ca.crt": strangers.pem})
        back = harness.seconds_until("main", "Publishing", timeout_seconds=SECRET_CHANGED_SECONDS)
        harness.wait_published("main", 200)

        failed = connects(harness, "tls_failed")  # the Secret first, with both authorities: no verification fails
        secrets.lead_to_broker("broker", port=str(front.port), **{"ca.crt": strangers.pem + ours.pem})
        before = front.accepted
        harness.operator.wait_until(
            lambda: front.accepted > before, timeout_seconds=span(330, 30), what="the Secret to be read again"
        )
        renew(front, ours.issue())
        front.cut()
        harness.operator.wait_until(lambda: front.accepted > before + 1, what="the connection after the rotation")
        harness.wait_published("main", 200)
        assert connects(harness, "tls_failed") == failed
        harness.settle()
    assert not harness.account().dropped
    measured(
        f"CA rotated: True {back:.1f} s after the Secret changed; with both in it none fails; {harness.check_delivery()}"
    )
