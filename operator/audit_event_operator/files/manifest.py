"""Reads YAML and JSON files into the JSON that kubectl would send for them.

Ordinary YAML loaders will not do: kubectl leaves dates and `1:30` as strings, reads `1e3` as a number and `y` as true, and
turns `1.0` into 1. Stricter than kubectl in one thing: a duplicate key is an error, as it is for the API server. Every value
keeps its line. Knows nothing of what the objects mean.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from audit_event_operator.files.places import ManifestError, Place, json_place
from audit_event_operator.files.yaml_scalars import PLAIN, STR, resolve_scalar

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MAX_DEPTH: Final = 100
_MAX_VALUES: Final = 200_000
"""Values in one file, those repeated through aliases included; a limit against files made to exhaust the memory."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file: as JSON, with everything that kubectl would send, and the lines of its fields."""

    content: dict[str, Any]
    place: Place = field(repr=False, compare=False)


def load_manifest(text: str | bytes) -> tuple[Document, ...]:
    """Read all objects of a file, with List objects taken apart and empty documents left out.

    Raises:
        ManifestError: the text is neither YAML nor JSON, or a document is not an object.
    """
    if isinstance(text, bytes):
        text = _decoded(text)
    documents = _json_documents(text) if text.lstrip().startswith("{") else None
    if documents is None:
        documents = list(_yaml_documents(text))
    return tuple(one for value, place in documents for one in _objects(value, place))


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"not UTF-8 text: byte {error.start + 1} is invalid", line) from None


def _objects(value: Any, place: Place) -> Iterator[Document]:
    if value is None:
        return
    if not isinstance(value, dict):
        says = f"a document must be an object with apiVersion and kind, not a {_kind_of(value)}"
        raise ManifestError(says, place.line)
    items = value.get("items")
    if str(value.get("kind", "")).endswith("List") and isinstance(items, list):
        places = place.children["items"].children
        for index, item in enumerate(items):
            yield from _objects(item, places[index])
    else:
        yield Document(value, place)


def _json_documents(text: str) -> list[tuple[Any, Place]] | None:
    """Read a stream of JSON objects; None when it is not JSON, but perhaps YAML that begins with a brace."""
    decoder = json.JSONDecoder()
    documents = []
    position = 0
    try:
        while position < len(text):
            if text[position].isspace():
                position += 1
                continue
            value, end = decoder.raw_decode(text, position)
            documents.append((_as_sent(value), json_place(text, position, end)))
            position = end
    except (json.JSONDecodeError, RecursionError):
        return None
    return documents


class _Loader(yaml.SafeLoader):
    """Parses YAML without deciding what plain scalars mean."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return PLAIN if implicit[0] else STR
        resolved: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return resolved


def _yaml_documents(text: str) -> Iterator[tuple[Any, Place]]:
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            yield _Converter().convert(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else None
        raise ManifestError(f"not valid YAML: {error.problem or error.context}", line) from None
    except yaml.reader.ReaderError as error:
        says = f"not valid YAML: the character U+{error.character:04X} is not allowed"
        raise ManifestError(says, text.count("\n", 0, error.position) + 1) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ManifestError(f"not valid YAML: {' '.join(str(error).split())}") from None


class _Converter:
    """Turns the nodes of one document into JSON values and their places, within the limits of depth and number."""

    def __init__(self) -> None:
        self._values = 0

    def convert(self, node: yaml.Node, depth: int = 0, line: int | None = None) -> tuple[Any, Place]:
        """Convert a node; `line` is the one of its key, if it has one."""
        line = line or node.start_mark.line + 1
        self._values += 1
        if depth > _MAX_DEPTH or self._values > _MAX_VALUES:
            raise _error(node, "the document is too large or nested too deeply (perhaps through aliases)")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node), Place(line)
        if isinstance(node, yaml.SequenceNode):
            _check_tag(node, "tag:yaml.org,2002:seq")
            items = [self.convert(item, depth + 1) for item in node.value]
            return [value for value, _ in items], Place(line, dict(enumerate(place for _, place in items)))
        _check_tag(node, "tag:yaml.org,2002:map")
        members = self._members(node, depth)
        values = {name: value for name, (value, _) in members.items()}
        return values, Place(line, {name: place for name, (_, place) in members.items()})

    def _members(self, node: yaml.Node, depth: int) -> dict[str, tuple[Any, Place]]:
        merged: dict[str, tuple[Any, Place]] = {}
        own: dict[str, tuple[Any, Place]] = {}
        for key_node, value_node in node.value:
            if _is_merge_key(key_node):
                sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for source in sources:
                    if not isinstance(source, yaml.MappingNode):
                        raise _error(source, "<< takes an object or a list of objects")
                    values, place = self.convert(source, depth + 1)
                    for name, value in values.items():
                        merged.setdefault(name, (value, place.children[name]))
                continue
            name = _key(key_node)
            if name in own:
                raise _error(key_node, f"duplicate key {name!r} in one object")
            own[name] = self.convert(value_node, depth + 1, key_node.start_mark.line + 1)
        return {**merged, **own}


def _is_merge_key(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "<<" and node.tag == PLAIN


def _key(node: yaml.Node) -> str:
    value = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if value is None:
        raise _error(node, "a key must be a string")
    return value if isinstance(value, str) else json.dumps(value)


def _scalar(node: yaml.ScalarNode) -> Any:
    if _SURROGATE.search(node.value):
        raise _error(node, "half a surrogate pair is not a character; write \\U and eight digits")
    try:
        return _as_sent(resolve_scalar(node.value, node.tag))
    except ValueError as error:
        raise _error(node, str(error)) from None


def _as_sent(value: Any) -> Any:
    """Apply what happens when Go writes JSON: whole floats lose their point, half surrogates become U+FFFD."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_as_sent(key): _as_sent(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_as_sent(item) for item in value]
    return value


def _check_tag(node: yaml.Node, expected: str) -> None:
    if node.tag != expected:
        raise _error(node, f"the YAML tag {node.tag} is not supported")


def _error(node: yaml.Node, says: str) -> ManifestError:
    return ManifestError(says, node.start_mark.line + 1)


def _kind_of(value: Any) -> str:
    return "list" if isinstance(value, list) else "single value"
