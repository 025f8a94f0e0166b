"""What a watch may have missed: resources that went while it was down, and ones it never told of.

Pure: the caller notes who is running, then lists, and acts on the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit_event_operator.cluster.resources.reconciler import Identity, judge

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a list says against who was running before it.

    `gone`: UIDs that ran and are not there any more. `living`: resources to look at again, since their spec may have
    changed. `strays`: UIDs that are there and did not run. `revived`: strays of two lists in a row, to be started.
    """

    gone: frozenset[str] = frozenset()
    living: tuple[Resource, ...] = ()
    strays: frozenset[str] = frozenset()
    revived: tuple[Resource, ...] = field(default=())


def compare(running: frozenset[str], listed: Sequence[Resource], earlier_strays: frozenset[str]) -> Findings:
    """Compare.

    Args:
        running: the UIDs that ran when the list was asked for, not later: one born meanwhile is not in the list.
        listed: the list.
        earlier_strays: strays of the comparison before. One alone may be a resource that was deleted after the list was
            made, so a stray is only started when it is there again.
    """
    alive = {who.uid: resource for resource in listed if isinstance(who := judge(None, resource), Identity)}
    strays = alive.keys() - running
    return Findings(
        gone=running - alive.keys(),
        living=tuple(alive[uid] for uid in alive if uid in running),
        strays=frozenset(strays - earlier_strays),
        revived=tuple(alive[uid] for uid in alive if uid in strays and uid in earlier_strays),
    )
