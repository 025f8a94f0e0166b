"""How likely a sample is, given the weights it was drawn by."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any


def p_value(chi_square: float, degrees: int) -> float:
    """The chance of a chi-square at least this large; exact for whole degrees of freedom."""
    half = chi_square / 2
    at = 2 if degrees % 2 == 0 else 1
    chance = math.exp(-half) if at == 2 else math.erfc(math.sqrt(half))
    while at < degrees:
        if half > 0:
            chance += math.exp(at / 2 * math.log(half) - half - math.lgamma(at / 2 + 1))
        at += 2
    return chance


def fairness(seen: Counter[Any], weights: Mapping[Any, float]) -> float:
    """The chance of a sample at least this far from the weights."""
    assert set(seen) <= set(weights), set(seen) - set(weights)
    scale = seen.total() / sum(weights.values())
    chi_square = sum((seen[key] - weight * scale) ** 2 / (weight * scale) for key, weight in weights.items())
    return p_value(chi_square, len(weights) - 1)
