"""The API server misbehaves: refuses, breaks watches off, forgets history; and resources that come and go in an instant."""

import base64
import http.client
import itertools
import json
import time

import pytest

from support.faults.harness import Harness, span
from support.parts.api_proxy import ApiProxy
from support.parts.controlplane import GENERATORS, ControlPlane
from support.parts.operator_process import SERIES

STEADY = {"interval": "50ms"}
ERROR_EVENT = json.dumps(
    {
        "type": "ERROR",
        "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500, "reason": "InternalError"},
    }
).encode()


def start(harness: Harness, proxy: ApiProxy, **env: str) -> None:
    harness.start(KUBECONFIG=str(proxy.kubeconfig(harness.kubeconfig)), **env)


def must_take_changes(harness: Harness, name: str, interval: str) -> float:
    """A patch is in effect soon; how long that took in seconds."""
    generation = harness.resources.patch(name, interval=interval)["metadata"]["generation"]
    began = time.monotonic()
    harness.operator.wait_until(
        lambda: harness.resources.status(name)["observedGeneration"] == generation,
        timeout_seconds=90,
        what="a patch to be in effect",
    )
    return time.monotonic() - began


@pytest.mark.row(27)
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("status", "headers"), [(503, {}), (429, {"Retry_After": "2"}), (403, {})])
def test_an_api_server_that_refuses_everything_is_waited_for(status, headers, harness, proxy, measured) -> None:
    start(harness, proxy)
    harness.stream("steady", **STEADY)
    with harness.watched():
        published, began = harness.value("events_published_total", "steady"), time.monotonic()
        lines = len(harness.operator.log.splitlines())
        proxy.refuse(status, **headers)
        proxy.cut_watches()
        time.sleep(span(180, 8))  # as long as it refuses
        rate = harness.value("events_published_total", "steady") - published
        rate /= (duration := time.monotonic() - began)
        said = len(harness.operator.log.splitlines()) - lines
        asked = len(proxy.refused)
        proxy.accept()
        took = must_take_changes(harness, "steady", "100ms")
        harness.settle()
    assert rate == pytest.approx(20, rel=0.15)
    assert 0 < asked <= 10 * duration
    if "Retry_After" in headers:
        lists = [at for at, request in proxy.refused if request.startswith(f"GET {GENERATORS.path()}")]
        pauses = [after - before for before, after in itertools.pairwise(lists)]
        assert not pauses or sorted(pauses)[len(pauses) // 2] >= 1, pauses
    assert said <= 4 * duration + 20, harness.operator.process.log_tail()
    measured(f"{status} for {duration:.0f} s: {asked} requests, {said} log lines, a patch in effect {took:.1f} s later")
    harness.check_delivery()


@pytest.mark.row(28)
@pytest.mark.timeout(300)
def test_what_was_deleted_while_the_watch_was_blind_and_history_was_compacted_stops(harness, proxy, measured) -> None:
    start(harness, proxy)
    harness.stream("doomed", harness.queue("doomed"), **STEADY)
    harness.stream("steady", **STEADY)
    proxy.hold_watches()
    harness.resources.delete("doomed")
    deleted = time.monotonic()
    _compact(harness.plane)
    proxy.cut_watches()
    proxy.release_watches()
    harness.operator.wait_until(
        lambda: harness.operator.status_of(f"/generators/{harness.namespace}/doomed") == 404,
        timeout_seconds=60,
        what="the generator of the deleted one to stop",
    )
    stopped = time.monotonic() - deleted
    del harness.streams["doomed"]
    must_take_changes(harness, "steady", "100ms")
    harness.settle()
    measured(f"stopped {stopped:.1f} s after the deletion; {harness.check_delivery()}")


def _compact(plane: ControlPlane) -> None:
    """Let etcd forget all history up to now, by its own HTTP gateway."""
    address = next(word for word in plane.etcd.command if word.startswith("--listen-client-urls=")).split("//")[1]

    def ask(path: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
        line = http.client.HTTPConnection(address, timeout=10)
        line.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = line.getresponse()
        found: dict[str, dict[str, str]] = json.loads(answer.read())
        line.close()
        assert answer.status == 200, found
        return found

    key = base64.b64encode(b"/registry").decode()
    revision = ask("/v3/kv/range", {"key": key})["header"]["revision"]
    ask("/v3/kv/compaction", {"revision": revision, "physical": True})


@pytest.mark.row(29)
@pytest.mark.timeout(300)
def test_resources_that_live_for_milliseconds_leave_nothing(harness, measured) -> None:
    harness.start(AEG_DEPARTED_SERIES_SECONDS="1")
    harness.stream("steady", **STEADY)
    connections = harness.connections()
    rounds = int(span(200, 100))
    for number in range(rounds):
        harness.resources.create(f"brief-{number}", queue=harness.queue(f"brief-{number % 5}"), interval="100ms")
        harness.resources.delete(f"brief-{number}")
    harness.operator.wait_until(
        lambda: (
            [each["name"] for each in harness.operator.get_json("/generators")["generators"] if each["name"] != "api"]
            == ["steady"]
        ),
        what="the end of all brief ones",
    )
    harness.operator.wait_until(lambda: harness.connections() == connections, what="the end of their connections")
    harness.operator.wait_until(
        lambda: f'{SERIES}ready{{generator="brief' not in harness.operator.metrics_text(),
        what="the end of their series",
    )
    must_take_changes(harness, "steady", "100ms")
    harness.settle()
    measured(f"{rounds} times: no generator, series or connection left; {harness.check_delivery()}")


@pytest.mark.row(30)
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["truncated", "error", "killed"])
def test_a_watch_that_breaks_does_not_disturb_the_streams(how, harness, proxy, measured) -> None:
    start(harness, proxy)
    harness.stream("steady", **STEADY)
    with harness.watched():
        for _ in range(3):
            if how == "truncated":
                proxy.say(b'{"type": "MODIFIED", "obj', and_cut=True)
            elif how == "error":
                proxy.say(ERROR_EVENT + b"\n")
            else:
                harness.plane.restart_apiserver()
            harness.wait_published("steady", 20)
        took = must_take_changes(harness, "steady", "100ms")
        harness.settle()
    measured(f"{how}: a patch in effect {took:.1f} s later; {harness.check_delivery()}")


@pytest.mark.row(40)
@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", ["conditions", "everything"])
def test_somebody_who_wipes_the_status_again_and_again_gets_no_fight(what, harness, measured) -> None:
    harness.start()
    harness.stream("contested", **STEADY)
    harness.stream("other", **STEADY)
    wiped: object = {"conditions": None} if what == "conditions" else None
    resync, counters = span(60, 5), span(30, 2)

    def writes() -> float:
        return harness.total("audit_event_operator_api_writes_total", kind="status")

    with harness.watched():
        seconds, before, wipes, began = span(120, 15), writes(), 0, time.monotonic()
        while time.monotonic() - began < seconds:
            if harness.resources.ready("contested")[1]:
                harness.resources.merge("contested", {"status": wiped}, "/status")
                wipes += 1
            time.sleep(0.05)  # as a rival that polls
        answered = writes() - before
        ended = time.monotonic()
        harness.resources.wait_ready("contested", "True", "Publishing", timeout_seconds=60)
        restored = time.monotonic() - ended
        must_take_changes(harness, "contested", "100ms")
    each = seconds / counters + seconds / resync
    assert wipes >= 2
    assert answered <= 2 * each + 5, "one of the two resources is left alone"
    harness.settle()
    measured(
        f"{what} wiped {wipes} times in {seconds:.0f} s: {answered:.0f} writes of two statuses, right {restored:.1f} s after "
        f"the last; {harness.check_delivery()}"
    )
