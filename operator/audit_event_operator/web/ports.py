"""What the HTTP face needs from outside: who may post and read, whether the process is well, and counts of the source.

The consumer owns these ports; the command line hands in what implements them. Nothing here knows Kubernetes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from audit_event_operator.resource.access import Decision


class Authorizer(Protocol):
    """Decides who may post events."""

    async def may_post(self, token: str | None, namespace: str | None) -> Decision:
        """Decide about one request; never raises.

        `token` is the request's bearer token, `namespace` the asked generator's; None where there is none.
        """


class Readers(Protocol):
    """Decides who may read."""

    async def may_read(self, token: str | None, path: str) -> Decision:
        """Decide about one GET of a path; never raises. `token` is the request's bearer token, None where there is none."""


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """Whether the process is well; all callables are cheap and called on the loop.

    `livez` and `readyz` return a sentence for each check that fails; liveness must never depend on a broker. `leader` is
    whether this process holds the Lease, None without a cluster. `warnings` are sentences of what an administrator should
    mend although the process works.
    """

    livez: Callable[[], list[str]] = list
    readyz: Callable[[], list[str]] = list
    leader: Callable[[], bool | None] = lambda: None
    warnings: Callable[[], list[str]] = list


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """What the source of resources has counted; all callables are cheap and called on the loop.

    `reconciles`: handled changes of resources by result. `api_writes`: writes to the API server by (kind, result).
    `apiserver_last_success_unix_seconds`: when the API server last answered, None when there is none or it never did.
    `foreign_owners`: resources that another installation serves or wants to serve, too. `buckets`: how many of the sixteen
    parts of all resources this process serves. `members`: how many processes share them.
    Words should be there from the start with 0, so that a first failure is an increase and not a new series.
    """

    reconciles: Callable[[], Mapping[str, int]] = dict
    api_writes: Callable[[], Mapping[tuple[str, str], int]] = dict
    apiserver_last_success_unix_seconds: Callable[[], float | None] = lambda: None
    foreign_owners: Callable[[], int] = lambda: 0
    buckets: Callable[[], int] = lambda: 16
    members: Callable[[], int] = lambda: 1
