"""What is wrong with a resource, in words for its author."""

from typing import NamedTuple


class Problem(NamedTuple):
    """One thing to mend.

    Attributes:
        field: where, as the API server writes it: `spec.eventTypes[0].name`.
        message: a sentence with the field's name and what is allowed.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class SpecError(ValueError):
    """A spec that cannot be run. `str()` of it is fit for a condition's message."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems
