"""The weights between templates, as exact integers: which template an event gets is one look-up in a table of sums."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from fractions import Fraction
from itertools import accumulate

from audit_event_operator.resource.templates import ALIASES, BUILT_IN_TEMPLATES


def weights_of(mix: Mapping[str, int] | None) -> dict[str, int]:
    """Whole weights per template, in the ratio the mix asks for; without a mix the seven built-in ones, equal.

    The weight of an event type that stands for several templates is shared evenly by them and added to what these have.
    """
    if mix is None:
        return dict.fromkeys(BUILT_IN_TEMPLATES, 1)
    shares: dict[str, Fraction] = {}
    for name, weight in mix.items():
        templates = ALIASES.get(name, (name,))
        for template in templates:
            shares[template] = shares.get(template, Fraction(0)) + Fraction(weight, len(templates))
    scale = math.lcm(*(share.denominator for share in shares.values()))
    return {template: int(share * scale) for template, share in shares.items() if share}


class Wheel:
    """Turns an even number below `total` into a template's index."""

    __slots__ = ("_sums", "total")

    def __init__(self, weights: list[int]) -> None:
        self._sums = list(accumulate(weights))
        self.total = self._sums[-1]

    def at(self, point: int) -> int:
        """The index whose share of the wheel holds `point` (0 to total − 1)."""
        return bisect_right(self._sums, point)
