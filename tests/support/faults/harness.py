"""The harness of the fault tests: an operator with a delivery journal, streams into real queues, and the check of both.

With AEG_FAULTS=full the faults last as long as the matrix says and the operator keeps its own time constants; else
both are short.
"""

import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.faults.delivery_report import Account, DeliveryReport, compare, read_journal
from support.faults.scraper import Scraper, scrape
from support.parts.controlplane import OPERATOR, ControlPlane
from support.parts.generators import Generators
from support.parts.operator_process import OperatorProcess
from support.parts.rabbitmq import Broker, Message

FULL = os.environ.get("AEG_FAULTS") == "full"

SHORTENED = {
    "AEG_UNREACHABLE_SECONDS": "3",
    "AEG_BLOCKED_SECONDS": "3",
    "AEG_BACKPRESSURE_SECONDS": "5",
    "AEG_BACKOFF_MAX_SECONDS": "2",
    "AEG_SLOW_RETRY_MIN_SECONDS": "2",
    "AEG_SLOW_RETRY_MAX_SECONDS": "4",
    "AEG_SECRET_FAILING_SECONDS": "2",
    "AEG_SECRET_CONNECTED_SECONDS": "3",
    "AEG_STATUS_COUNTER_SECONDS": "2",
    "AEG_RESYNC_SECONDS": "5",
    "AEG_HEARTBEAT_SECONDS": "3",
}
"""What makes a row short; a row may ask for other values, and AEG_FAULTS=full leaves all of them out."""


SLACK = 0.02 if FULL else 0.1
"""How far a measured rate may be from the declared one, as a share; short rows share their processors with other tests."""


def span(full_seconds: float, short_seconds: float) -> float:
    """How long a fault lasts: as in the matrix, or shortened."""
    return full_seconds if FULL else short_seconds


