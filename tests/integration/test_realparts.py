"""The real parts themselves: when these fail, no other integration test means anything."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support.parts.build import find_binaries, kubernetes_version
from support.parts.operator_process import OperatorProcess
from support.parts.processes import PartError, Process, free_port
from support.parts.rabbitmq import Broker
from support.parts.rabbitmq_cluster import NAMES, RabbitMQCluster
from support.parts.rabbitmq_node import Installation
from support.parts.raw_publisher import RawPublisher
from support.waiting import wait_until


def wanted_version() -> str:
    """What go.mod asks for, or the version of the programs that KUBEBUILDER_ASSETS names."""
    if "KUBEBUILDER_ASSETS" not in os.environ:
        return kubernetes_version()
    asked = [str(find_binaries() / "kubectl"), "version", "--client", "-o", "json"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["clientVersion"]["gitVersion"])


def test_the_api_server_is_the_version_that_is_wanted_and_its_certificate_is_verified(control_plane) -> None:
    assert control_plane.request("GET", "/version").body["gitVersion"] == wanted_version()
    assert f"Server Version: {wanted_version()}" in control_plane.kubectl("version").stdout
    assert "insecure" not in control_plane.kubeconfig.read_text()


def test_a_user_without_rights_is_refused(control_plane, namespace) -> None:
    alice = control_plane.user_kubeconfig("alice", namespace)
    refused = control_plane.kubectl("get", "secrets", kubeconfig=alice, check=False)
    assert refused.returncode != 0
    assert 'User "alice" cannot list resource "secrets"' in refused.stderr


def test_a_service_account_gets_a_kubeconfig_of_its_own(control_plane, namespace) -> None:
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "default")
    who = control_plane.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", kubeconfig=kubeconfig)
    assert who.stdout == f"system:serviceaccount:{namespace}:default"


def test_pod_security_is_enforced(control_plane) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    name = control_plane.create_namespace("test-restricted", labels)
    pod = ["run", "root", "--image=any", "-n", name, "--dry-run=server", "--privileged"]
    refused = control_plane.kubectl(*pod, check=False)
    assert 'violates PodSecurity "restricted' in refused.stderr


def test_objects_survive_a_kill_of_the_api_server(own_control_plane, namespace) -> None:
    own_control_plane.kubectl("create", "configmap", "kept", "-n", namespace)
    own_control_plane.kill_apiserver()
    with pytest.raises(OSError):
        own_control_plane.request("GET", "/readyz")
    own_control_plane.start_apiserver()
    assert (
        own_control_plane.kubectl("get", "configmap", "kept", "-n", namespace, "-o", "name").stdout
        == "configmap/kept\n"
    )


def test_the_broker_confirms_a_message_and_gives_it_back(rabbitmq, queue) -> None:
    rabbitmq.declare(queue)
    rabbitmq.publish(queue, b'{"answer": 42}')
    assert rabbitmq.queue_depth(queue) == 1
    (message,) = rabbitmq.drain(queue)
    assert message.json() == {"answer": 42}
    assert message.properties.delivery_mode == 2
    assert rabbitmq.drain(queue) == []
    assert rabbitmq.queue_depth("no-such-queue") == 0


def test_a_durable_message_survives_a_kill_of_the_broker(own_rabbitmq) -> None:
    own_rabbitmq.declare("kept")
    own_rabbitmq.publish("kept", b"still here")
    own_rabbitmq.kill()
    assert not own_rabbitmq.answers()
    own_rabbitmq.start()
    assert [message.body for message in own_rabbitmq.drain("kept")] == [b"still here"]
    own_rabbitmq.delete("kept")


def test_the_broker_is_of_the_release_that_was_chosen_and_its_pid_is_that_of_the_server(own_rabbitmq) -> None:
    tree = own_rabbitmq.node.installation.tree
    assert (tree is not None) == bool(os.environ.get("AEG_TEST_RABBITMQ"))
    version = own_rabbitmq.version()
    assert version.startswith("4.") or tree is None
    assert ((tree or Path("/")) / f"usr/lib/rabbitmq/lib/rabbitmq_server-{version}").exists()
    assert Path(f"/proc/{own_rabbitmq.server.pid}/comm").read_text() == "beam.smp\n"
    assert "rabbitmq" not in Path("/proc/self/mountinfo").read_text(), "what it mounts is its own affair"


@pytest.mark.timeout(240)
async def test_a_quorum_queue_confirms_nothing_without_its_majority_and_goes_on_when_it_is_back(tmp_path) -> None:
    with RabbitMQCluster(tmp_path, Installation.chosen(os.environ)) as cluster:
        cluster.declare("kept", {"x-queue-type": "quorum"})
        leader = cluster.leader("kept")
        others = [name for name in NAMES if name != leader]
        cluster.lead_to(leader)
        async with RawPublisher(cluster) as publisher:
            publisher.publish("kept", body=b"before")
            await publisher.wait_settled(1)
            cluster.stop(*others)
            publisher.publish("kept", body=b"meanwhile")
            with pytest.raises(TimeoutError):
                await publisher.wait_settled(2, timeout_seconds=3)
            cluster.start(*others)
            assert await publisher.wait_settled(2) == ({1, 2}, set())
        wait_until(lambda: cluster.members_online("kept") == {*NAMES}, what="all members", timeout_seconds=60)
        cluster.kill(leader)
        # Until the others have elected one of them, the broker closes a consumer's connection with 541.
        wait_until(lambda: cluster.leader("kept") in others, what="another leader", timeout_seconds=60)
        assert [message.body for message in cluster.take("kept", 2)] == [b"before", b"meanwhile"]


def test_a_user_of_a_vhost_may_only_what_was_granted(own_rabbitmq) -> None:
    own_rabbitmq.add_user("guest-of-one", "password", vhost="only-here")
    address = ("127.0.0.1", own_rabbitmq.port, "guest-of-one")
    assert Broker(*address, "password", "only-here").answers()
    assert not Broker(*address, "password", "/").answers()
    assert not Broker(*address, "wrong", "only-here").answers()
    own_rabbitmq.delete_vhost("only-here")


def test_the_operator_process_sees_only_the_environment_it_is_given(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("RABBITMQ_HOST", "somewhere-else")
    operator = OperatorProcess(tmp_path, env={"RABBITMQ_PORT": "1"}, kubeconfig=tmp_path / "kubeconfig")
    environment = operator.process.env
    assert "RABBITMQ_HOST" not in environment
    assert environment["RABBITMQ_PORT"] == "1"
    assert environment["KUBECONFIG"] == str(tmp_path / "kubeconfig")
    assert environment["APP_PORT"] != environment["PROMETHEUS_PORT"]


def test_a_process_that_ends_by_itself_is_reported_with_its_log(tmp_path) -> None:
    process = Process("failing", ["sh", "-c", "echo the reason >&2; exit 3"], log=tmp_path / "failing.log")
    process.start()
    assert process.wait(10) == 3
    with pytest.raises(PartError, match=r"exit code 3(.|\n)*the reason"):
        process.must_run()


def test_ports_are_given_out_once() -> None:
    assert len({free_port() for _ in range(50)}) == 50


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_parts_die_with_a_test_run_that_is_killed(tmp_path) -> None:
    program = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from support.parts.processes import Process
        part = Process("part", ["sleep", "600"], log=Path(sys.argv[1]))
        part.start()
        while Path(f"/proc/{part.pid}/comm").read_text() != "sleep\\n":  # from then on it is bound to our life
            pass
        print(part.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    tests = Path(__file__).resolve().parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "log")],
        env=os.environ | {"PYTHONPATH": str(tests)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    pid = int(ran.stdout)
    wait_until(lambda: not _lives(pid), timeout_seconds=10, what="the end of the part")


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # an orphan that nobody has reaped yet is dead all the same
