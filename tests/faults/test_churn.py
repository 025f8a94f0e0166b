"""Users create, change and delete resources all the time, among many that stay: every event is accounted for, nothing grows.

AEG_TEST_CHURN_SECONDS says for how long.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from faults.test_many import lag_p99_seconds
from faults.test_soak import Sample, slope_per_hour
from support.faults.delivery_report import compare
from support.faults.harness import FULL, Harness, span
from support.parts.many_generators import ManyGenerators
from support.parts.usage import Usage
from support.waiting import wait_until

COUNT = 10_000 if FULL else 300
QUEUES = 50 if FULL else 5
SECONDS = float(os.environ.get("AEG_TEST_CHURN_SECONDS", span(600, 20)))
PATCHES_PER_SECOND = span(100, 20)
BIRTHS_PER_SECOND = span(20, 4)
"""And as many deletions."""
WARM_UP_SECONDS = span(120, 2)
AHEAD = ("nice", "-n", "-10") if FULL else ()
"""The API server and the users have machines of their own elsewhere; here they must not take the operator's processor away."""


class Churn:
    """Users at work on many resources, each verb at a steady rate."""

    def __init__(self, harness: Harness, resources: ManyGenerators) -> None:
        self.living: list[str] = []
        self.deleted_ns: dict[str, int] = {}
        """When the API server had answered that it is gone, Unix time."""
        self.done: dict[str, int] = {"patch": 0, "create": 0, "delete": 0}
        self._queues = [harness.queue(f"churn-{number}") for number in range(QUEUES)]
        self._namespace = harness.namespace
        self._resources = resources
        self._rng = random.Random(64)
        self._born = 0
        self._lock = threading.Lock()
        self._failed: list[BaseException] = []

    def begin(self) -> None:
        """Create those that are there before."""
        self.living = [self._name() for _ in range(COUNT)]
        self._resources.create(self.living, lambda number: self._spec())

    def end(self) -> None:
        """Delete all that are left."""
        self._resources.delete(self.living)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Meanwhile the users work."""
        over = threading.Event()
        verbs = {
            self._patch: PATCHES_PER_SECOND,
            self._create: BIRTHS_PER_SECOND,
            self._delete: BIRTHS_PER_SECOND,
        }
        threads = [threading.Thread(target=self._repeat, args=(*each, over)) for each in verbs.items()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert not self._failed, self._failed

    def statuses(self) -> dict[str, tuple[int, Mapping[str, Any]]]:
        """Generation and status of all that live, by `namespace/name`."""
        return {
            f"{self._namespace}/{each['metadata']['name']}": (each["metadata"]["generation"], each.get("status", {}))
            for each in self._resources.items()
            if each["metadata"]["namespace"] == self._namespace
        }

    def _repeat(self, verb: Callable[[], None], per_second: float, over: threading.Event) -> None:
        began, count = time.monotonic(), 0

        def do() -> None:
            try:
                verb()
            except BaseException as error:
                self._failed.append(error)
                raise

        with ThreadPoolExecutor(4) as users:
            while not over.wait(max(0.0, began + count / per_second - time.monotonic())):
                users.submit(do)
                count += 1

    def _name(self) -> str:
        self._born += 1
        return f"{self._namespace}/c-{self._born:06}"

    def _spec(self) -> dict[str, Any]:
        return {"queue": self._rng.choice(self._queues), "interval": "10s", **self._change()}

    def _change(self) -> dict[str, Any]:
        return self._rng.choice(
            [
                {"interval": f"{self._rng.randint(8, 12)}s"},
                {"eventsPerInterval": self._rng.randint(0, 2)},
                {"suspend": self._rng.random() < 0.2},
                {"queue": self._rng.choice(self._queues)},
                {"eventMix": {"user_login_failure": self._rng.randint(1, 5), "sudo_command": 1}},
            ]
        )

    def _take(self) -> str:
        """One that lives; nobody else works on it until it is put back."""
        with self._lock:
            place = self._rng.randrange(len(self.living))
            self.living[place], self.living[-1] = self.living[-1], self.living[place]
            return self.living.pop()

    def _patch(self) -> None:
        ref = self._take()
        self._resources.patch(ref, self._change())
        self._put(ref, "patch")

    def _create(self) -> None:
        with self._lock:
            ref = self._name()
        self._resources.create_one(ref, self._spec())
        self._put(ref, "create")

    def _delete(self) -> None:
        ref = self._take()
        self._resources.delete_one(ref)
        with self._lock:
            self.deleted_ns[ref] = time.time_ns()
            self.done["delete"] += 1

    def _put(self, ref: str, verb: str) -> None:
        with self._lock:
            self.living.append(ref)
            self.done[verb] += 1


@pytest.fixture
def churn(harness: Harness) -> Iterator[Churn]:
    """So many resources, and users who have not begun yet."""
    with ManyGenerators(harness.plane) as resources:
        churn = Churn(harness, resources)
        churn.begin()
        yield churn
        churn.end()


@pytest.mark.row(64)
@pytest.mark.timeout(300)
def test_while_resources_come_change_and_go_all_events_are_accounted_for_and_nothing_grows(
    harness, churn, measured
) -> None:
    operator = harness.start(prefix=AHEAD)
    wait_until(
        lambda: all(status.get("observedGeneration") for _, status in churn.statuses().values()),
        timeout_seconds=200,
        every_seconds=span(5, 0.5),
        what="all statuses",
    )
    samples: list[Sample] = []
    usage = Usage(operator.pid)
    with churn.at_work():
        time.sleep(WARM_UP_SECONDS)
        first, began = operator.metrics_text(), time.monotonic()
        while time.monotonic() - began < SECONDS:
            time.sleep(SECONDS / 40)
            samples.append(Sample(time.monotonic(), usage.mib()))
        last = operator.metrics_text()
    ended = time.monotonic()
    wait_until(
        lambda: all(generation == status.get("observedGeneration") for generation, status in churn.statuses().values()),
        timeout_seconds=span(60, 30),
        every_seconds=span(5, 0.5),
        what="statuses of the latest generations",
    )
    told_after = time.monotonic() - ended
    assert set(churn.statuses()) == set(churn.living)
    assert harness.total("audit_event_operator_generators") == len(churn.living)
    assert operator.stop().exit_code == 0

    account = harness.account()
    assert account.left_out == 0
    messages = (message for queue in sorted(harness.queues) for message in harness.broker.drain(queue))
    delivery = compare(account, messages).must_hold()
    late = [
        (entry["time_unix_ns"] - churn.deleted_ns[entry["generator"]]) / 1e9
        for entry in harness.entries()
        if entry["generator"] in churn.deleted_ns and entry["outcome"] == "ack"
    ]
    assert max([0.0, *late]) <= span(1.0, 5.0), "a deleted resource publishes nothing more"
    lag, grown = lag_p99_seconds(first, last), samples[-1].memory_mib - samples[0].memory_mib
    assert lag <= span(0.1, 1.0), "other tests share the processors in the short run"
    assert grown < span(10, 60), samples
    slope = f" ({slope_per_hour(samples):+.1f} MiB/h in the second half)" if FULL else ""
    measured(
        f"{COUNT} resources, {churn.done['patch']} patches, {churn.done['create']} creations, {churn.done['delete']} deletions"
        f" in {SECONDS + WARM_UP_SECONDS:.0f} s: loop lag p99 ≤ {lag * 1000:g} ms, memory {grown:+.1f} MiB{slope};"
        f" last event {max([0.0, *late]):.2f} s after a deletion,"
        f" all statuses true {told_after:.1f} s after the last change; {delivery}"
    )
