"""What a set of files says, read in one go: resources and Secrets by name, and what is wrong, as sentences.

Reads, decides nothing: which generator starts or stops follows from comparing two collections (see `source`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.files.manifest import Document, load_manifest
from audit_event_operator.files.manifest_error import ManifestError
from audit_event_operator.files.object_validation import validate_object
from audit_event_operator.resource.advice import advice_on
from audit_event_operator.resource.names import API_VERSION, KIND
from audit_event_operator.resource.spec import GeneratorSpec, parse_spec

DEFAULT_NAMESPACE: Final = "default"
SUFFIXES: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Found:
    """One valid resource of a file; `warnings` are sentences about what is unwise in it, with file and line."""

    ref: Ref
    spec: GeneratorSpec
    place: str
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Collection:
    """Everything that was read.

    `refused` are resources whose name is known but whose spec is not valid; `problems` are sentences that begin with the
    file and line. `ignored` counts objects of other kinds.
    """

    resources: dict[Ref, Found] = field(default_factory=dict)
    refused: set[Ref] = field(default_factory=set)
    secrets: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unreadable: set[Path] = field(default_factory=set)
    ignored: int = 0


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files themselves, and of folders all YAML and JSON files in them, sorted by name.

    Raises:
        FileNotFoundError: a path leads nowhere.
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


def collect(texts: Mapping[Path, bytes | OSError]) -> Collection:
    """Read the documents of all files; a broken file or resource leaves the others untouched."""
    collection = Collection()
    for path, text in texts.items():
        if isinstance(text, OSError):
            collection.unreadable.add(path)
            collection.problems.append(f"{path}: cannot be read: {text.strerror}")
            continue
        try:
            documents = load_manifest(text)
        except ManifestError as error:
            collection.unreadable.add(path)
            collection.problems.append(sentence_of(path, error))
            continue
        for document in documents:
            _take_in(collection, path, document)
    return collection


def problems_of(file: Path | str, document: Document) -> list[str]:
    """Everything that has to be mended in a document, in the order of its lines, as `file:line: sentence`."""
    found = [(document.line_of(problem.field), problem.message) for problem in validate_object(document.content)]
    return [f"{file}:{line}: {message}" for line, message in sorted(found, key=lambda one: one[0])]


def warnings_of(file: Path | str, document: Document) -> list[str]:
    """What is unwise in a valid resource, the gravest first, as `file:line: warning: sentence`."""
    found = advice_on(parse_spec(document.content.get("spec") or {}))
    return [f"{file}:{document.line_of(advice.field)}: warning: {advice.message}" for advice in found]


def sentence_of(file: Path | str, error: ManifestError) -> str:
    """Why a file cannot be read, as `file:line: sentence`."""
    return f"{file}: {error.says}" if error.line is None else f"{file}:{error.line}: {error.says}"


def _take_in(collection: Collection, path: Path, document: Document) -> None:
    content, place = document.content, f"{path}:{document.line}"
    kind, version = content.get("kind"), content.get("apiVersion")
    if kind == "Secret" and version == "v1":
        metadata = content.get("metadata") or {}
        key = (str(metadata.get("namespace") or DEFAULT_NAMESPACE), str(metadata.get("name", "")))
        collection.secrets[key] = content
        return
    if kind != KIND or version != API_VERSION:
        if kind is None or kind == KIND:
            collection.problems += problems_of(path, document)
        else:
            collection.ignored += 1
        return
    ref = _ref(content)
    problems = problems_of(path, document)
    if problems:
        collection.problems += problems
        if ref is not None:
            collection.refused.add(ref)
    elif ref is None:
        collection.problems.append(f"{place}: metadata.name is missing; a file needs a fixed name for each resource")
    elif ref in collection.resources:
        first = collection.resources[ref].place
        collection.problems.append(f"{place}: {ref} stands in {first} already; one of the two has to go")
    else:
        spec = parse_spec(content.get("spec") or {})
        collection.resources[ref] = Found(ref, spec, place, tuple(warnings_of(path, document)))


def _ref(content: Mapping[str, Any]) -> Ref | None:
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(name, str) or not name:
        return None
    return Ref(str(metadata.get("namespace") or DEFAULT_NAMESPACE), name)
