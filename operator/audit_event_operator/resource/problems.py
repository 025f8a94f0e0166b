"""What is wrong with a resource, in sentences for its author and with the names they wrote; replaces pydantic's wording."""

from typing import Final, NamedTuple

from pydantic import ValidationError

SHOWN_CHARACTERS: Final = 100

_SENTENCES: Final = {
    "refused": "{says}",
    "missing": "is required",
    "bool_type": "must be true or false",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "enum": "must be one of {expected}",
    "too_short": "must have at least {min_length} {entries}",
    "too_long": "must have at most {max_length} entries",
}


def shown(text: str, most: int = SHOWN_CHARACTERS) -> str:
    """Make foreign text fit for a sentence: one printable line that can neither reorder nor drown the text around it."""
    visible = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text[: most + 1]
    )
    return shortened(visible, most)


def shortened(text: str, most: int) -> str:
    """Cut a text that is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


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


def problems_of(error: ValidationError, root: str) -> tuple[Problem, ...]:
    """Return one problem for every broken constraint, with fields written as the API server writes them."""
    problems: list[Problem] = []
    details = error.errors(include_url=False, include_input=False)
    for detail in details:
        kind, place, context = detail["type"], detail["loc"], detail.get("ctx", {})
        if kind == "too_short" and any(other["loc"][: len(place)] == place != other["loc"] for other in details):
            continue  # pydantic does not count the entries that it rejected
        field = root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
        if kind == "broken_rules":
            problems += [
                Problem(f"{field}.{rule.field}" if rule.field else field, rule.message) for rule in context["rules"]
            ]
        else:
            entries = "entry" if context.get("min_length") == 1 else "entries"
            sentence = _SENTENCES.get(kind, "is not valid: {msg}").format_map(
                {"msg": detail["msg"], "entries": entries, **context}
            )
            problems.append(Problem(field, f"{shown(field.rsplit('.', 1)[-1])} {sentence}"))
    return tuple(problems)
