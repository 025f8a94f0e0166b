"""Turns pydantic errors into sentences with the names that the user wrote; replaces pydantic's wording."""

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from audit_event_operator.resource.problems import Problem, shown

if TYPE_CHECKING:
    from audit_event_operator.resource.rules import Rule

_SENTENCES = {
    "missing": "is required",
    "bool_type": "must be true or false",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
}


def problems_of(error: ValidationError, root: str) -> tuple[Problem, ...]:
    """Return one problem for every broken constraint, with fields written as the API server writes them."""
    problems: list[Problem] = []
    details = error.errors(include_url=False, include_input=False)
    places = [detail["loc"] for detail in details]
    for detail in details:
        if detail["type"] == "too_short" and _has_deeper(places, detail["loc"]):
            continue  # pydantic does not count the entries that it rejected
        context: dict[str, Any] = detail.get("ctx", {})
        place = path(root, detail["loc"])
        if detail["type"] == "broken_rules":
            rules: tuple[Rule, ...] = context["rules"]
            problems += [Problem(f"{place}.{rule.field}" if rule.field else place, rule.message) for rule in rules]
        else:
            problems.append(
                Problem(place, f"{shown(_short_name(place))} {_sentence(detail['type'], detail['msg'], context)}")
            )
    return tuple(problems)


def _has_deeper(places: list[tuple[str | int, ...]], place: tuple[str | int, ...]) -> bool:
    return any(len(other) > len(place) and other[: len(place)] == place for other in places)


def _sentence(kind: str, message: str, context: dict[str, Any]) -> str:
    if kind == "refused":
        return str(context["says"])
    if kind == "enum":
        return f"must be one of {context['expected']}"
    if kind == "too_short":
        return f"must have at least {_entries(context['min_length'])}"
    if kind == "too_long":
        return f"must have at most {_entries(context['max_length'])}"
    return _SENTENCES.get(kind, f"is not valid: {message}")


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def path(root: str, location: tuple[str | int, ...]) -> str:
    """Join a pydantic location to a path such as `spec.eventTypes[0].name`."""
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)


def _short_name(place: str) -> str:
    return place.rsplit(".", 1)[-1]
