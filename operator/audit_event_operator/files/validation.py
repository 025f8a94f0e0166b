"""What `validate` prints: one line for each valid document, warning and problem. Reads the files itself."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit_event_operator.files.collection import DEFAULT_NAMESPACE, SUFFIXES, find_files, twice
from audit_event_operator.files.manifest import Document, load_manifest
from audit_event_operator.files.object_validation import problems_of, warnings_of
from audit_event_operator.files.places import ManifestError
from audit_event_operator.resource.conditions import DestinationUnavailable
from audit_event_operator.resource.names import KIND
from audit_event_operator.resource.problems import shown
from audit_event_operator.targets.credentials import data_of


@dataclass(slots=True)
class Findings:
    """Lines that begin with file and line: valid documents, what is probably unintended in them, and what is wrong."""

    good: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def validate_files(names: Iterable[str], read_stdin: Callable[[], bytes]) -> Findings:
    """Validate all documents of files, folders and (for `-`) standard input."""
    findings, seen = Findings(), dict[str, str]()
    for name, text in _texts(names, read_stdin, findings.problems):
        try:
            documents = load_manifest(text)
        except ManifestError as error:
            findings.problems.append(error.in_file(name))
            continue
        if not documents:
            findings.problems.append(f"{name}: no resource in this file")
        for document in documents:
            _validate(name, document, findings, seen)
    return findings


def _texts(names: Iterable[str], read_stdin: Callable[[], bytes], problems: list[str]) -> Iterable[tuple[str, bytes]]:
    for name in names:
        if name == "-":
            yield "standard input", read_stdin()
            continue
        try:
            files = find_files([Path(name)])
            if not files:
                problems.append(f"{name}: no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file in this folder")
            for file in files:
                yield str(file), file.read_bytes()
        except FileNotFoundError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{name}: cannot be read: {error.strerror}")


def _validate(name: str, document: Document, findings: Findings, seen: dict[str, str]) -> None:
    """Judge one document; `seen`: the resources before it, with their places."""
    place, content = f"{name}:{document.place.line}", document.content
    kind, metadata = content.get("kind"), content.get("metadata")
    if kind == "Secret" and (wrong := _wrong_with(content)):
        findings.problems.append(f"{place}: {wrong}")
        return
    if isinstance(kind, str) and kind != KIND:
        findings.good.append(f"{place}: {shown(kind)} is not checked")
        return
    found = problems_of(name, document)
    findings.problems += found
    if not found and isinstance(metadata, dict):
        named = metadata.get("name")
        who = f"{metadata.get('namespace') or DEFAULT_NAMESPACE}/{metadata.get('name') or metadata.get('generateName')}"
        if named and who in seen:
            findings.problems.append(twice(place, shown(who, 350), seen[who]))
            return
        seen[who] = place
        findings.good.append(f"{place}: {KIND} {shown(who, 350)} is valid")
        findings.warnings += warnings_of(name, document)


def _wrong_with(secret: Mapping[str, Any]) -> str | None:
    """What makes a Secret unreadable for anybody; its values are not looked at."""
    metadata, parts = secret.get("metadata"), (secret.get("data") or {}, secret.get("stringData") or {})
    name = shown(str(metadata.get("name", "")), 350) if isinstance(metadata, Mapping) else ""
    if not all(isinstance(part, Mapping) for part in parts):
        return f"Secret {name}: data and stringData must be objects"
    try:
        data_of(name, secret)
    except DestinationUnavailable as answer:
        return answer.message
    return None
