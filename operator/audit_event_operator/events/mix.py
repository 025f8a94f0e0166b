"""The weights between templates, as exact whole numbers."""

import math
from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from audit_event_operator.resource.spec import Activity
from audit_event_operator.resource.templates import ALIASES, BUILT_IN_TEMPLATES, SEED_TEMPLATES, SESSIONS_MIX

_RANK: Final = {name: rank for rank, name in enumerate(BUILT_IN_TEMPLATES)}


_DEFAULTS: Final[Mapping[Activity, Mapping[str, int]]] = {
    Activity.INDEPENDENT: dict.fromkeys(SEED_TEMPLATES, 1),
    Activity.SESSIONS: SESSIONS_MIX,
}


def weights_of(mix: Mapping[str, int] | None, activity: Activity = Activity.INDEPENDENT) -> dict[str, int]:
    """Whole weights above 0 per template, in the ratio the mix asks for; without a mix those of the activity.

    An alias's weight is split evenly among its templates and added to their own.
    The order of the result does not depend on the order of the mix, because JSON objects have none: the API server
    sorts them, a file does not, and both have to tell the same story.
    """
    if mix is None:
        return {**_DEFAULTS[activity]}
    shares: defaultdict[str, Fraction] = defaultdict(Fraction)
    for name, weight in mix.items():
        templates = ALIASES.get(name, (name,))
        for template in templates:
            shares[template] += Fraction(weight, len(templates))
    scale = math.lcm(*(share.denominator for share in shares.values()))
    ordered = sorted(shares.items(), key=lambda item: (_RANK.get(item[0], len(_RANK)), item[0]))
    return {template: int(share * scale) for template, share in ordered if share}
