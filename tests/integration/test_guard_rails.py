"""The admission policies among the samples refuse exactly what they say, by apply, patch and scale, on a real API server."""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from math import prod
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from support.parts.controlplane import GENERATORS, OPERATOR, REPOSITORY, ControlPlane
from support.parts.generators import API_VERSION, MERGE, Generators
from support.waiting import wait_until

SAMPLES = REPOSITORY / "manifests/guard-rails"
MOST = 100
SHORTEST = Fraction(1, 10)
"""What the sample says: events per second, and seconds."""
TEAM = "team-a"
FORBIDDEN = "Error from server (Forbidden): "
DENIED = (
    "auditeventgenerators.auditflow.jojees.net \"demo\" is forbidden: ValidatingAdmissionPolicy 'audit-stream-{}' with binding"
    " 'team-a-{}' denied request: "
)

dry = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster with our CRD, the guard rails, and the controllers that count quotas and check the types of policies."""
    folder = tmp_path_factory.mktemp("guard-rails")
    with ControlPlane(folder) as running:
        running.install_crd()
        running.start_controller_manager()  # now, so that it knows of the kind: it looks for new ones twice a minute
        running.create_namespace(OPERATOR)
        for name in (TEAM, "team-b"):
            running.create_namespace(name)
        for sample in ("rate", "destinations"):
            assert running.kubectl("apply", "-f", SAMPLES / f"{sample}.yaml").stderr == ""
        team = Generators(running, TEAM)
        wait_until(lambda: refused(team, interval="1ms"), what="the first policy to be in force")
        wait_until(lambda: refused(team, queue="elsewhere"), what="the second policy to be in force")
        yield running


@pytest.fixture
def team(plane: ControlPlane) -> Iterator[Generators]:
    team = Generators(plane, TEAM)
    yield team
    team.delete_all()


def refused(team: Generators, name: str = "demo", **spec: Any) -> str:
    """What a policy says to a new resource; empty when all take it. Nothing is stored."""
    body = {"apiVersion": API_VERSION, "kind": "AuditEventGenerator", "metadata": {"name": name}, "spec": spec}
    return policy_says(team.cluster.request("POST", f"{GENERATORS.path(team.namespace)}?dryRun=All", body))


def policy_says(answer: Any) -> str:
    if answer.status < 300:
        return ""
    message: str = answer.body["message"]
    assert "denied request" in message, message
    assert answer.status == 403
    return message


def kubectl_says(team: Generators, *arguments: str, manifest: dict[str, Any] | None = None) -> str:
    given = None if manifest is None else json.dumps(manifest)
    done = team.cluster.kubectl(*arguments, "-n", team.namespace, input=given, check=False)
    return done.stderr.strip()


def manifest(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "AuditEventGenerator", "metadata": {"name": "demo"}, "spec": spec}


# --- the rate ---------------------------------------------------------------------------------------------------------------

TOO_FAST = (
    "this stream asks for more than the 100 events/s that team-a may have in one stream: lower spec.eventsPerInterval or the"
    " percentages of spec.traffic, or lengthen spec.interval"
)
TOO_SHORT = (
    "spec.interval must be at least 100ms in team-a, also where spec.traffic is at its highest: lengthen spec.interval, and"
    " raise spec.eventsPerInterval instead"
)
TOO_MANY = (
    "at most 10 replicas can be scaled to in team-a (100 events/s at the shortest interval, 100ms): for more, set"
    " spec.eventsPerInterval and spec.interval in the resource"
)
RATE = DENIED.format("rate", "rate")


def test_too_high_a_rate_is_refused_by_apply_patch_and_scale_in_words_that_help(team) -> None:
    apply = "apply", "-f", "-"
    assert kubectl_says(team, *apply, manifest=manifest(interval="1s", eventsPerInterval=101)).endswith(
        f"{RATE}{TOO_FAST}"
    )
    assert kubectl_says(team, *apply, manifest=manifest(interval="50ms")).endswith(f"{RATE}{TOO_SHORT}")
    assert kubectl_says(team, *apply, manifest=manifest(interval="1s", eventsPerInterval=100)) == ""
    patch = "patch", "aeg/demo", "--type=merge", "-p"
    assert kubectl_says(team, *patch, '{"spec":{"interval":"999ms"}}') == f"{FORBIDDEN}{RATE}{TOO_FAST}"
    assert kubectl_says(team, *patch, '{"spec":{"eventsPerInterval":101}}') == f"{FORBIDDEN}{RATE}{TOO_FAST}"
    burst = '{"spec":{"traffic":{"bursts":[{"every":"1h","duration":"1m","multiplierPercent":101}]}}}'
    assert kubectl_says(team, *patch, burst) == f"{FORBIDDEN}{RATE}{TOO_FAST}"
    scale = "scale", "aeg/demo"
    assert kubectl_says(team, *scale, "--replicas=11") == f"{FORBIDDEN}{RATE}{TOO_MANY}"
    by_patch = "patch", "aeg/demo", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":11}}'
    assert kubectl_says(team, *by_patch) == f"{FORBIDDEN}{RATE}{TOO_MANY}"
    for replicas in (10, 0, 1):
        assert kubectl_says(team, *scale, f"--replicas={replicas}") == ""
        assert team.get("demo")["spec"]["eventsPerInterval"] == replicas


def test_who_is_above_the_limit_already_may_do_everything_but_change_the_spec_for_the_worse(plane, team) -> None:
    binding = "validatingadmissionpolicybinding", "team-a-rate"
    plane.kubectl("delete", *binding)
    wait_until(lambda: not refused(team, "another", interval="1ms"), what="the policy to be out of force")
    team.create("demo", interval="10ms", eventsPerInterval=50)
    plane.kubectl("apply", "-f", SAMPLES / "rate.yaml")
    wait_until(lambda: refused(team, "another", interval="1ms"), what="the policy to be in force")
    team.merge("demo", {"metadata": {"labels": {"owner": "somebody"}}})
    team.merge("demo", {"status": {"observedGeneration": 1}}, "/status")
    patch = "patch", "aeg/demo", "--type=merge", "-p"
    assert TOO_FAST in kubectl_says(team, *patch, '{"spec":{"queue":"team-a.other"}}')
    assert kubectl_says(team, *patch, '{"spec":{"suspend":true}}') == "", "it may always be stopped"
    assert TOO_FAST in kubectl_says(team, *patch, '{"spec":{"suspend":false}}')
    assert kubectl_says(team, *patch, '{"spec":{"suspend":false,"interval":"1s"}}') == ""


def test_a_team_without_a_binding_is_not_bound(plane) -> None:
    assert refused(Generators(plane, "team-b"), interval="1ms", eventsPerInterval=100, queue="elsewhere") == ""


def test_a_team_whose_limits_are_lost_may_change_nothing(plane, team) -> None:
    def says() -> str:
        return kubectl_says(team, "apply", "--dry-run=server", "-f", "-", manifest=manifest())

    plane.kubectl("delete", "configmap", "team-a-rate", "-n", OPERATOR)
    try:
        wait_until(lambda: "no params found for policy binding" in says(), what="the missing limits", explain=says)
    finally:
        plane.kubectl("apply", "-f", SAMPLES / "rate.yaml")
    wait_until(lambda: says() == "", what="the limits to be back", explain=says)


@pytest.mark.parametrize("policy", ["rate", "destinations"])
def test_the_api_server_finds_no_mistake_in_the_types_of_a_policy(policy, plane) -> None:
    def status() -> dict[str, Any]:
        found = plane.kubectl("get", "validatingadmissionpolicy", f"audit-stream-{policy}", "-o", "json").stdout
        checked: dict[str, Any] = json.loads(found).get("status", {})
        return checked

    wait_until(lambda: "typeChecking" in status(), what="the types to be checked")
    assert status()["typeChecking"] == {}


# --- the rate, and an oracle that knows no CEL ------------------------------------------------------------------------------

UNITS = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}


def seconds(duration: str) -> Fraction:
    return sum(
        (Fraction(number) * UNITS[unit] for number, unit in re.findall(r"([0-9.]+)(ms|s|m|h)", duration)), Fraction(0)
    )


class Asked(NamedTuple):
    """What a spec asks for, in a form without Kubernetes."""

    spec: dict[str, Any]
    interval: Fraction
    peak: Fraction

    @classmethod
    def by(cls, spec: dict[str, Any]) -> "Asked":
        traffic = spec.get("traffic", {})
        profile = traffic.get("profile", {})
        factors = [
            max(profile.get("hourly", [100])),
            max(profile.get("weekdays", [100])),
            max([100, *(each["multiplierPercent"] for each in traffic.get("bursts", []))]),
            max([each["targetPercent"] for each in traffic.get("stages", [])] or [100]),
        ]
        microseconds = seconds(spec["interval"]) * 1_000_000 // 1
        return cls(
            spec, Fraction(microseconds, 1_000_000), prod((Fraction(each, 100) for each in factors), start=Fraction(1))
        )

    def rate(self, events: int) -> Fraction:
        return events * self.peak / self.interval

    @property
    def interval_is_long_enough(self) -> bool:
        return self.interval >= SHORTEST * self.peak

    @property
    def allowed(self) -> bool:
        if self.spec.get("suspend"):
            return True
        return self.rate(self.spec["eventsPerInterval"]) <= MOST and self.interval_is_long_enough


def dialled(replicas: int) -> bool:
    """Whether a dial may be turned so far."""
    return replicas <= MOST * SHORTEST


parts = st.one_of(
    st.builds("{}ms".format, st.integers(1, 2000)),
    st.builds("{}.{:03}s".format, st.integers(0, 3), st.integers(0, 999)),
    st.builds("{}s".format, st.integers(0, 90)),
    st.builds("{}m".format, st.integers(0, 3)),
    st.builds("0.{:04}h".format, st.integers(0, 200)),
    st.builds("{}.{:06}ms".format, st.integers(90, 110), st.integers(0, 999_999)),
    st.sampled_from(["100ms", "0.1s", "1s", "99ms", "99.9999ms", "100.0005ms", "1000ms", "0.5s", "1m", "1h"]),
)
durations = (
    st.lists(parts, min_size=1, max_size=2)
    .map("".join)
    .filter(lambda text: len(text) <= 32 and Fraction(1, 1000) <= seconds(text) <= 86_400)
)
percents = st.one_of(st.integers(0, 400), st.sampled_from([0, 1, 50, 100, 100, 200, 1000]))
larger = st.one_of(percents, st.sampled_from([5_000, 10_000]))


@st.composite
def traffics(draw: st.DrawFn) -> dict[str, Any]:
    traffic: dict[str, Any] = {}
    if draw(st.booleans()):
        profile = {}
        if draw(st.booleans()):
            profile["hourly"] = [*draw(st.lists(percents, min_size=23, max_size=23)), draw(st.integers(1, 300))]
        if draw(st.booleans()):
            profile["weekdays"] = [*draw(st.lists(percents, min_size=6, max_size=6)), draw(st.integers(1, 300))]
        traffic["profile"] = profile
    if draw(st.booleans()):
        multipliers = draw(st.lists(larger, max_size=8))
        traffic["bursts"] = [{"every": "1h", "duration": "1m", "multiplierPercent": each} for each in multipliers]
    if draw(st.booleans()):
        traffic["stages"] = [{"duration": "1m", "targetPercent": each} for each in draw(st.lists(larger, max_size=32))]
    return traffic


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """Specs that the API server takes, most of them near the limit."""
    spec: dict[str, Any] = {"interval": draw(durations)}
    if draw(st.booleans()):
        spec["traffic"] = draw(traffics())
    asked = Asked.by(spec)
    edge = int(MOST * asked.interval / asked.peak) if asked.peak else 0
    near = [min(10_000, max(0, edge + step)) for step in (-1, 0, 1)]
    spec["eventsPerInterval"] = draw(st.one_of(st.sampled_from(near), st.integers(0, 100), st.integers(0, 10_000)))
    assume(spec["eventsPerInterval"] <= 100 or seconds(spec["interval"]) >= SHORTEST)
    if draw(st.integers(0, 9)) == 0:
        spec["suspend"] = True
    return spec


def test_the_oracle_itself_knows_these() -> None:
    plain = {"interval": "1s", "eventsPerInterval": 100}
    assert Asked.by(plain).allowed
    assert not Asked.by(plain | {"eventsPerInterval": 101}).allowed
    assert Asked.by(plain | {"eventsPerInterval": 101, "suspend": True}).allowed
    assert not Asked.by({"interval": "99ms", "eventsPerInterval": 0}).allowed
    assert not Asked.by(plain | {"traffic": {"profile": {"weekdays": [10] * 6 + [101]}}}).allowed
    assert Asked.by(plain | {"traffic": {"stages": [{"duration": "1s", "targetPercent": 50}]}}).peak == Fraction(1, 2)


QUIET = {"every": "1h", "duration": "1m", "multiplierPercent": 50}


def on_stage(percent: int, events: int, interval: str) -> dict[str, Any]:
    traffic = {"stages": [{"duration": "1m", "targetPercent": percent}]}
    return {"interval": interval, "eventsPerInterval": events, "traffic": traffic}


@dry
@example(spec=on_stage(33, 31, "102.3ms"))
@example(spec=on_stage(33, 31, "102.2999ms"))
@example(spec=on_stage(0, 10_000, "100ms"))
@example(spec={"interval": "1s", "eventsPerInterval": 101, "traffic": {"bursts": [QUIET]}})
@example(spec=on_stage(10_000, 1, "24h"))
@given(spec=specs())
def test_the_policy_of_the_rate_judges_a_new_spec_as_the_oracle_does(plane, spec) -> None:
    assert (refused(Generators(plane, TEAM), **spec) == "") == Asked.by(spec).allowed


@settings(dry, max_examples=60)
@given(spec=specs(), replicas=st.one_of(st.integers(0, 20), st.integers(0, 100)))
def test_no_way_to_change_a_stream_brings_it_above_the_limit(plane, spec, replicas) -> None:
    """Made, then dialled: each step as the oracle says, and what is left never asks for more than it may."""
    team = Generators(plane, TEAM)
    assume(Asked.by(spec).allowed and not spec.get("suspend"))
    team.create("property", **spec)
    try:
        path = f"{GENERATORS.path(TEAM, 'property')}/scale"
        answer = plane.request("PATCH", path, {"spec": {"replicas": replicas}}, content_type=MERGE)
        unchanged = replicas == spec["eventsPerInterval"]
        assert (policy_says(answer) == "") == (dialled(replicas) or unchanged)
        left = team.get("property")["spec"]
        assert Asked.by(left).rate(left["eventsPerInterval"]) <= MOST
    finally:
        team.delete("property")


@settings(dry, max_examples=100)
@given(before=specs(), after=specs())
def test_the_policy_of_the_rate_judges_a_patch_by_what_comes_of_it(plane, before, after) -> None:
    team = Generators(plane, TEAM)
    assume(Asked.by(before).allowed)
    team.create("patched", **before)
    try:
        path = f"{GENERATORS.path(TEAM, 'patched')}?dryRun=All"
        change = [{"op": "replace", "path": "/spec", "value": after}]
        answer = plane.request("PATCH", path, change, content_type="application/json-patch+json")
        assert (policy_says(answer) == "") == Asked.by(after).allowed
    finally:
        team.delete("patched")


# --- destinations -----------------------------------------------------------------------------------------------------------

QUEUES = ["audit_events", "team-a.*"]
EXCHANGES = ["team-a.events"]
PLACES = DENIED.format("destinations", "destinations")


def test_another_queue_is_refused_by_apply_and_patch_in_words_that_help(team) -> None:
    says = f'{PLACES}spec.queue "payments" is not one of the queues of team-a: audit_events, team-a.*'
    assert kubectl_says(team, "apply", "-f", "-", manifest=manifest(queue="payments")).endswith(says)
    assert kubectl_says(team, "apply", "-f", "-", manifest=manifest(queue="team-a.orders")) == ""
    patch = "patch", "aeg/demo", "--type=merge", "-p"
    assert kubectl_says(team, *patch, '{"spec":{"queue":"payments"}}') == f"{FORBIDDEN}{says}"
    truth = 'spec.groundTruth.queue "payments" is not one of the queues of team-a: audit_events, team-a.*'
    assert kubectl_says(team, *patch, '{"spec":{"groundTruth":{"queue":"payments"}}}') == f"{FORBIDDEN}{PLACES}{truth}"
    assert kubectl_says(team, *patch, '{"spec":{"queue":null}}') == "", "the default queue is one of theirs"
    assert kubectl_says(team, "scale", "aeg/demo", "--replicas=2") == ""


def test_another_exchange_is_refused_and_with_an_exchange_the_queue_does_not_count(team) -> None:
    says = f'{PLACES}spec.exchange "amq.topic" is not one of the exchanges of team-a: team-a.events'
    assert refused(team, exchange={"name": "amq.topic", "routingKey": "k"}).endswith(says)
    assert refused(team, exchange={"name": "team-a.events", "routingKey": "k"}, queue="payments") == ""


def within(lines: list[str], name: str) -> bool:
    return any(name.startswith(line[:-1]) if line.endswith("*") else name == line for line in lines)


names = st.one_of(
    st.sampled_from(["audit_events", "team-a.", "team-a.x", "team-a", "team-ax", "xteam-a.y", "team-a.*", "*"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1, max_size=12),
)


@dry
@given(queue=st.none() | names, truth=st.none() | names, exchange=st.none() | names)
def test_the_policy_of_destinations_judges_as_the_oracle_does(plane, queue, truth, exchange) -> None:
    assume(truth is None or truth != (queue or "audit_events"))
    assume(not any(name and name.startswith("amq.") for name in (queue, truth)))
    spec: dict[str, Any] = {} if queue is None else {"queue": queue}
    if truth is not None:
        spec["groundTruth"] = {"queue": truth}
    if exchange is not None:
        spec["exchange"] = {"name": exchange, "routingKey": "k"}
    main = within(QUEUES, queue or "audit_events") if exchange is None else within(EXCHANGES, exchange)
    allowed = main and (truth is None or within(QUEUES, truth))
    assert (refused(Generators(plane, TEAM), **spec) == "") == allowed


# --- how many ---------------------------------------------------------------------------------------------------------------


def test_the_quota_bounds_how_many_streams_there_are(plane, team) -> None:
    quota = yaml.safe_load((SAMPLES / "quota.yaml").read_text())
    quota["spec"]["hard"] = dict.fromkeys(quota["spec"]["hard"], "2")
    plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(quota))
    path = f"/api/v1/namespaces/{TEAM}/resourcequotas/audit-streams"
    wait_until(
        lambda: plane.request("GET", path).body.get("status", {}).get("used"),
        what="the quota to count",
        timeout_seconds=60,
    )
    try:
        for name in ("one", "two"):
            team.create(name)
        says = kubectl_says(team, "apply", "-f", "-", manifest=manifest())
        assert "is forbidden: exceeded quota: audit-streams, requested: count/auditeventgenerators" in says
        assert "used: count/auditeventgenerators.auditflow.jojees.net=2, limited:" in says
    finally:
        plane.kubectl("delete", "resourcequota", "audit-streams", "-n", TEAM)
