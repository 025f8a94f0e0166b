"""What keeps the operator informed may break or be missing: the work ends in the right state, in the same process.

The watch is broken on its way, between the real operator and the real API server.
"""

import time
from collections.abc import Callable, Iterator

import pytest

from support.faults.scraper import Scraper, scrape
from support.parts.controlplane import GENERATORS, ControlPlane
from support.parts.generators import Generators
from support.parts.operator_process import SERIES, OperatorProcess
from support.waiting import wait_until

QUICK = {"AEG_CRD_POLL_SECONDS": "1", "AEG_RESYNC_SECONDS": "3"}
SELDOM = {"AEG_RESYNC_SECONDS": "3600"}  # so that nobody but the watch can have told


@pytest.fixture
def resources(cluster: ControlPlane, namespace: str) -> Generators:
    return Generators(cluster, namespace)


@pytest.fixture
def without_crd(cluster: ControlPlane) -> Iterator[Callable[[], None]]:
    """Takes the CustomResourceDefinition, and all resources with it, away; in the end it is there again."""

    def remove() -> None:
        cluster.kubectl("delete", "crd", GENERATORS.crd_name)
        wait_until(lambda: cluster.request("GET", GENERATORS.path()).status == 404, what="the kind to be gone")

    yield remove
    cluster.install_crd()


def publishes(operator: OperatorProcess, name: str) -> bool:
    """Whether the generator has published anything up to now."""
    return scrape(operator).each("events_published_total", name) > 0


def interval(operator: OperatorProcess, name: str) -> float | None:
    return operator.metric(f"{SERIES}interval_seconds", generator=name)


def shown(operator: OperatorProcess) -> set[str]:
    """The names of the generators that it has."""
    return {row["name"] for row in operator.get_json("/healthz?verbose=1")["rows"]}


# --- the CustomResourceDefinition -------------------------------------------------------------------------------------


@pytest.mark.row(31)
def test_an_operator_that_is_there_first_waits_for_the_crd_and_names_it(
    cluster, resources, queue, rabbitmq, without_crd, start_operator, measured
) -> None:
    without_crd()
    operator = start_operator(ready=False, **QUICK)
    operator.wait_until(
        lambda: operator.status_of("/readyz") == 503 and GENERATORS.crd_name in operator.get("/readyz").body.decode(),
        what="/readyz to name the CRD",
    )
    assert operator.status_of("/livez") == 200
    pid = operator.pid
    cluster.install_crd()
    installed = time.monotonic()
    operator.wait_ready()
    ready = time.monotonic() - installed
    resources.create("late", queue=queue, interval="100ms")
    assert rabbitmq.take(queue, 3)
    resources.wait_ready("late", "True", "Publishing")
    assert (operator.running, operator.pid) == (True, pid)
    measured(f"started before it: named in /readyz, ready {ready:.1f} s after it came, the same process")


@pytest.mark.row(31)
def test_a_deleted_crd_stops_everything_until_it_is_back(
    cluster, resources, queue, rabbitmq, without_crd, start_operator, measured
) -> None:
    operator = start_operator(**QUICK, AEG_DEPARTED_SERIES_SECONDS="2")
    resources.create("demo", queue=queue, interval="50ms")
    rabbitmq.take(queue, 3)
    with Scraper(operator).running() as scraper:
        without_crd()
        deleted = time.monotonic()
        operator.wait_until(lambda: operator.get_json("/healthz")["generators"]["total"] == 0, what="all to stop")
        stopped = time.monotonic() - deleted
        operator.wait_until(lambda: not scrape(operator).each("events_in_flight", "demo"), what="the last confirms")
        stopped_at = operator.metric("audit_event_generator_published_success_total")
        operator.wait_until(
            lambda: GENERATORS.crd_name in operator.get("/readyz").body.decode(), what="/readyz to name the CRD"
        )
        operator.wait_until(
            lambda: "demo" not in scrape(operator).generators(), what="the series of the resource to be gone"
        )
        assert operator.metric("audit_event_generator_published_success_total") == stopped_at
        cluster.install_crd()
        installed = time.monotonic()
        operator.wait_ready()
        ready = time.monotonic() - installed
        resources.create("demo", queue=queue, interval="50ms")
        operator.wait_until(lambda: publishes(operator, "demo"), what="the new resource's events")
        resources.wait_ready("demo", "True", "Publishing")
        resources.patch("demo", interval="70ms")
        operator.wait_until(lambda: interval(operator, "demo") == 0.07, what="a patch to be heard of")
    # The scraper has seen that no total fell when the series went, and that the process was the same.
    assert scraper.scrapes[-1].totals()
    measured(f"deleted: all stopped after {stopped:.1f} s, ready {ready:.1f} s after it was back, the same process")


