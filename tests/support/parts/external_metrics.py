"""An external-metrics API (external.metrics.k8s.io) behind the API server's aggregation layer, with values that a test sets.

What prometheus-adapter or KEDA are in a real cluster: an APIService leads kube-apiserver here, which proves who it is with a
certificate of the front proxy's authority.
"""

import base64
import json
import ssl
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from support.parts.certificates import issue, make_authority
from support.parts.controlplane import ControlPlane
from support.waiting import wait_until

GROUP_VERSION: Final = "external.metrics.k8s.io/v1beta1"
_ROOT: Final = f"/apis/{GROUP_VERSION}"
_NAME: Final = "external-metrics"
_NAMESPACE: Final = "default"


class FrontProxy:
    """The authority by which kube-apiserver proves to others that it is who calls them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        authority = make_authority(folder, "front-proxy")
        self.ca_file = authority.certificate
        self._client = issue(authority, folder, "front-proxy-client")

    @property
    def arguments(self) -> list[str]:
        """The flags of kube-apiserver that switch the aggregation layer on."""
        return [
            f"--requestheader-client-ca-file={self.ca_file}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={self._client.certificate}",
            f"--proxy-client-key-file={self._client.key}",
        ]


class ExternalMetrics:
    """Serves `values`, name to quantity, to whoever comes through the API server; every namespace has the same."""

    def __init__(self, folder: Path, front_proxy: FrontProxy) -> None:
        folder.mkdir()
        self.values: dict[str, str] = {}
        self.asked: list[str] = []
        """The paths of the questions about metrics, in their order."""
        authority = make_authority(folder, _NAME)
        self._ca = authority.certificate.read_bytes()
        pair = issue(authority, folder, "server", [f"{_NAME}.{_NAMESPACE}.svc"])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(front_proxy.ca_file))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(pair.certificate, pair.key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, name=_NAME, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def register(self, plane: ControlPlane) -> None:
        """Have the API server send questions about external metrics here, and wait until it does."""
        port = self._server.server_address[1]
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _NAME, "namespace": _NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost"},  # there is nothing that would route to a pod
        }
        version = {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
            "spec": {
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "service": {"name": _NAME, "namespace": _NAMESPACE, "port": port},
                "caBundle": base64.b64encode(self._ca).decode(),
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        }
        for each in (service, version):
            plane.kubectl("apply", "-f", "-", input=json.dumps(each))
        wait_until(
            lambda: plane.request("GET", _ROOT).status == 200,
            what="the external metrics API",
            explain=lambda: plane.kubectl("get", "apiservice", "v1beta1.external.metrics.k8s.io", "-o", "yaml").stdout,
        )

    def answer(self, path: str) -> Mapping[str, Any] | None:
        """The JSON behind a path; None when there is none."""
        parts = urlsplit(path).path.removeprefix(_ROOT).strip("/").split("/")
        if not path.startswith(_ROOT):
            return None
        if parts == [""]:
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP_VERSION, "resources": []}
        if len(parts) != 3 or parts[0] != "namespaces" or parts[2] not in self.values:
            return None
        self.asked.append(path)
        item = {
            "metricName": parts[2],
            "metricLabels": {},
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "value": self.values[parts[2]],
        }
        return {"kind": "ExternalMetricValueList", "apiVersion": GROUP_VERSION, "metadata": {}, "items": [item]}


def _handler_of(metrics: ExternalMetrics) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # the name that http.server asks for
            found = metrics.answer(self.path)
            body = json.dumps(
                found or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}
            ).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to stderr."""

    return Handler