@dataclass
class Harness:
    """One operator, its streams, and what the check of its deliveries needs. Queues and resources are this test's own."""

    plane: ControlPlane
    broker: Broker
    namespace: str
    folder: Path
    kubeconfig: Path
    operators: list[OperatorProcess] = field(default_factory=list)
    queues: set[str] = field(default_factory=set)
    streams: dict[str, str] = field(default_factory=dict)
    _mark: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def __post_init__(self) -> None:
        self.resources = Generators(self.plane, self.namespace)
        self.journal = self.folder / "journal.jsonl"
        self._journal_began = 0  # how much of it is of earlier processes, in bytes

    # --- operator and streams -----------------------------------------------------------------------------------------

    def start(
        self,
        *,
        name: str = "operator",
        ready: bool = True,
        own_pace: bool = False,
        prefix: Sequence[str] = (),
        **env: str,
    ) -> OperatorProcess:
        """Start an operator with a journal; `own_pace`: with its own time constants, whatever AEG_FAULTS says."""
        environment = self.broker.environment() | {
            "AEG_LEASE_NAMESPACE": OPERATOR,
            "AEG_JOURNAL_FILE": str(self.journal),
        }
        environment |= ({} if FULL or own_pace else SHORTENED) | env
        self._journal_began = self.journal.stat().st_size if self.journal.exists() else 0
        operator = OperatorProcess(
            self.folder, "run", kubeconfig=self.kubeconfig, env=environment, name=name, prefix=prefix
        )
        self.operators.append(operator)
        return operator.start(wait_ready=ready)

    @property
    def operator(self) -> OperatorProcess:
        """The one that was started last."""
        return self.operators[-1]

    def queue(self, name: str = "main") -> str:
        """A queue of this test; it need not exist."""
        queue = f"{name}-{self._mark}"
        self.queues.add(queue)
        return queue

    def stream(self, name: str, queue: str | None = None, *, until: str | None = "Publishing", **spec: Any) -> None:
        """Create a resource and wait until the reason of its Ready condition is `until` (None: do not wait)."""
        queue = queue or self.queue()
        self.resources.create(name, queue=queue, **spec)
        self.streams[name] = queue
        if until is not None:
            self.wait_for(name, until)

    def seconds_until(self, name: str, reason: str, *, timeout_seconds: float = 60) -> float:
        """Wait for a reason of the Ready condition; how long that took."""
        began = time.monotonic()
        self.wait_for(name, reason, timeout_seconds=timeout_seconds)
        return time.monotonic() - began

    def wait_for(self, name: str, *reasons: str, timeout_seconds: float = 60) -> str:
        """Wait for a reason of the Ready condition; the message that goes with it."""
        found = self.resources.wait_for(
            name,
            *reasons,
            timeout_seconds=timeout_seconds,
            explain=lambda: (self.resources.status(name), self.operator.process.log_tail()),
        )
        return str(found["message"])

    def wait_healthy(self, *, timeout_seconds: float = 60) -> None:
        """Wait until /healthz says 200: the operator's own broker is there."""
        self.operator.wait_until(
            lambda: self.operator.status_of("/healthz") == 200, timeout_seconds=timeout_seconds, what="/healthz"
        )

    # --- watching -----------------------------------------------------------------------------------------------------

    @contextmanager
    def watched(self) -> Iterator[Scraper]:
        """Meanwhile every scrape is balanced, no total falls, /livez says 200, the process stays the same."""
        with Scraper(self.operator).running() as scraper:
            yield scraper

    def value(self, name: str, stream: str) -> float:
        """A series of a stream, for example "events_published_total"."""
        return scrape(self.operator).each(name, stream)

    def total(self, name: str, **labels: str) -> float:
        """A metric of the whole process, summed over what the labels leave open."""
        return self.operator.metric(name, **labels) or 0.0

    def attempts(self, outcome: str) -> float:
        """Attempts to publish with that outcome."""
        return self.total("audit_event_operator_publish_attempts_total", outcome=outcome)

    def connects(self) -> float:
        """Attempts to connect, successful or not."""
        return self.total("audit_event_operator_broker_connects_total")

    def connections(self) -> float:
        """Connections that are there or being made."""
        return self.total("audit_event_operator_broker_connections")

    def memory_bytes(self) -> float:
        """Resident memory of the operator."""
        return self.total("process_resident_memory_bytes")

    def wait_published(self, stream: str, more: int = 1, *, timeout_seconds: float = 60) -> None:
        """Wait until `more` events of the stream have been published from now on."""
        floor = self.value("events_published_total", stream) + more
        self.operator.wait_until(
            lambda: self.value("events_published_total", stream) >= floor,
            timeout_seconds=timeout_seconds,
            what=f"{more} more events of {stream}",
        )

    # --- the end ------------------------------------------------------------------------------------------------------

    def settle(self, *, timeout_seconds: float = 60) -> None:
        """Suspend all streams and wait until every event has ended and the journal says so."""
        for name in self.streams:
            self.resources.patch(name, suspend=True)
        self.operator.wait_until(self._still, timeout_seconds=timeout_seconds, what="all events to have ended")
        self.operator.wait_until(self._all_told, what="the journal to tell of every event")

    def _still(self) -> bool:
        seen = scrape(self.operator)
        parts = ("events_buffered", "events_in_flight", "target_events_per_second")
        return not any(seen.each(part, name) for part in parts for name in self.streams)

    def _all_told(self) -> bool:
        """Whether the journal, which is written now and then, has come as far as the counters of this process."""
        seen = scrape(self.operator)
        told = Counter(
            entry["generator"]
            for entry in self.entries(self._journal_began)
            if entry.get("outcome") in {"ack", "dropped"}
        )
        ended = ("events_published_total", "events_dropped_total")
        return all(
            told[f"{self.namespace}/{name}"] >= sum(seen.each(part, name) for part in ended) for name in self.streams
        )

    def account(self, stream: str | None = None) -> Account:
        """What the journal says of one stream or of all."""
        return read_journal(self.journal, None if stream is None else f"{self.namespace}/{stream}")

    def entries(self, begin_bytes: int = 0) -> Iterator[dict[str, Any]]:
        """The whole lines of the journal, or those after so many bytes of it."""
        text = self.journal.read_bytes()[begin_bytes:].decode("utf-8")
        return (json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n"))

    def told_until(self) -> int:
        """When the last event ended of which the journal tells (Unix time in nanoseconds)."""
        return max((entry.get("time_unix_ns", 0) for entry in self.entries()), default=0)

    def confirmed(self, stream: str, begin_unix_ns: int, end_unix_ns: int) -> int:
        """How many events of a stream the broker confirmed between two moments."""
        name = f"{self.namespace}/{stream}"
        return sum(
            1
            for each in self.entries()
            if each["generator"] == name
            and each["outcome"] == "ack"
            and begin_unix_ns <= each["time_unix_ns"] < end_unix_ns
        )

    def drain(self) -> list[Message]:
        """All messages of this test's queues."""
        return [message for queue in sorted(self.queues) for message in self.broker.drain(queue)]

    def check_delivery(
        self, messages: list[Message] | None = None, *, broker_discards: bool = False, open_at_the_end: int = 0
    ) -> DeliveryReport:
        """Compare the journal with the queues (or what was drained of them); every body is the event of its message_id."""
        messages = self.drain() if messages is None else messages
        for message in messages:
            assert message.json()["event_id"] == message.properties.message_id
        account = self.account()
        assert account.left_out == 0
        return compare(account, messages).must_hold(broker_discards=broker_discards, open_at_the_end=open_at_the_end)

    def close(self) -> None:
        """End everything of this test."""
        for operator in self.operators:
            operator.end()
        self.plane.delete_leases()
        if self.broker.answers():
            for queue in self.queues:
                self.broker.delete(queue)