# --- the watch --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mischief", ["cut_watches", "say"])
def test_a_broken_watch_is_opened_again_and_the_generators_do_not_notice(
    mischief, proxy, resources, queue, operator_kubeconfig, start_operator
) -> None:
    operator = start_operator(**SELDOM, KUBECONFIG=str(proxy.kubeconfig(operator_kubeconfig)))
    for name in ("stays", "patched", "deleted"):
        resources.create(name, queue=queue, interval="50ms")
    for name in ("stays", "patched", "deleted"):
        operator.wait_until(lambda name=name: publishes(operator, name), what=f"events of {name}")
    assert (proxy.watches, proxy.watches_opened) == (1, 1)
    with Scraper(operator).running() as scraper:
        assert getattr(proxy, mischief)() == 1
        resources.delete("deleted")
        resources.patch("patched", interval="70ms")
        operator.wait_until(lambda: interval(operator, "patched") == 0.07, what="the patch")
        operator.wait_until(lambda: operator.get_json("/healthz")["generators"]["total"] == 2, what="the deletion")
        resources.create("new", queue=queue, interval="50ms")
        operator.wait_until(lambda: publishes(operator, "new"), what="events of a new resource")
        operator.wait_until(lambda: operator.status_of("/readyz") == 200, what="readiness")
        operator.wait_until(lambda: len(scraper.scrapes) >= 4, what="two seconds of scrapes")
    assert proxy.watches_opened >= 2, "it was really broken"
    assert operator.get_json("/healthz")["leader"] is True
    if mischief == "say":
        operator.wait_for_log("The watch ended and restarts")
    for earlier in scraper.scrapes:
        later = next((each for each in scraper.scrapes if each.at >= earlier.at + 1), None)
        published = [each.each("events_published_total", "stays") for each in (earlier, later) if each]
        assert len(set(published)) == len(published), "it published in every second"
    assert set(scraper.health_seen()) == {200}


def test_what_a_silent_watch_does_not_tell_is_found_by_the_resync(
    proxy, resources, queue, operator_kubeconfig, start_operator
) -> None:
    operator = start_operator(**QUICK, KUBECONFIG=str(proxy.kubeconfig(operator_kubeconfig)))
    for name in ("patched", "deleted"):
        resources.create(name, queue=queue, interval="50ms")
        operator.wait_until(lambda name=name: publishes(operator, name), what=f"events of {name}")
    proxy.hold_watches()
    resources.patch("patched", interval="70ms")
    resources.delete("deleted")
    resources.create("new", queue=queue, interval="50ms")
    operator.wait_until(lambda: interval(operator, "patched") == 0.07, what="the patch")
    operator.wait_until(lambda: publishes(operator, "new"), what="events of the new resource")
    operator.wait_until(lambda: shown(operator) == {"patched", "new"}, what="the end of the deleted one")
    proxy.release_watches()  # late news of what was done already must undo nothing
    resources.patch("new", interval="80ms")
    operator.wait_until(lambda: interval(operator, "new") == 0.08, what="the watch to tell again")
    assert shown(operator) == {"patched", "new"}
