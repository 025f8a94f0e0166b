"""A real Kubernetes control plane on loopback: etcd, kube-apiserver with RBAC and verified TLS, a controller manager if wanted.

There is no node and no scheduler: pods can be created (and judged by admission) but never run.
"""

import base64
import http.client
import json
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml

from support.parts.build import find_binaries
from support.parts.certificates import issue, make_authority, make_key
from support.parts.processes import PartError, Process, free_port
from support.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[3]
CRD_FILE = REPOSITORY / "crds" / "auditeventgenerators.yaml"
OVERLAY = REPOSITORY / "manifests" / "overlays" / "default"
OPERATOR = "audit-event-operator"  # namespace and ServiceAccount of the manifests
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{OPERATOR}/leases"
RBAC_KINDS = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


class Resource(NamedTuple):
    """Where a custom resource lives."""

    group: str
    version: str
    plural: str

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{self.group}"

    def path(self, namespace: str | None = None, name: str = "") -> str:
        """The path of an object, of all in a namespace, or of all there are."""
        within = f"/namespaces/{namespace}" if namespace else ""
        return f"/apis/{self.group}/{self.version}{within}/{self.plural}{'/' if name else ''}{name}"


# Written out, not imported from the product: its constants are among what is tested.
GENERATORS = Resource("auditflow.jojees.net", "v1alpha1", "auditeventgenerators")

# Who may knock with a static token. alice and bob have no rights but those that a test gives them.
USERS: Mapping[str, Sequence[str]] = {"admin": ("system:masters",), "alice": (), "bob": ()}
READY_SECONDS = 30
CONTROLLERS_SECONDS = 90
ISSUER = "https://kubernetes.default.svc"


class Answer(NamedTuple):
    """What the API server said: the HTTP status and the decoded JSON (or the text)."""

    status: int
    body: Any


