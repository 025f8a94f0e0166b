"""The API server's verdict without an API server: everything that is wrong with a whole resource.

It is the verdict of `kubectl apply --validate=strict`, and a parity test holds it against a real API server.
The status is not judged, because the API server ignores it too (but for fields that do not exist).
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from audit_event_operator.files.object_meta import metadata_problems
from audit_event_operator.resource.crd import resource_schema
from audit_event_operator.resource.names import API_VERSION, KIND
from audit_event_operator.resource.problems import Problem, SpecError, shown
from audit_event_operator.resource.spec import parse_spec


def validate_object(obj: Any) -> tuple[Problem, ...]:
    """Return everything that has to be mended in a resource; empty when the API server would take it.

    Args:
        obj: the resource as JSON, such as `manifest.load_manifest` reads it from a file.
    """
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


def _unknown_fields(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[Problem]:
    """Yield a problem for every member that the schema has no property for, also for those that are null."""
    if isinstance(value, Mapping) and "properties" in schema:
        for name, member in value.items():
            path = f"{place}.{name}" if place else str(name)
            if name in schema["properties"]:
                yield from _unknown_fields(member, schema["properties"][name], path)
            else:
                allowed = ", ".join(schema["properties"])
                yield Problem(
                    path,
                    f"{shown(str(name)) or repr('')} is not a field of {place or 'the resource'}; there are {allowed}",
                )
    elif isinstance(value, list | tuple) and "items" in schema:
        for index, item in enumerate(value):
            yield from _unknown_fields(item, schema["items"], f"{place}[{index}]")


@cache
def _schema() -> dict[str, Any]:
    return resource_schema()
