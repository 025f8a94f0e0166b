"""How large a generator's window is. Pure."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

WINDOW_MIN: Final = 64
WINDOW_MAX: Final = 2_048


def window_for(rate: Fraction) -> int:
    """One second of the target rate, 64 to 2048 events: the bound of the buffer and of what is unconfirmed."""
    return max(WINDOW_MIN, min(WINDOW_MAX, math.ceil(rate)))
