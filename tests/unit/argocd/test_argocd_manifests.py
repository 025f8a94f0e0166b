"""The Applications and the ConfigMap patch: fresh, of one mind with the CRD, and safe to apply as they are."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from audit_event_operator.resource.crd import build_crd
from audit_event_operator.resource.names import GROUP, KIND

ARGOCD = Path(__file__).parents[3] / "manifests" / "argocd"
SCRIPTS = ARGOCD / "resource_customizations" / GROUP / KIND
LIVE_FIELDS = ["/spec/interval", "/spec/eventsPerInterval", "/spec/suspend"]


def application(name):
    found = yaml.safe_load((ARGOCD / f"{name}.yaml").read_text())
    assert found["kind"] == "Application"
    return found


def patch():
    return yaml.safe_load((ARGOCD / "argocd-cm-patch.yaml").read_text())["data"]


def test_the_patch_is_what_the_lua_files_say():
    rendered = subprocess.run(
        [sys.executable, ARGOCD / "render.py"], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    assert rendered == (ARGOCD / "argocd-cm-patch.yaml").read_text(), "stale; run: make manifests"


def test_the_patch_names_our_kind_and_carries_every_script():
    health, actions = (f"resource.customizations.{what}.{GROUP}_{KIND}" for what in ("health", "actions"))
    assert set(patch()) == {health, actions}
    assert patch()[health] == (SCRIPTS / "health.lua").read_text()
    held = yaml.safe_load(patch()[actions])
    assert held["discovery.lua"] == (SCRIPTS / "actions" / "discovery.lua").read_text()
    assert {one["name"]: one["action.lua"] for one in held["definitions"]} == {
        path.parent.name: path.read_text() for path in SCRIPTS.glob("actions/*/action.lua")
    }


@pytest.mark.parametrize(
    "name", ["application", "application-helm", "application-generators", "application-live-rates"]
)
def test_an_application_heals_prunes_retries_and_takes_everything_along(name):
    found = application(name)
    assert found["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
    assert found["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert found["spec"]["syncPolicy"]["retry"]["limit"] >= 5


@pytest.mark.parametrize("name", ["application-generators", "application-live-rates"])
def test_a_sync_waits_minutes_for_the_crd_and_no_longer_than_a_deletion_may_hang(name):
    retry = application(name)["spec"]["syncPolicy"]["retry"]
    first, most = (int(retry["backoff"][key].removesuffix("s")) for key in ("duration", "maxDuration"))
    waited = sum(min(first * retry["backoff"]["factor"] ** attempt, most) for attempt in range(retry["limit"]))
    assert 180 <= waited <= 300


def test_resources_come_after_the_operator():
    waves = {
        name: int(application(name)["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])
        for name in ("application", "application-helm", "application-generators", "application-live-rates")
    }
    assert waves["application"] == waves["application-helm"]
    assert waves["application"] < min(waves["application-generators"], waves["application-live-rates"])


def test_live_rates_differ_from_the_plain_application_in_nothing_else():
    plain, live = application("application-generators"), application("application-live-rates")
    (ignored,) = live["spec"].pop("ignoreDifferences")
    assert ignored == {"group": GROUP, "kind": KIND, "jsonPointers": LIVE_FIELDS}
    options = live["spec"]["syncPolicy"]["syncOptions"]
    for option in ("ServerSideApply=true", "RespectIgnoreDifferences=true"):
        options.remove(option)
    assert live == plain


def test_the_live_fields_are_fields():
    (version,) = build_crd()["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert {pointer.removeprefix("/spec/") for pointer in LIVE_FIELDS} <= set(spec)


def test_the_operator_application_deploys_a_folder_that_is_there():
    assert (ARGOCD.parents[1] / application("application")["spec"]["source"]["path"] / "kustomization.yaml").exists()
