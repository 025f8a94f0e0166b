"""Reads what a set of files holds: resources and Secrets by name, and what is wrong with them, as sentences.

Decides nothing: which generator starts or stops follows from comparing two collections (see `source`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
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
class Collection:
    """Everything that was read.

    `refused` are resources with a name but without a valid spec; `problems` are sentences that begin with file and line.
    `complete`: every file could be read.
    """

    resources: dict[Ref, Found] = field(default_factory=dict)
    refused: set[Ref] = field(default_factory=set)
    secrets: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    complete: bool = True


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files themselves, and of folders all YAML and JSON files in them, sorted by name.

    Raises:
        FileNotFoundError: a path does not exist.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
        elif path.exists():
            files.append(path)
        else:
            raise FileNotFoundError(f"{path}: no such file or folder")
    return list(dict.fromkeys(files))


def collect(files: Iterable[Path]) -> Collection:
    """Read the documents of all files now; a broken file or resource does not affect the others."""
    collection = Collection()
    for file in files:
        try:
            documents = load_manifest(file.read_bytes())
        except (OSError, ManifestError) as error:
            why = f"{file}: cannot be read: {error.strerror}" if isinstance(error, OSError) else error.in_file(file)
            collection.problems.append(why)
            collection.complete = False
            continue
        for document in documents:
            _take_in(collection, file, document)
    return collection


def _take_in(collection: Collection, file: Path, document: Document) -> None:
    content, place = document.content, f"{file}:{document.place.line}"
    kind, version = content.get("kind"), content.get("apiVersion")
    if kind == "Secret" and version == "v1":
        metadata = content.get("metadata") or {}
        key = (str(metadata.get("namespace") or DEFAULT_NAMESPACE), str(metadata.get("name", "")))
        collection.secrets[key] = content
        return
    if kind not in (None, KIND):
        return
    ref, problems = _ref(content), problems_of(file, document)
    if problems:
        collection.problems += problems
        if ref is not None and kind == KIND and version == API_VERSION:
            collection.refused.add(ref)
    elif ref in collection.resources:
        first = collection.resources[ref].place
        collection.problems.append(f"{place}: {ref} is already defined in {first}; remove one of the two")
    elif ref is not None:
        spec = parse_spec(content.get("spec") or {})
        collection.resources[ref] = Found(ref, spec, place, tuple(warnings_of(file, document)))


def _ref(content: Mapping[str, Any]) -> Ref | None:
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(name, str) or not name:
        return None
    return Ref(str(metadata.get("namespace") or DEFAULT_NAMESPACE), name)
