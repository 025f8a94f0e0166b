"""What tests tell the table of the fault matrix: `saw("published 5,000, missing 0")`, with the fixture `saw`."""

from collections.abc import Callable

PROPERTY = "saw"
"""As which property of a test's report it is kept."""

Measured = Callable[[object], None]
"""The fixture."""
