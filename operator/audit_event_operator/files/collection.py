"""Reads what a set of files holds: resources and Secrets by name, and what is wrong with them, as sentences.

Decides nothing: which generator starts or stops follows from comparing two collections (see `source`).
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final

from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.files.manifest import Document, load_manifest
from audit_event_operator.files.object_validation import problems_of, warnings_of
from audit_event_operator.files.places import ManifestError
from audit_event_operator.resource.names import API_VERSION, KIND
from audit_event_operator.resource.spec import GeneratorSpec, parse_spec

DEFAULT_NAMESPACE: Final = "default"
SUFFIXES: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Found:
    """One valid resource of a file; `warnings` are sentences with file and line about what is probably unintended."""

    ref: Ref
    spec: GeneratorSpec
    place: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Part:
    """What one file holds.

    `refused` are resources with a name but without a valid spec; `problems` are sentences that begin with file and line.
    `readable`: the file could be read.
    """

    found: list[Found] = field(default_factory=list)
    refused: set[Ref] = field(default_factory=set)
    secrets: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    readable: bool = True


@dataclass(slots=True)
class Collection:
    """Everything that was read; `complete`: every file could be. The rest is as in `Part`."""

    resources: dict[Ref, Found] = field(default_factory=dict)
    refused: set[Ref] = field(default_factory=set)
    secrets: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    complete: bool = True


def find_files(paths: Iterable[Path]) -> dict[Path, os.stat_result]:
    """The regular files themselves, and all YAML and JSON files in folders, by name.

    Names that begin with `..` are how a mounted ConfigMap keeps its versions; its files are links into them.

    Raises:
        FileNotFoundError: a path does not exist, or is neither a folder nor a regular file.
    """
    files: dict[Path, os.stat_result] = {}
    for path in paths:
        if path.is_dir():
            files |= _files_in(path)
        elif path.is_file():
            files[path] = path.stat()
        elif path.exists():
            raise FileNotFoundError(f"{path}: neither a regular file nor a folder")
        else:
            raise FileNotFoundError(f"{path}: no such file or folder")
    return files


def _files_in(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".."))
        for name in sorted(names):
            if name.lower().endswith(SUFFIXES) and not name.startswith(".."):
                with contextlib.suppress(OSError):  # it went meanwhile, or is a link to nowhere
                    stat = os.stat(os.path.join(root, name))  # noqa: PTH116, PTH118 - thousands of them
                    if S_ISREG(stat.st_mode):
                        yield Path(root, name), stat


def read_part(file: Path) -> Part:
    """Read the documents of one file now. Never raises; a broken resource does not affect the others."""
    try:
        text = file.read_bytes()
    except OSError as error:
        return Part(problems=[f"{file}: cannot be read: {error.strerror}"], readable=False)
    return read_text(str(file), text)


def read_text(name: str, text: bytes) -> Part:
    """The same for a text that was read already; `name` is what its lines are told by."""
    part = Part()
    try:
        documents = load_manifest(text)
    except ManifestError as error:
        return Part(problems=[error.in_file(name)], readable=False)
    for document in documents:
        _take_in(part, name, document)
    return part


def merged(parts: Iterable[Part]) -> Collection:
    """What files hold together; where two define one resource, the first counts."""
    collection = Collection()
    for part in parts:
        collection.problems += part.problems
        collection.refused |= part.refused
        collection.secrets |= part.secrets
        collection.complete &= part.readable
        for found in part.found:
            first = collection.resources.setdefault(found.ref, found)
            if first is not found:
                collection.problems.append(twice(found.place, str(found.ref), first.place))
    return collection


def twice(place: str, name: str, first: str) -> str:
    """The sentence about a resource that is defined in two places."""
    return f"{place}: {name} is already defined in {first}; remove one of the two"


def _take_in(part: Part, file: str, document: Document) -> None:
    content, place = document.content, f"{file}:{document.place.line}"
    kind, version = content.get("kind"), content.get("apiVersion")
    if kind == "Secret" and version == "v1":
        metadata = content.get("metadata") or {}
        key = (str(metadata.get("namespace") or DEFAULT_NAMESPACE), str(metadata.get("name", "")))
        part.secrets[key] = content
        return
    if kind not in (None, KIND):
        return
    ref, problems = _ref(content), problems_of(file, document)
    if problems:
        part.problems += problems
        if ref is not None and kind == KIND and version == API_VERSION:
            part.refused.add(ref)
    elif ref is not None:
        spec = parse_spec(content.get("spec") or {})
        part.found.append(Found(ref, spec, place, tuple(warnings_of(file, document))))


def _ref(content: Mapping[str, Any]) -> Ref | None:
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(name, str) or not name:
        return None
    return Ref(str(metadata.get("namespace") or DEFAULT_NAMESPACE), name)
