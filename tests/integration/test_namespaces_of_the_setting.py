"""AEG_NAMESPACES with a namespace that is not there, or not ours: it is named, the others are served, and it may come later."""

import uuid
from collections.abc import Callable, Iterator

import pytest
import yaml

from support.parts.controlplane import OPERATOR, REPOSITORY, ControlPlane
from support.parts.generators import Generators
from support.parts.operator_process import OperatorProcess

ROLE_FILE = REPOSITORY / "manifests/components/namespaced/role/role.yaml"


@pytest.fixture
def late() -> str:
    """The name of a namespace that does not exist yet."""
    return f"late-{uuid.uuid4().hex[:10]}"


def warnings(operator: OperatorProcess) -> list[str]:
    found: list[str] = operator.get_json("/healthz?verbose=1")["warnings"]
    return found


def test_a_missing_namespace_is_named_and_served_as_soon_as_it_is_there(
    cluster, namespace, generators, late, queue, start_operator
) -> None:
    operator = start_operator(AEG_NAMESPACES=f"{namespace},{late}", AEG_RESYNC_SECONDS="1")
    sentence = f'Namespace "{late}" in AEG_NAMESPACES does not exist; create it, or take it out of the setting.'
    operator.wait_until(lambda: warnings(operator) == [sentence], what="the sentence")
    generators.create("demo", queue=queue, interval="100ms")
    generators.wait_ready("demo", "True", "Publishing")
    assert operator.status_of("/readyz") == 200
    assert operator.log.count(sentence) == 1
    assert operator.metric("audit_event_operator_api_writes_total", kind="event", result="not_found") == 0
    cluster.create_namespace(late)
    later = Generators(cluster, late)
    later.create("demo", queue=queue, interval="100ms")
    later.wait_ready("demo", "True", "Publishing")
    operator.wait_until(lambda: warnings(operator) == [], what="the sentence to go")
    later.delete("demo")


@pytest.fixture
def namespaced(cluster: ControlPlane) -> Iterator[Callable[[str], None]]:
    """A ServiceAccount `namespaced` with the rights of the component of that name, in namespaces as they are given."""
    name = "namespaced"
    cluster.kubectl("create", "serviceaccount", name, "-n", OPERATOR)
    account = f"--serviceaccount={OPERATOR}:{name}"
    cluster.kubectl("create", "rolebinding", name, "-n", OPERATOR, "--role=audit-event-operator-lease", account)

    def give(namespace: str) -> None:
        documents = list(yaml.safe_load_all(ROLE_FILE.read_text()))
        documents[1]["subjects"][0]["name"] = name
        cluster.kubectl("apply", "-n", namespace, "-f", "-", input=yaml.safe_dump_all(documents))

    yield give
    cluster.kubectl("delete", "rolebinding,serviceaccount", name, "-n", OPERATOR)


def test_with_rights_by_namespace_a_missing_one_stops_nobody_and_is_served_once_it_has_its_role(
    cluster, namespace, generators, namespaced, late, queue, start_operator
) -> None:
    namespaced(namespace)
    kubeconfig = cluster.service_account_kubeconfig(OPERATOR, "namespaced")
    operator = start_operator(
        KUBECONFIG=str(kubeconfig),
        AEG_NAMESPACES=f"{late},{namespace}",
        AEG_RESYNC_SECONDS="2",
        AEG_CRD_POLL_SECONDS="1",
    )
    begins = f'Namespace "{late}" in AEG_NAMESPACES is not served: it does not exist, or the operator\'s account may not list'
    operator.wait_until(lambda: [each.startswith(begins) for each in warnings(operator)] == [True], what="the sentence")
    generators.create("demo", queue=queue, interval="100ms")
    generators.wait_ready("demo", "True", "Publishing")
    assert operator.status_of("/readyz") == 200
    cluster.create_namespace(late)
    later = Generators(cluster, late)
    later.create("demo", queue=queue, interval="100ms")
    assert operator.log.count(begins) == 1
    namespaced(late)
    later.wait_ready("demo", "True", "Publishing")
    operator.wait_until(lambda: warnings(operator) == [], what="the sentence to go")
    later.patch("demo", interval="70ms")
    operator.wait_until(lambda: later.status("demo")["observedGeneration"] == 2, what="the watch on the new namespace")
    assert operator.status_of("/readyz") == 200
    later.delete("demo")


@pytest.mark.parametrize("name", ["x" * 253, f"{'y' * 64}.z"], ids=["253 characters", "a label of 64"])
def test_a_generator_of_every_name_that_the_api_server_takes_takes_posts(
    name, generators, namespace, queue, rabbitmq, start_operator
) -> None:
    operator = start_operator()
    generators.create(name, queue=queue, suspend=True)
    generators.wait_ready(name, "True", "Suspended")
    answer = operator.post(f"/generate_event?generator={namespace}/{name}", {"event_type": "user_login"})
    assert answer.status == 202
    assert rabbitmq.take(queue, 1)[0].json()["event_id"] == answer.json()["event_id"]