class ControlPlane:
    """etcd and kube-apiserver in a folder; the API server can be killed and started again on the same etcd and port."""

    def __init__(
        self,
        folder: Path,
        *,
        controller_manager: bool = False,
        users: Mapping[str, Sequence[str]] = USERS,
        apiserver_arguments: Sequence[str] = (),
        controller_manager_arguments: Sequence[str] = (),
    ) -> None:
        """Nothing is started yet.

        Args:
            folder: where certificates, data and logs go; must exist.
            controller_manager: start kube-controller-manager too (namespace deletion, garbage collection, aggregated roles).
            users: name → groups of the users with a static token, beside which every ServiceAccount has its own.
            apiserver_arguments: more flags for kube-apiserver; a flag given here wins over the same one below.
            controller_manager_arguments: the same for kube-controller-manager.
        """
        self.folder = folder
        self.users = users
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca_file = folder / "ca.crt"
        self._controller_manager_wanted = controller_manager
        self._apiserver_arguments = apiserver_arguments
        self._controller_manager_arguments = controller_manager_arguments
        self._binaries = find_binaries()
        self._etcd_port = free_port()
        self.etcd = self._make_etcd()
        self.apiserver = self._make_apiserver()
        self.controller_manager = self._make_controller_manager()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- start and stop ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything and wait until it is ready (1–3 s)."""
        self._write_credentials()
        try:
            self.etcd.start()
            self.start_apiserver()
            if self._controller_manager_wanted:
                self.start_controller_manager()
            else:
                self._create_default_account("default")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything; safe to call at any time. Nobody needs the data afterwards, so nobody is asked twice."""
        self.controller_manager.kill()
        self.apiserver.kill()
        self.etcd.kill()

    def start_apiserver(self) -> None:
        """Start the API server (again), and wait until it is ready."""
        self.apiserver.start()

        def ready() -> bool:
            self.etcd.must_run()
            self.apiserver.must_run()
            try:
                return self.request("GET", "/readyz").status == 200
            except OSError:
                return False

        wait_until(ready, timeout_seconds=READY_SECONDS, what="the API server", explain=self.apiserver.log_tail)

    def kill_apiserver(self) -> None:
        """End the API server with SIGKILL. etcd goes on."""
        self.apiserver.kill()

    def restart_apiserver(self) -> None:
        """Kill the API server and start it again on the same etcd and port."""
        self.kill_apiserver()
        self.start_apiserver()

    def start_controller_manager(self) -> None:
        """Start the controller manager and wait until it does its work: a namespace gets its account, and goes when deleted."""
        self.controller_manager.start()
        probe = "/api/v1/namespaces/controller-manager-probe"
        self._expect(self.request("POST", "/api/v1/namespaces", {"metadata": {"name": probe.rsplit("/", 1)[1]}}))

        def status_of(path: str) -> int:
            self.controller_manager.must_run()
            return self.request("GET", path).status

        explain = self.controller_manager.log_tail
        for done, what in (
            (lambda: status_of(f"{probe}/serviceaccounts/default") == 200, "the controller manager to make an account"),
            (lambda: status_of(probe) == 404, "the controller manager to delete a namespace"),
        ):
            wait_until(done, timeout_seconds=CONTROLLERS_SECONDS, what=what, explain=explain)
            self.request("DELETE", probe)

    # --- clients ----------------------------------------------------------------------------------------------------

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.user_kubeconfig("admin")

    def user_kubeconfig(self, user: str, namespace: str = "default") -> Path:
        """The kubeconfig of a user with a static token."""
        return self._write_kubeconfig(f"{user}-{namespace}", _token(user), namespace)

    def service_account_kubeconfig(self, namespace: str, name: str, duration: str = "24h") -> Path:
        """The kubeconfig of a ServiceAccount, with a fresh token (TokenRequest); its default namespace is the account's."""
        token = self.kubectl("create", "token", name, "-n", namespace, f"--duration={duration}").stdout.strip()
        return self._write_kubeconfig(f"{namespace}-{name}", token, namespace)

    def operator_kubeconfig(self) -> Path:
        """The kubeconfig of the operator's own ServiceAccount, for which install_rbac() must have been called."""
        return self.service_account_kubeconfig(OPERATOR, OPERATOR)

    def kubectl(
        self,
        *arguments: str | Path,
        input: str | None = None,  # noqa: A002 - the name that subprocess gives it
        kubeconfig: Path | None = None,
        check: bool = True,
        timeout_seconds: float = 60,
    ) -> "subprocess.CompletedProcess[str]":
        """Run kubectl (as administrator, or with another kubeconfig); with check, AssertionError when it fails."""
        home = self.folder / "home"  # the discovery cache, and nobody's ~/.kube
        home.mkdir(exist_ok=True)
        done = subprocess.run(
            [str(self._binaries / "kubectl"), *map(str, arguments)],
            input="" if input is None else input,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "KUBECONFIG": str(kubeconfig or self.kubeconfig)},
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr}")
        return done

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        token: str | None = None,
        timeout_seconds: float = 30,
    ) -> Answer:
        """One call to the API server without the cost of a kubectl; OSError when it does not answer.

        Args:
            method: GET, POST, PUT, PATCH or DELETE.
            path: with the query, for example "/apis/auditflow.jojees.net/v1alpha1/auditeventgenerators?limit=1".
            body: becomes JSON.
            content_type: for PATCH "application/merge-patch+json" or "application/json-patch+json".
            token: bearer token; the administrator's when None.
            timeout_seconds: for connecting and for every read.
        """
        context = ssl.create_default_context(cafile=str(self.ca_file))
        line = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout_seconds, context=context)
        headers = {"Authorization": f"Bearer {token or _token('admin')}", "Content-Type": content_type}
        try:
            line.request(method, path, None if body is None else json.dumps(body), headers)
            answer = line.getresponse()
            text = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"The API server broke the line: {error!r}") from error
        finally:
            line.close()
        is_json = answer.headers.get_content_type() == "application/json"
        return Answer(answer.status, json.loads(text) if is_json else text.decode())

    # --- what the tests put into it ---------------------------------------------------------------------------------

    def create_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """A namespace with its `default` ServiceAccount, as the controller manager would make it."""
        self._expect(self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels or {}}}))
        self._create_default_account(name)
        return name

    def install_crd(self, file: Path = CRD_FILE) -> None:
        """Apply the CustomResourceDefinition and wait until its resources are served, and kubectl knows them."""
        self.kubectl("apply", "-f", file)
        # Not `kubectl wait`: right after the apply the conditions may still be null, and then it fails instead of waiting.
        wait_until(lambda: self.request("GET", GENERATORS.path()).status == 200, what="the custom resources")
        # Discovery and OpenAPI come a little later.
        explain = "explain", GENERATORS.plural
        wait_until(
            lambda: self.kubectl(*explain, check=False).returncode == 0, what="kubectl to know the custom resources"
        )

    def install_rbac(self, overlay: Path = OVERLAY) -> None:
        """Apply an overlay's namespace, ServiceAccount and RBAC: all that the operator's rights are made of, and no pod."""
        documents = yaml.safe_load_all(self.kubectl("kustomize", overlay).stdout)
        wanted = [document for document in documents if document and document["kind"] in RBAC_KINDS]
        self.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(wanted))

    def delete_leases(self) -> None:
        """Else the next operator would wait until the Leases of one that was killed have run out."""
        if self.apiserver.running:
            self.request("DELETE", LEASES)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _make_etcd(self) -> Process:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        return Process(
            "etcd",
            [
                self._binaries / "etcd",
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync",  # safe against the death of a process, which is all that tests do
            ],
            log=self.folder / "etcd.log",
        )

    def _make_apiserver(self) -> Process:
        # All default admission plugins are on, as in a real cluster: PodSecurity judges pods, and ServiceAccount wants the
        # pod's account to exist. Without a controller manager, start() and create_namespace() make the `default` ones.
        return Process(
            "kube-apiserver",
            [
                self._binaries / "kube-apiserver",
                f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                f"--secure-port={self.port}",
                f"--tls-cert-file={self.folder / 'apiserver.crt'}",
                f"--tls-private-key-file={self.folder / 'apiserver.key'}",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                f"--service-account-issuer={ISSUER}",
                f"--service-account-key-file={self.folder / 'service-accounts.key'}",
                f"--service-account-signing-key-file={self.folder / 'service-accounts.key'}",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--endpoint-reconciler-type=none",  # the Service `kubernetes` cannot lead to a loopback address
                "--allow-privileged=true",  # as everywhere: what a pod may do is PodSecurity's business
                "--profiling=false",
                *self._apiserver_arguments,
            ],
            log=self.folder / "apiserver.log",
        )

    def _make_controller_manager(self) -> Process:
        return Process(
            "kube-controller-manager",
            [
                self._binaries / "kube-controller-manager",
                f"--kubeconfig={self.folder / 'admin-default.kubeconfig'}",
                f"--service-account-private-key-file={self.folder / 'service-accounts.key'}",
                f"--root-ca-file={self.ca_file}",
                "--leader-elect=false",
                "--secure-port=0",  # else it listens on all interfaces, on a port that others may have
                *self._controller_manager_arguments,
            ],
            log=self.folder / "controller-manager.log",
        )

    def _write_credentials(self) -> None:
        authority = make_authority(self.folder)
        issue(authority, self.folder, "apiserver", ["127.0.0.1", "localhost", "kubernetes.default.svc"])
        make_key(self.folder / "service-accounts.key")
        lines = [f'{_token(user)},{user},{user},"{",".join(groups)}"\n' for user, groups in self.users.items()]
        (self.folder / "tokens.csv").write_text("".join(lines))
        self.user_kubeconfig("admin")

    def _write_kubeconfig(self, name: str, token: str, namespace: str) -> Path:
        authority = base64.b64encode(self.ca_file.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "user", "namespace": namespace}}],
            "current-context": "tests",
        }
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(json.dumps(config, indent=2))  # JSON is YAML
        path.chmod(0o600)
        return path

    def _create_default_account(self, namespace: str) -> None:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        answer = self.request("POST", path, {"metadata": {"name": "default"}})
        if answer.status != 409:  # there already: by the controller manager, or by an earlier start
            self._expect(answer)

    def _expect(self, answer: Answer) -> None:
        if answer.status >= 300:
            raise PartError(f"The API server refused: {answer.body}")


def _token(user: str) -> str:
    return f"token-of-{user}"
