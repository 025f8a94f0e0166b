"""What is wrong with a resource, in sentences for its author."""

from typing import Final, NamedTuple

SHOWN_CHARACTERS: Final = 100


def shown(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """Make foreign text fit for a sentence: one printable line that can neither reorder nor drown the text around it."""
    visible = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[: most + 1]
    )
    return visible if len(visible) <= most else f"{visible[: most - 1]}…"


class Problem(NamedTuple):
    """One thing to fix.

    Attributes:
        field: where, as the API server writes it: `spec.eventTypes[0].name`.
        message: a printable sentence with the field's name and what is allowed.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{shown(self.field)}: {self.message}"


class SpecError(ValueError):
    """A spec that cannot be run. `str()` of it is fit for a condition's message."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems
