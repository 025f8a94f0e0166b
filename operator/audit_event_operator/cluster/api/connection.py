"""One authenticated way to the API server: the only module that imports the Kubernetes client, and only when it is used.

Raw JSON goes in and comes out; what the paths mean is `client`'s business. Errors of the client and of the network are
translated here, once. A connection belongs to the event loop that opened it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import orjson
from yaml import YAMLError

from audit_event_operator.cluster.api.errors import (
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
    import aiohttp

logger = logging.getLogger(__name__)

USER_AGENT: Final = "audit-event-operator"
REQUEST_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
PARALLEL_REQUESTS: Final = 40
SERVICE_ACCOUNT_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
LOGIN_AGAIN_SECONDS: Final = 10.0
DEFAULT_RETRY_AFTER_SECONDS: Final = 1.0
LONGEST_RETRY_AFTER_SECONDS: Final = 120.0


class Connection:
    """A pool of connections to one API server as one user.

    Args:
        configuration: the client's configuration, which nobody else uses.
        namespace: the namespace this process belongs to: its pod's, else its kubeconfig context's.
        log_in_again: renews the configuration's credentials, for when the API server does not know them any more.
    """

    def __init__(
        self, configuration: Any, namespace: str, log_in_again: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        from kubernetes.aio.client import ApiClient

        self.namespace = namespace
        self._client: Any = ApiClient(configuration)
        self._log_in_again = log_in_again
        self._logged_in_at = time.monotonic()
        self._session: aiohttp.ClientSession | None = None
        """Of its own requests, since the first one."""

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self._client.configuration.host)

    def session(self, *, most: int = 0, **options: Any) -> aiohttp.ClientSession:
        """Open a session of its own to the same server as the same user, with tokens that are fresh for each request.

        The client's own way of sending takes three times the processor time: it looks for proxies and netrc files in threads.
        `most`: how many connections it may have; 0 for as many as it needs.
        """
        import aiohttp

        async def authorize(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            await self._client.update_params_for_auth(request.headers, [], ["BearerToken"], "", "", None)
            return await handler(request)

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=most, ssl=self._client.rest_client.ssl_context),
            middlewares=(authorize,),
            proxy=self._client.configuration.proxy or None,
            trust_env=_environment_names_a_proxy(self.server),
            **options,
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        right: str,
        query: Sequence[tuple[str, str]] = (),
        body: object | None = None,
    ) -> dict[str, Any]:
        """Ask the API server for one thing.

        The parts of `path` are quoted already. `right` is the verb and resource that the request needs, for the message when
        it is missing. With PATCH, `body` is a JSON Patch.

        Raises:
            ClusterError: see `errors`.
        """
        ask = partial(self._exchange, method, path, right, query, body)
        status, answered, text = await ask()
        if status == 401 and await self._could_log_in_again():
            status, answered, text = await ask()
        if not 200 <= status < 300:
            raise _translate(status, answered, text, right)
        try:
            answer = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise Unreachable(f"The API server's answer is not JSON ({right}).") from error
        if not isinstance(answer, dict):
            raise Refused(f"The API server's answer is not an object ({right}).")
        return answer

    async def close(self) -> None:
        """Close the connections of its requests; sessions are their openers' to close."""
        if self._session is not None:
            await self._session.close()
        await self._client.close()

    async def _exchange(
        self, method: str, path: str, right: str, query: Sequence[tuple[str, str]], body: object
    ) -> tuple[int, Mapping[str, str], bytes]:
        from aiohttp import ClientError, ClientTimeout
        from kubernetes.aio.config import ConfigException

        content_type = "application/json-patch+json" if method == "PATCH" else "application/json"
        if self._session is None:
            self._session = self.session(headers={"User-Agent": USER_AGENT}, most=PARALLEL_REQUESTS + 10)
        try:
            async with self._session.request(
                method,
                self.server + path,
                params=query,
                data=None if body is None else orjson.dumps(body),
                headers={"Accept": "application/json", "Content-Type": content_type},
                server_hostname=self._client.configuration.tls_server_name or None,
                timeout=ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS),
            ) as response:
                return response.status, response.headers, await response.read()
        except TimeoutError as error:
            raise Unreachable(f"The API server did not answer within {REQUEST_SECONDS:g} s ({right}).") from error
        except (ClientError, OSError) as error:
            why = str(error) or type(error).__name__
            raise Unreachable(f"Cannot reach the API server at {self.server}: {why}.") from error
        except ConfigException as error:
            raise Unreachable(f"Cannot read the credentials for the API server: {error}.") from error

    async def _could_log_in_again(self) -> bool:
        now = time.monotonic()
        if self._log_in_again is None or now - self._logged_in_at < LOGIN_AGAIN_SECONDS:
            return False
        self._logged_in_at = now
        try:
            await self._log_in_again()
        except NoCluster as error:
            logger.warning("Could not log in to the API server again: %s", error)
            return False
        return True


async def connect(environment: Mapping[str, str] = os.environ) -> Connection:
    """Find the API server: a kubeconfig that is named, else the pod's service account, else `~/.kube/config`.

    Raises:
        NoCluster: none of them is there, or it cannot be used.
    """
    from kubernetes.aio import config as untyped_config
    from kubernetes.aio.client import Configuration

    config: Any = untyped_config
    configuration = Configuration()
    if not environment.get("KUBECONFIG") and environment.get("KUBERNETES_SERVICE_HOST"):
        try:
            config.load_incluster_config(client_configuration=configuration)
        except (config.ConfigException, OSError) as error:
            raise _no_cluster(error) from error
        try:
            namespace = SERVICE_ACCOUNT_NAMESPACE.read_text("utf-8").strip()
        except OSError:
            namespace = ""
        return Connection(configuration, namespace or "default")

    path = environment.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")  # noqa: ASYNC240, PTH111 - no I/O

    async def log_in() -> None:
        try:
            await config.load_kube_config(config_file=path, client_configuration=configuration, persist_config=False)
        except (config.ConfigException, OSError, YAMLError, TypeError, KeyError, ValueError) as error:  # any odd file
            raise _no_cluster(error) from error

    await log_in()
    _, active = config.list_kube_config_contexts(config_file=path)
    return Connection(configuration, str(active["context"].get("namespace") or "default"), log_in)


def _environment_names_a_proxy(server: str) -> bool:
    """Whether HTTPS_PROXY, NO_PROXY and the like, as kubectl understands them, send us through a proxy."""
    url = urlsplit(server)
    return url.scheme in getproxies() and not proxy_bypass(url.hostname or "")


def _no_cluster(error: Exception) -> NoCluster:
    return NoCluster(
        f"No usable Kubernetes configuration: {error}. Run in a pod with a service account, set KUBECONFIG, "
        "or use `audit-event-operator standalone`."
    )


def _translate(status: int, headers: Mapping[str, str], text: bytes, right: str) -> ClusterError:
    """Turn an answer that is no success into one of our errors."""
    try:
        message = str(orjson.loads(text).get("message", ""))
    except (orjson.JSONDecodeError, AttributeError):
        message = ""
    said = f"the API server answered: {message[:500]}" if message else f"the API server answered {status}"
    retry_after = _retry_after(headers)
    if status == 429 or (status == 503 and retry_after is not None):
        return Throttled(f"Cannot {right} now; {said}.", retry_after or DEFAULT_RETRY_AFTER_SECONDS)
    if status == 403 and b"NamespaceTerminating" in text:
        return NotFound(f"Cannot {right}: the namespace is being deleted.")
    if status == 403:
        return Forbidden(f"The operator's account may not {right}; add the permission to its role ({said}).")
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
