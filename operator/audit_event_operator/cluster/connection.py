"""One authenticated way to the API server: the only module that imports the Kubernetes client, and only when it is used.

Raw JSON goes in and comes out; what the paths mean is `client`'s business. Errors of the client and of the network are
translated here, once. A connection belongs to the event loop that opened it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from audit_event_operator.cluster.errors import (
    ClusterError,
    Conflict,
    Forbidden,
    NoCluster,
    NotFound,
    Refused,
    Throttled,
    Unprocessable,
    Unreachable,
)  # fmt: skip

if TYPE_CHECKING:
    import ssl

REQUEST_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
PARALLEL_REQUESTS: Final = 40
SERVICE_ACCOUNT_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
DEFAULT_RETRY_AFTER_SECONDS: Final = 1.0
LONGEST_RETRY_AFTER_SECONDS: Final = 120.0


class Connection:
    """A pool of connections to one API server as one user. Tokens are renewed by the client as they expire.

    Args:
        configuration: the client's configuration, which nobody else uses.
        namespace: the namespace this process belongs to: its pod's, else its kubeconfig context's.
    """

    def __init__(self, configuration: Any, namespace: str) -> None:
        from kubernetes.aio.client import ApiClient

        configuration.connection_pool_maxsize = PARALLEL_REQUESTS + 10
        self.namespace = namespace
        self.in_cluster = False
        self._client: Any = ApiClient(configuration)

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self._client.configuration.host)

    @property
    def proxy(self) -> str | None:
        """The proxy of the kubeconfig, if it names one."""
        return self._client.configuration.proxy or None

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """Verifies the server as the configuration says, and shows our certificate if there is one."""
        context: ssl.SSLContext = self._client.rest_client.ssl_context
        return context

    async def headers(self) -> dict[str, str]:
        """Headers that say who we are, fresh for each request."""
        headers: dict[str, str] = {}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
        return headers

    async def request(
        self,
        method: str,
        path: str,
        *,
        right: str,
        query: Sequence[tuple[str, str]] = (),
        body: object | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Ask the API server for one thing.

        Args:
            method: the HTTP method.
            path: the absolute path, each part already quoted.
            right: the verb and resource that the request needs, for the message when it is missing.
            query: query parameters.
            body: what to send, as JSON.
            content_type: of the body.

        Raises:
            ClusterError: see the tree in `errors`.
        """
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        headers = {"Accept": "application/json", "Content-Type": content_type}
        try:
            _, url, headers, body, _ = await self._client.param_serialize(
                method, path, query_params=list(query), header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            response = await self._client.call_api(method, url, headers, body, _request_timeout=timeout)
            text: bytes = await response.read()
        except TimeoutError as error:
            raise Unreachable(f"The API server did not answer within {REQUEST_SECONDS:g} s ({right}).") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(
                f"The API server at {self.server} cannot be reached: {error or type(error).__name__}."
            ) from error
        if not 200 <= response.status < 300:
            raise _translate(response.status, response.headers, text, right)
        try:
            answer = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise Unreachable(f"The API server's answer is not JSON ({right}).") from error
        if not isinstance(answer, dict):
            raise Refused(f"The API server's answer is not an object ({right}).")
        return answer

    async def close(self) -> None:
        """Close all its connections."""
        await self._client.close()


async def connect(environment: Mapping[str, str] = os.environ, *, context: str | None = None) -> Connection:
    """Find the API server: a kubeconfig that is named, else the pod's service account, else `~/.kube/config`.

    Raises:
        NoCluster: none of them is there, or it cannot be used.
    """
    from kubernetes.aio import config as untyped_config
    from kubernetes.aio.client import Configuration

    config: Any = untyped_config
    configuration = Configuration()
    in_cluster = not environment.get("KUBECONFIG") and bool(environment.get("KUBERNETES_SERVICE_HOST"))
    try:
        if in_cluster:
            config.load_incluster_config(client_configuration=configuration)
            namespace = _own_namespace() or "default"
        else:
            path = environment.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")  # noqa: ASYNC240, PTH111 - no I/O
            await config.load_kube_config(
                config_file=path, context=context, client_configuration=configuration, persist_config=False
            )
            namespace = _context_namespace(path, context)
    except (config.ConfigException, OSError) as error:
        raise NoCluster(
            f"There is no way to a Kubernetes API server: {error}. Run in a pod with a service account, set KUBECONFIG, "
            "or use `audit-event-operator standalone`."
        ) from error
    connection = Connection(configuration, namespace)
    connection.in_cluster = in_cluster
    return connection


def _own_namespace() -> str | None:
    try:
        return SERVICE_ACCOUNT_NAMESPACE.read_text("utf-8").strip()
    except OSError:
        return None


def _context_namespace(path: str, context: str | None) -> str:
    from kubernetes.aio import config as untyped_config

    config: Any = untyped_config
    contexts, active = config.list_kube_config_contexts(config_file=path)
    chosen = next((each for each in contexts if each["name"] == context), active)
    return str(chosen["context"].get("namespace") or "default")


def _translate(status: int, headers: Mapping[str, str], text: bytes, right: str) -> ClusterError:
    """Turn an answer that is no success into one of our errors."""
    try:
        message = str(orjson.loads(text).get("message", ""))
    except (orjson.JSONDecodeError, AttributeError):
        message = ""
    said = f"the API server says: {message[:500]}" if message else f"the API server answers {status}"
    retry_after = _retry_after(headers)
    if status == 429 or (status == 503 and retry_after is not None):
        return Throttled(f"Cannot {right} now; {said}.", retry_after or DEFAULT_RETRY_AFTER_SECONDS)
    if status == 403:
        return Forbidden(f"The operator's account may not {right}; grant it in its role ({said}).")
    kinds: dict[int, type[ClusterError]] = {404: NotFound, 409: Conflict, 422: Unprocessable}
    kind = kinds.get(status, Unreachable if status >= 500 else Refused)
    return kind(f"Cannot {right}; {said}.")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After in seconds; dates are not used by API servers."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
