"""The real parts as fixtures. Nothing starts before a test asks for it, and unit tests may not ask."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import hypothesis
import pytest

from support.faults.measurements import PROPERTY, Measured
from support.parts.api_proxy import ApiProxy
from support.parts.consumer import Consumer
from support.parts.controlplane import GENERATORS, OPERATOR, ControlPlane
from support.parts.generators import Generators
from support.parts.operator_process import OperatorProcess, must_be_free_of_bugs, running_operator
from support.parts.rabbitmq import Broker, RabbitMQ

# How long one example takes says nothing on a machine that others use, too.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")

REAL = {"control_plane", "own_control_plane", "rabbitmq", "own_rabbitmq"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"integration", "rigs", "faults"}.intersection(item.path.parts):
            item.add_marker(pytest.mark.integration)
        elif used := REAL.intersection(getattr(item, "fixturenames", ())):
            raise pytest.UsageError(f"{item.nodeid} uses {', '.join(sorted(used))}: its place is tests/integration.")


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """measured("published 5,000, missing 0"): put a figure of this test into the table of the fault matrix."""
    return lambda what: request.node.user_properties.append((PROPERTY, str(what)))


# --- Kubernetes -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One API server for the whole run, without anything of ours in it. To stop or kill it, ask for own_control_plane."""
    folder = tmp_path_factory.mktemp("control-plane")
    with ControlPlane(folder) as running:
        yield running
    shutil.rmtree(folder / "etcd", ignore_errors=True)  # the logs stay for a look, these 100 MB do not


@pytest.fixture
def own_control_plane(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The same one, for tests that stop the API server: afterwards it runs again."""
    yield control_plane
    if not control_plane.apiserver.running:
        control_plane.start_apiserver()


@pytest.fixture(scope="session")
def controller_manager(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with kube-controller-manager: for namespace deletion, garbage collection, aggregated roles."""
    control_plane.start_controller_manager()
    return control_plane


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with our CRD and the operator's ServiceAccount and rights, as the manifests say."""
    control_plane.install_crd()
    control_plane.install_rbac()
    return control_plane


@pytest.fixture(scope="session")
def operator_kubeconfig(cluster: ControlPlane) -> Path:
    """For the operator: its own ServiceAccount, never the administrator."""
    return cluster.operator_kubeconfig()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace that no other test uses; its generators are gone afterwards."""
    name = control_plane.create_namespace(f"test-{uuid.uuid4().hex[:10]}")
    yield name
    control_plane.request("DELETE", GENERATORS.path(name))


@pytest.fixture
def generators(cluster: ControlPlane, namespace: str) -> Generators:
    """The AuditEventGenerators of this namespace."""
    return Generators(cluster, namespace)


# --- RabbitMQ ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _session_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as running:
        yield running


@pytest.fixture(scope="session")
def rabbitmq(request: pytest.FixtureRequest) -> Broker:
    """One broker for the whole run: AEG_TEST_AMQP_URL, else one of our own. To stop or administer it, ask for own_rabbitmq."""
    if url := os.environ.get("AEG_TEST_AMQP_URL"):
        return Broker.from_url(url)
    broker: Broker = request.getfixturevalue("_session_rabbitmq")
    return broker


@pytest.fixture
def own_rabbitmq(_session_rabbitmq: RabbitMQ) -> Iterator[RabbitMQ]:
    """A broker that a test may stop, kill, pause and administer: afterwards it runs again, without an alarm."""
    broker = _session_rabbitmq
    yield broker
    if not broker.server.running:
        broker.start()
    else:
        broker.resume()
        if "resource_limit" in broker.rabbitmqctl("eval", "rabbit_alarm:get_alarms()."):
            broker.clear_memory_alarm()


@pytest.fixture
def queue(rabbitmq: Broker) -> Iterator[str]:
    """The name of a queue that no other test uses; it does not exist yet, and is deleted afterwards."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    yield name
    if rabbitmq.answers():
        rabbitmq.delete(name)


@pytest.fixture
def exchange(rabbitmq: Broker) -> Iterator[str]:
    """The name of an exchange that no other test uses; it does not exist yet, and is deleted afterwards."""
    name = f"test-exchange-{uuid.uuid4().hex[:10]}"
    yield name
    if rabbitmq.answers():
        rabbitmq.delete_exchange(name)


@pytest.fixture
def consumer(rabbitmq: Broker, queue: str) -> Iterator[Consumer]:
    """Reads the queue of the test from now on."""
    with Consumer(rabbitmq, [queue]) as running:
        yield running


# --- the operator -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def run_operator(
    cluster: ControlPlane, operator_kubeconfig: Path, rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AbstractContextManager[OperatorProcess]]:
    """with run_operator(**env) as operator: one for a whole module of tests, whose log must be free of bugs."""

    @contextmanager
    def run(**env: str) -> Iterator[OperatorProcess]:
        folder = tmp_path_factory.mktemp("operator")
        with running_operator(cluster, operator_kubeconfig, rabbitmq, folder, **env) as operator:
            yield operator
            must_be_free_of_bugs(operator)

    return run


@pytest.fixture
def proxy(cluster: ControlPlane, tmp_path: Path) -> Iterator[ApiProxy]:
    """A proxy before the API server, which an operator gets to by proxy.kubeconfig(...)."""
    with ApiProxy(cluster, tmp_path) as proxy:
        yield proxy


@pytest.fixture
def start_operator(
    cluster: ControlPlane, operator_kubeconfig: Path, rabbitmq: Broker, tmp_path: Path
) -> Iterator[Callable[..., OperatorProcess]]:
    """start_operator(name="operator", ready=True, **env): `run` as its ServiceAccount, with our broker as default target."""
    started: list[OperatorProcess] = []

    def start(name: str = "operator", *, ready: bool = True, **env: str) -> OperatorProcess:
        environment = rabbitmq.environment() | {"AEG_LEASE_NAMESPACE": OPERATOR} | env
        operator = OperatorProcess(tmp_path, "run", kubeconfig=operator_kubeconfig, env=environment, name=name)
        started.append(operator)
        return operator.start(wait_ready=ready)

    yield start
    for operator in started:
        operator.end()
    cluster.delete_leases()
