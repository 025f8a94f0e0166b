"""Makes one connection: resolves the name, asks the policy, verifies TLS, and dials exactly an address that was checked.

Every failure leaves here as a BrokerFault. Does not retry, and knows no queue.
"""

import asyncio
import logging
import socket
import ssl
import tempfile
from collections import Counter
from collections.abc import Callable
from typing import Final

import pika

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.connection import GatheringConnection
from audit_event_operator.brokers.rabbitmq.faults import BrokerFault, ConnectResult
from audit_event_operator.brokers.rabbitmq.foreign_errors import connect_fault
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.targets.target import Target, TLSMaterial

logger = logging.getLogger(__name__)

_ADDRESSES_TRIED: Final = 4
_CLIENT_PROPERTIES: Final = {"product": "audit-event-operator", "connection_name": "audit-event-operator"}

HostCheck = Callable[[str, str], bool]


class Dialer:
    """Makes connections.

    `allowed` tells whether a name may be dialled at an address; `connect` makes a connection from pika's parameters and
    callbacks, and begins to open it.
    """

    def __init__(
        self, timing: Timing, allowed: HostCheck, connect: Callable[..., GatheringConnection] = GatheringConnection
    ) -> None:
        self.results: Counter[ConnectResult] = Counter()
        self._timing = timing
        self._allowed = allowed
        self._connect = connect

    async def dial(self, target: Target, *, trusted: bool) -> GatheringConnection:
        """Connect; `trusted`: it is the operator's own broker, which no policy concerns.

        Raises:
            BrokerFault: why not.
        """
        try:
            async with asyncio.timeout(self._timing.connect_seconds):
                connection = await self._try_addresses(target, trusted=trusted)
        except BrokerFault as fault:
            self.results[fault.result] += 1
            raise
        except TimeoutError:
            self.results[ConnectResult.UNREACHABLE] += 1
            raise faults.MUTE.at(faults.label(target)) from None
        self.results[ConnectResult.CONNECTED] += 1
        return connection

    async def _try_addresses(self, target: Target, *, trusted: bool) -> GatheringConnection:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise connect_fault(error if isinstance(error, OSError) else socket.gaierror(str(error)), target) from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not trusted:
            addresses = [address for address in addresses if self._allowed(target.host, address)]
            if not addresses:
                raise faults.HOST_NOT_ALLOWED.at(host=target.host)
        options = None
        if target.tls is not None:
            options = pika.SSLOptions(tls_context(target.tls), target.host)
        last = faults.UNREACHABLE.at(faults.label(target))
        tried = addresses[:_ADDRESSES_TRIED]
        for address in tried:
            try:
                # Its share of the deadline, so that a node that swallows everything leaves time for the next.
                async with asyncio.timeout(self._timing.connect_seconds / len(tried)):
                    return await self._open(target, address, options)
            except BrokerFault as fault:
                if fault.slow:
                    raise
                last = fault
            except TimeoutError:
                last = faults.MUTE.at(faults.label(target))
        raise last

    async def _open(self, target: Target, address: str, options: pika.SSLOptions | None) -> GatheringConnection:
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def succeed(_connection: object) -> None:
            if not opened.done():
                opened.set_result(None)

        def fail(_connection: object, error: BaseException) -> None:
            if not opened.done():
                opened.set_exception(connect_fault(error, target))

        seconds = self._timing.connect_seconds
        parameters = pika.ConnectionParameters(
            host=address,
            port=target.port,
            virtual_host=target.virtual_host,
            credentials=pika.PlainCredentials(target.username, target.password),
            ssl_options=options,
            heartbeat=max(1, round(self._timing.heartbeat_seconds)),
            socket_timeout=seconds,
            stack_timeout=seconds,
            client_properties=_CLIENT_PROPERTIES,
        )
        connection = self._connect(
            parameters, on_open_callback=succeed, on_open_error_callback=fail, on_close_callback=fail
        )
        try:
            await opened
        except BaseException:
            _give_up(connection)
            raise
        return connection


def _give_up(connection: GatheringConnection) -> None:
    """End an attempt that nobody waits for any more."""
    if connection.is_closed or connection.is_closing:
        return
    try:
        connection.close()
    except Exception as error:  # noqa: BLE001 - pika's workflow has several ways to say that it is over already
        logger.debug("An attempt could not be ended: %r", error)


def tls_context(material: TLSMaterial) -> ssl.SSLContext:
    """A verifying context.

    Raises:
        BrokerFault: SecretInvalid.
    """
    try:
        context = ssl.create_default_context(cadata=material.ca_pem)
    except (ssl.SSLError, ValueError) as error:
        raise faults.BAD_TLS_MATERIAL.at(what="The broker's certificate authority (ca.crt)") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if material.certificate_pem and material.key_pem:
        _load_client_certificate(context, material.certificate_pem, material.key_pem)
    return context


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Python's ssl takes it from a file only: one that nobody else can read, for a moment."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="aeg-", encoding="utf-8") as file:  # mode 0600
            file.write(f"{certificate.rstrip()}\n{key.rstrip()}\n")
            file.flush()
            # An encrypted key would ask for its password on the terminal; an empty one is refused instead.
            context.load_cert_chain(file.name, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        raise faults.BAD_TLS_MATERIAL.at(what="The client certificate (tls.crt, tls.key)") from error
