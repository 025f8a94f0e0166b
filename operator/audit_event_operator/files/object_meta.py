"""What is wrong with an object's `metadata`, by the API server's rules for objects of any kind."""

import re
from collections.abc import Generator, Iterator, Mapping
from typing import Any, Final

from audit_event_operator.resource.fields import is_namespace, is_object_name
from audit_event_operator.resource.problems import Problem, shown

_FIELDS: Final = {
    "name", "namespace", "labels", "annotations", "finalizers", "generateName", "selfLink", "uid", "resourceVersion",
    "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "managedFields",
}  # fmt: skip
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_MAX_ANNOTATION_BYTES: Final = 256 * 1024


def metadata_problems(metadata: Any) -> Iterator[Problem]:
    """Yield the problems of the metadata of an object that is applied under its name."""
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, Mapping):
        yield Problem("metadata", "metadata must be an object")
        return
    for field in metadata:
        if field not in _FIELDS:
            yield Problem(f"metadata.{field}", f"{shown(str(field))} is not a field of metadata")
    yield from _name_problems(metadata)
    yield from _label_problems(metadata.get("labels"))
    yield from _annotation_problems(metadata.get("annotations"))
    finalizers = metadata.get("finalizers") or []
    if not isinstance(finalizers, list | tuple) or not all(_is_qualified(one) for one in finalizers):
        yield Problem("metadata.finalizers", "finalizers must be a list of names such as example.com/name")


def _name_problems(metadata: Mapping[str, Any]) -> Iterator[Problem]:
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if name is None or name == "":
        yield Problem("metadata.name", "name is required")
    elif not isinstance(name, str) or not is_object_name(name):
        yield Problem(
            "metadata.name",
            "name must be at most 253 lower-case letters, digits, - and ., and must start and end with a letter or digit",
        )
    if namespace not in (None, "") and not (isinstance(namespace, str) and is_namespace(namespace)):
        yield Problem(
            "metadata.namespace",
            "namespace must be at most 63 lower-case letters, digits and -, and must start and end with a letter or digit",
        )


def _label_problems(labels: Any) -> Iterator[Problem]:
    for key, value in (yield from _members("labels", labels)).items():
        if not _is_qualified(key):
            yield Problem(
                "metadata.labels", f"{shown(repr(key))} is not a valid label name; app and example.com/app are"
            )
        if not (value is None or value == "" or (isinstance(value, str) and _QUALIFIED.fullmatch(value))):
            yield Problem(
                f"metadata.labels[{key}]",
                "a label must be empty, or at most 63 letters, digits and - _ . that start and end with a letter or digit"
                " (quote numbers, true and false)",
            )


def _annotation_problems(annotations: Any) -> Iterator[Problem]:
    size_bytes = 0
    for key, value in (yield from _members("annotations", annotations)).items():
        if not (isinstance(key, str) and _is_qualified(key.lower())):
            yield Problem(
                "metadata.annotations",
                f"{shown(repr(key))} is not a valid annotation name; note and example.com/note are",
            )
        if not isinstance(value, str | None):
            yield Problem(
                f"metadata.annotations[{key}]", "an annotation must be a string (quote numbers, true and false)"
            )
        else:
            size_bytes += len(f"{key}{value or ''}".encode("utf-8", "replace"))
    if size_bytes > _MAX_ANNOTATION_BYTES:
        yield Problem("metadata.annotations", "annotations may total at most 256 KiB")


def _members(field: str, value: Any) -> Generator[Problem, None, Mapping[Any, Any]]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    yield Problem(f"metadata.{field}", f"{field} must be an object")
    return {}


def _is_qualified(name: Any) -> bool:
    """Whether a text is a qualified name: an optional DNS subdomain and a slash, then up to 63 characters."""
    if not isinstance(name, str):
        return False
    prefix, slash, last = name.rpartition("/")
    return (not slash or is_object_name(prefix)) and _QUALIFIED.fullmatch(last) is not None
