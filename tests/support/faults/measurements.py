"""Figures of a test for the table of the fault matrix: the fixture `measured("published 5,000, missing 0")`."""

from collections.abc import Callable

PROPERTY = "measured"
"""The property of a test's report that holds it."""

Measured = Callable[[object], None]
"""The fixture."""
