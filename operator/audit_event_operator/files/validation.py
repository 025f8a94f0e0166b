"""What `validate` prints: a line per good document, a line per mistake. Reads files; the verdict is the resource package's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from audit_event_operator.files.collection import DEFAULT_NAMESPACE, find_files, problems_of, sentence_of
from audit_event_operator.resource.manifest import Document, load_manifest
from audit_event_operator.resource.manifest_error import ManifestError
from audit_event_operator.resource.names import KIND


def validate_files(names: Iterable[str], read_stdin: Callable[[], bytes]) -> tuple[list[str], list[str]]:
    """Judge all documents of files, folders and (for `-`) standard input.

    Returns:
        The lines about good documents, and the lines about what has to be mended; each begins with file and line.
    """
    good: list[str] = []
    problems: list[str] = []
    for name, text in _texts(names, read_stdin, problems):
        try:
            documents = load_manifest(text)
        except ManifestError as error:
            problems.append(sentence_of(name, error))
            continue
        if not documents:
            problems.append(f"{name}: there is no resource in it")
        for document in documents:
            _judge(name, document, good, problems)
    return good, problems


def _texts(names: Iterable[str], read_stdin: Callable[[], bytes], problems: list[str]) -> Iterable[tuple[str, bytes]]:
    for name in names:
        if name == "-":
            yield "standard input", read_stdin()
            continue
        try:
            for file in find_files([Path(name)]):
                yield str(file), file.read_bytes()
        except FileNotFoundError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{name}: cannot be read: {error.strerror}")


def _judge(name: str, document: Document, good: list[str], problems: list[str]) -> None:
    place, content = f"{name}:{document.line}", document.content
    kind, metadata = content.get("kind"), content.get("metadata")
    if isinstance(kind, str) and kind != KIND:
        good.append(f"{place}: {kind} is not judged here")
        return
    found = problems_of(name, document)
    problems += found
    if not found and isinstance(metadata, dict):
        who = f"{metadata.get('namespace') or DEFAULT_NAMESPACE}/{metadata.get('name') or metadata.get('generateName')}"
        good.append(f"{place}: {KIND} {who} is valid")
