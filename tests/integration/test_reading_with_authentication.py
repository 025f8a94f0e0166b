"""Who may read, as a real API server sees it: the real Prometheus with and without a token, also while that server is away.

AEG_TEST_OUTAGE_SECONDS says for how long it is away.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.parts.controlplane import REPOSITORY, ControlPlane
from support.parts.operator_process import OperatorProcess, running_operator
from support.parts.prometheus import Prometheus
from support.parts.rabbitmq import Broker
from support.waiting import wait_until

OUTAGE_SECONDS = float(os.environ.get("AEG_TEST_OUTAGE_SECONDS", "12"))
NAMESPACE = "monitoring"
COMPONENTS = REPOSITORY / "manifests/components"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """With the roles of the components, bound to a ServiceAccount each; `stranger` has none."""
    with ControlPlane(tmp_path_factory.mktemp("readers")) as plane:
        plane.install_crd()
        plane.install_rbac()
        plane.create_namespace(NAMESPACE)
        _make_readers(plane)
        yield plane


def _make_readers(plane: ControlPlane) -> None:
    for file in ("access-reviews/rbac.yaml", "metrics-auth/role.yaml", "read-auth/role.yaml"):
        plane.kubectl("apply", "-f", COMPONENTS / file)
    for name, role in (("prometheus", "metrics-reader"), ("viewer", "reader"), ("stranger", None)):
        plane.kubectl("create", "serviceaccount", name, "-n", NAMESPACE)
        if role:
            plane.kubectl(
                "create", "clusterrolebinding", name, f"--clusterrole=audit-event-operator-{role}",
                f"--serviceaccount={NAMESPACE}:{name}",
            )  # fmt: skip


def token_of(plane: ControlPlane, name: str) -> str:
    return plane.kubectl("create", "token", name, "-n", NAMESPACE).stdout.strip()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def operator(plane: ControlPlane, rabbitmq: Broker, tmp_path: Path) -> Iterator[OperatorProcess]:
    settings = {"AEG_METRICS_AUTH": "kubernetes", "AEG_READ_AUTH": "kubernetes"}
    with running_operator(plane, plane.operator_kubeconfig(), rabbitmq, tmp_path, **settings) as running:
        yield running


def test_each_reader_reads_what_its_role_says(operator, plane) -> None:
    prometheus, viewer, stranger = (bearer(token_of(plane, name)) for name in ("prometheus", "viewer", "stranger"))
    pages = ("/", "/generators", "/generators/team/nobody", "/healthz?verbose=1")
    for path in (*pages, "/metrics"):
        assert operator.get(path).status == 401
        assert operator.get(path, bearer("no.such.token")).status == 401
        assert operator.get(path, stranger).status == 403
    assert [operator.get(path, viewer).status for path in pages] == [200, 200, 404, 200]
    assert [operator.get(path, prometheus).status for path in pages] == [403] * 4
    assert operator.get("/metrics", prometheus).status == 200
    assert operator.get("/metrics", viewer).status == 403
    assert operator.request("GET", "/metrics", port=operator.metrics_port).status == 401
    assert [operator.get(path).status for path in ("/livez", "/readyz", "/healthz")] == [200, 200, 200]
    assert stranger["Authorization"].removeprefix("Bearer ") not in operator.output


@pytest.mark.timeout(120 + OUTAGE_SECONDS)
def test_prometheus_scrapes_with_its_token_also_while_the_api_server_is_away(operator, plane, tmp_path) -> None:
    token, other = tmp_path / "token", bearer(token_of(plane, "prometheus"))
    token.write_text(token_of(plane, "prometheus"))
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    with (
        Prometheus(tmp_path / "with", operator.metrics_port, operator.app_port, token=token, every="3s") as with_token,
        Prometheus(tmp_path / "without", operator.metrics_port) as without,
    ):
        wait_until(lambda: with_token.value("sum(up)") == 2, what="scrapes with the token")
        wait_until(lambda: without.targets()[0]["health"] == "down", what="a refused scrape")
        assert "401" in without.targets()[0]["lastError"]

        plane.kill_apiserver()
        try:
            went = time.monotonic()
            time.sleep(OUTAGE_SECONDS)
            assert operator.get("/metrics", other).status == 503, "nobody can tell whose it is"
            assert operator.get("/metrics").status == 401
            away = time.monotonic() - went
        finally:
            plane.start_apiserver()
        assert with_token.value(f"min(min_over_time(up[{away:.0f}s]))") == 1, with_token.targets()
        scrapes = with_token.value(f"min(count_over_time(up[{away:.0f}s]))")
        assert scrapes is not None
        assert scrapes >= 0.7 * away / 3
        wait_until(lambda: operator.get("/metrics", other).status == 200, what="the API server's answer")
