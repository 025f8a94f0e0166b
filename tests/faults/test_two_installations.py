"""Two installations of the operator on one namespace: one of them serves it, both say so, and nothing is lost between them."""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.faults.delivery_report import compare, read_journal
from support.faults.harness import FULL, Harness, span
from support.faults.scraper import scrape
from support.parts.controlplane import OPERATOR, ControlPlane
from support.parts.operator_process import OperatorProcess
from support.waiting import wait_until

REFRESH, TIMEOUT = span(30, 2), span(90, 6)
TIMES = {"AEG_OWNER_REFRESH_SECONDS": f"{REFRESH:g}", "AEG_OWNER_TIMEOUT_SECONDS": f"{TIMEOUT:g}"}
RATE = 20
WRITES = "audit_event_operator_api_writes_total"

Install = Callable[[str], OperatorProcess]


@pytest.fixture
def lease_namespace(cluster: ControlPlane) -> Iterator[Callable[[str], str]]:
    """lease_namespace("a"): a namespace whose name starts so, in which the operator's account may hold a Lease."""
    made: list[str] = []

    def make(prefix: str) -> str:
        namespace = cluster.create_namespace(f"{prefix}-{uuid.uuid4().hex[:8]}")
        rights = ("--verb=create,list,update,delete", "--resource=leases.coordination.k8s.io")
        cluster.kubectl("create", "role", "lease", "-n", namespace, *rights)
        cluster.kubectl(
            "create", "rolebinding", "lease", "-n", namespace, "--role=lease", f"--serviceaccount={OPERATOR}:{OPERATOR}"
        )
        made.append(namespace)
        return namespace

    yield make
    for namespace in made:
        cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")


@pytest.fixture
def install(harness: Harness, lease_namespace: Callable[[str], str]) -> Install:
    """install("a"): an installation whose name starts so, with a journal of its own."""

    def install(prefix: str) -> OperatorProcess:
        namespace, journal = lease_namespace(prefix), journal_of(harness, prefix)
        return harness.start(name=prefix, AEG_LEASE_NAMESPACE=namespace, AEG_JOURNAL_FILE=str(journal), **TIMES)

    return install


def journal_of(harness: Harness, prefix: str) -> Path:
    return harness.folder / f"journal-{prefix}.jsonl"


def published(operator: OperatorProcess) -> float:
    """What the process has published; the series of a resource go a while after it was left to another installation."""
    return operator.metric("audit_event_generator_published_success_total") or 0.0


def statuses_written(operator: OperatorProcess) -> float:
    return operator.metric(WRITES, kind="status") or 0.0


def kubernetes_events(harness: Harness) -> list[dict[str, Any]]:
    answer = harness.plane.request("GET", f"/api/v1/namespaces/{harness.namespace}/events")
    return [each for each in answer.body["items"] if each["reason"] == "ForeignOwner"]


@pytest.mark.row(52)
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("first", "second"), [("a", "z"), ("z", "a")], ids=["the first goes on", "the second goes on"])
def test_one_of_two_installations_serves_and_the_other_one_yields_until_it_is_alone(
    harness, install, measured, first, second
) -> None:
    by_name = {first: install(first)}
    harness.stream("demo", interval=f"{1000 // RATE}ms")
    began, by_name[second] = time.monotonic(), install(second)
    winner, loser = by_name["a"], by_name["z"]
    loser.wait_for_log("Yielding", timeout_seconds=120)
    settled_after = time.monotonic() - began

    found = wait_until(lambda: harness.resources.condition("demo", "ForeignOwner"), what="the condition ForeignOwner")
    assert found["status"] == "True"
    assert "Uninstall one of the two" in found["message"]
    assert "Lease z-" in found["message"]
    wait_until(lambda: scrape(loser).each("events_in_flight", "demo") == 0, what="the loser's last confirms")

    queue, written = harness.queue(), {each: statuses_written(each) for each in (winner, loser)}
    quiet = published(loser)
    before, began = harness.broker.queue_depth(queue), time.monotonic()
    time.sleep(window := span(2 * 90, 8))  # the window of the measurement
    rate = (harness.broker.queue_depth(queue) - before) / (time.monotonic() - began)
    assert rate == pytest.approx(RATE, rel=0.1)
    assert published(loser) == quiet
    assert statuses_written(loser) == written[loser], "the loser does not write"
    winner_wrote = statuses_written(winner) - written[winner]
    assert winner_wrote <= window / REFRESH + 2, "signs of life, which carry the counters"
    status = harness.resources.status("demo")
    assert status["owner"].startswith("a-")
    assert harness.resources.ready("demo") == ("True", "Publishing")

    assert loser.metric("audit_event_operator_foreign_owners") == 1
    (event,) = wait_until(lambda: kubernetes_events(harness), what="the loser's Kubernetes Event")
    assert "serves this resource" in event["message"]
    (warning,) = loser.get_json("/healthz?verbose=1")["warnings"]
    assert f"{harness.namespace}/demo" in warning
    posted = loser.post(f"/generate_event?generator={harness.namespace}/demo", {"event_type": "user_login"})
    assert posted.status == 503
    assert "Another installation" in str(posted.json())

    assert winner.stop().exit_code == 0
    stopped, count = time.monotonic(), published(loser)
    # Where the last sign comes late, by the list that is read before a take-over, the time-out counts once more.
    loser.wait_until(lambda: published(loser) > count, timeout_seconds=2 * TIMEOUT + 2 * REFRESH, what="the take-over")
    taken_over_after = time.monotonic() - stopped
    wait_until(lambda: not harness.resources.condition("demo", "ForeignOwner"), what="the condition to go")
    assert harness.resources.status("demo")["owner"].startswith("z-")
    assert loser.metric("audit_event_operator_foreign_owners") == 0

    harness.resources.patch("demo", suspend=True)
    harness.wait_for("demo", "Suspended")
    assert loser.stop().exit_code == 0
    harness.journal.write_bytes(b"".join(journal_of(harness, each).read_bytes() for each in by_name))
    account = read_journal(harness.journal)
    delivery = compare(account, harness.drain()).must_hold()
    assert not account.dropped
    measured(
        f"{'the smaller' if first == 'a' else 'the larger'} name was there first: settled within {settled_after:.1f} s of the"
        f" second's start, then {rate:.1f}/s of {RATE}/s; the winner wrote {winner_wrote:.0f} statuses in {window:g} s,"
        f" the loser none; taken over {taken_over_after:.1f} s after its end; {delivery}"
        + ("" if FULL else f" (refresh {REFRESH:g} s, time-out {TIMEOUT:g} s)")
    )
