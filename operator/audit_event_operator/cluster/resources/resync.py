"""What a watch may have missed: resources that went while it was down, and ones it never told of.

Pure: the caller notes what is known, then lists, and acts on the findings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit_event_operator.cluster.resources.view import Identity, classify

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a list tells against what was known before it.

    `gone`: UIDs that were known and are not there any more. `living`: known resources to look at again, since their spec may
    have changed. `strays`: UIDs that are there and were not known. `revived`: strays of two lists in a row, to be taken in.
    """

    gone: frozenset[str] = frozenset()
    living: tuple[Resource, ...] = ()
    strays: frozenset[str] = frozenset()
    revived: tuple[Resource, ...] = field(default=())


def compare(
    known: frozenset[str], listed: Sequence[Resource], earlier_strays: frozenset[str] = frozenset()
) -> Findings:
    """Compare.

    Args:
        known: the UIDs known when the list was asked for, not later: one born meanwhile is not in the list.
        listed: the list.
        earlier_strays: strays of the comparison before. One alone may be a resource that was deleted after the list was
            made, so a stray is only taken in when it is there again.
    """
    alive = {who.uid: resource for resource in listed if isinstance(who := classify(None, resource), Identity)}
    strays = alive.keys() - known
    return Findings(
        gone=known - alive.keys(),
        living=tuple(alive[uid] for uid in alive if uid in known),
        strays=frozenset(strays - earlier_strays),
        revived=tuple(alive[uid] for uid in alive if uid in strays and uid in earlier_strays),
    )
