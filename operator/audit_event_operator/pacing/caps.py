"""Fair shares of a cap: small rates keep what they ask for, the large ones divide the rest evenly (max-min fairness)."""

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

K = TypeVar("K")


def fair_shares(asked: Mapping[K, Fraction], cap: Fraction) -> dict[K, Fraction]:
    """Divide `cap` events/s: no share exceeds what it asked for, and their sum never exceeds the cap."""
    shares: dict[K, Fraction] = {}
    left, waiting = cap, len(asked)
    for key, rate in sorted(asked.items(), key=lambda item: item[1]):
        shares[key] = min(rate, left / waiting)
        left -= shares[key]
        waiting -= 1
    return shares
