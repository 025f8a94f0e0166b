"""Validates a whole resource as the API server does, without one.

Accepts and refuses what `kubectl apply --validate=strict` does; a parity test compares the two on a real API server. Of the
status only unknown fields are a problem, because the API server ignores the rest. Knows nothing of files but their lines.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from audit_event_operator.files.manifest import Document
from audit_event_operator.files.object_meta import metadata_problems
from audit_event_operator.resource.advice import advice_on
from audit_event_operator.resource.crd import resource_schema
from audit_event_operator.resource.names import API_VERSION, KIND
from audit_event_operator.resource.problems import Problem, SpecError, shown
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.timeline.reading import Reading
from audit_event_operator.timeline.shaping import advice_on_traffic

_schema: Final = cache(resource_schema)
_ANY_MOMENT: Final = Reading(0, 0)
"""The same file gets the same verdict at all times."""


def validate_object(obj: Any) -> tuple[Problem, ...]:
    """Return everything that is wrong with a resource, as JSON; empty if the API server would accept it."""
    if not isinstance(obj, Mapping):
        return (Problem("", "a resource must be an object with apiVersion, kind, metadata and spec"),)
    problems: list[Problem] = []
    if obj.get("apiVersion") != API_VERSION:
        problems.append(Problem("apiVersion", f"apiVersion must be {API_VERSION}"))
    if obj.get("kind") != KIND:
        problems.append(Problem("kind", f"kind must be {KIND}"))
    problems += metadata_problems(obj.get("metadata"))
    problems += _unknown_fields(obj, _schema(), "")
    spec = obj.get("spec")
    try:
        parse_spec({} if spec is None else spec)
    except SpecError as error:
        problems += error.problems
    return tuple(problems)


def problems_of(file: Path | str, document: Document) -> list[str]:
    """Everything that is wrong with a document, in the order of its lines, as `file:line: sentence`."""
    found = [(document.place.line_of(problem.field), problem.message) for problem in validate_object(document.content)]
    return [f"{file}:{line}: {message}" for line, message in sorted(found, key=lambda one: one[0])]


def warnings_of(file: Path | str, document: Document) -> list[str]:
    """What is valid but probably unintended in a resource, most severe first, as `file:line: warning: sentence`."""
    spec = parse_spec(document.content.get("spec") or {})
    found = (*advice_on_traffic(spec, None, _ANY_MOMENT), *advice_on(spec))
    return [f"{file}:{document.place.line_of(advice.field)}: warning: {advice.message}" for advice in found]


def _unknown_fields(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[Problem]:
    """Yield a problem for every member without a property in the schema, null ones included."""
    if isinstance(value, Mapping) and "properties" in schema:
        for name, member in value.items():
            path = f"{place}.{name}" if place else str(name)
            if name in schema["properties"]:
                yield from _unknown_fields(member, schema["properties"][name], path)
            else:
                allowed = ", ".join(schema["properties"])
                yield Problem(
                    path,
                    f"{shown(str(name)) or repr('')} is not a field of {place or 'the resource'}; its fields are {allowed}",
                )
    elif isinstance(value, list | tuple) and "items" in schema:
        for index, item in enumerate(value):
            yield from _unknown_fields(item, schema["items"], f"{place}[{index}]")
