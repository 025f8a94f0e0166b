"""Reads YAML and JSON files into the JSON that kubectl would send for them.

Ordinary YAML loaders will not do: kubectl's leaves dates and `1:30` as strings, reads `1e3` as a number and `y` as
true, and turns `1.0` into 1. Stricter than kubectl in one thing: a key that is given twice is an error, as it is for
the API server. Knows nothing of what the objects mean.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from audit_event_operator.resource.yaml_scalars import PLAIN, STR, resolve_scalar

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MAX_DEPTH: Final = 100
_MAX_VALUES: Final = 200_000
"""Values in one file, those repeated through aliases included; a limit against files made to exhaust the memory."""


class ManifestError(ValueError):
    """A file that cannot be read. `str()` says where and why."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file.

    Attributes:
        line: where its document begins, from 1.
        content: the object as JSON, with everything that kubectl would send.
    """

    line: int
    content: dict[str, Any]


def load_manifest(text: str | bytes) -> tuple[Document, ...]:
    """Read all objects of a file, those inside of List objects one by one; empty documents are left out.

    Raises:
        ManifestError: a sentence with the line, when the text is neither YAML nor JSON or an object is not an object.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ManifestError(f"the file must be UTF-8 text; byte {error.start + 1} is not") from None
    documents = _json_documents(text) if text.lstrip().startswith("{") else None
    if documents is None:
        documents = list(_yaml_documents(text))
    return tuple(one for line, value in documents for one in _objects(line, value))


def _objects(line: int, value: Any) -> Iterator[Document]:
    if value is None:
        return
    if not isinstance(value, dict):
        raise ManifestError(
            f"line {line}: a document must be an object with apiVersion and kind, not a {_kind_of(value)}"
        )
    items = value.get("items")
    if str(value.get("kind", "")).endswith("List") and isinstance(items, list):
        for item in items:
            yield from _objects(line, item)
    else:
        yield Document(line, value)


def _json_documents(text: str) -> list[tuple[int, Any]] | None:
    """Read a stream of JSON objects; None when it is not JSON, and perhaps YAML that begins with a brace."""
    decoder = json.JSONDecoder(object_pairs_hook=_object_without_doubles, parse_constant=_refuse_constant)
    documents = []
    position = 0
    try:
        while position < len(text):
            if text[position].isspace():
                position += 1
                continue
            value, end = decoder.raw_decode(text, position)
            documents.append((text.count("\n", 0, position) + 1, _as_sent(value)))
            position = end
    except (json.JSONDecodeError, RecursionError):
        return None
    return documents


def _object_without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ManifestError(f"the key {twice!r} is given twice in one object")
    return result


def _refuse_constant(name: str) -> Any:
    raise ManifestError(f"{name} is not a JSON number")


class _Loader(yaml.SafeLoader):
    """Parses YAML without deciding what plain scalars mean."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return PLAIN if implicit[0] else STR
        resolved: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return resolved


def _yaml_documents(text: str) -> Iterator[tuple[int, Any]]:
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            yield node.start_mark.line + 1, _Converter().convert(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise ManifestError(f"{where}not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ManifestError(f"not valid YAML: {' '.join(str(error).split())}") from None


class _Converter:
    """Turns the nodes of one document into JSON values, within the limits of depth and number."""

    def __init__(self) -> None:
        self._values = 0

    def convert(self, node: yaml.Node, depth: int = 0) -> Any:
        self._values += 1
        if depth > _MAX_DEPTH or self._values > _MAX_VALUES:
            raise _error(node, "the document is too large or nested too deeply (perhaps by aliases)")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            _check_tag(node, "tag:yaml.org,2002:seq")
            return [self.convert(item, depth + 1) for item in node.value]
        _check_tag(node, "tag:yaml.org,2002:map")
        return self._mapping(node, depth)

    def _mapping(self, node: yaml.Node, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if _is_merge_key(key_node):
                sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for source in sources:
                    if not isinstance(source, yaml.MappingNode):
                        raise _error(source, "<< takes an object or a list of objects")
                    for name, value in self.convert(source, depth + 1).items():
                        merged.setdefault(name, value)
                continue
            name = _key(key_node)
            if name in own:
                raise _error(key_node, f"the key {name!r} is given twice in one object")
            own[name] = self.convert(value_node, depth + 1)
        return {**merged, **own}


def _is_merge_key(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "<<" and node.tag == PLAIN


def _key(node: yaml.Node) -> str:
    value = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise _error(node, "a key must be a text")


def _scalar(node: yaml.ScalarNode) -> Any:
    if _SURROGATE.search(node.value):
        raise _error(node, "half of a surrogate pair is not a character; write \\U and eight digits")
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
    return ManifestError(f"line {node.start_mark.line + 1}: {says}")


def _kind_of(value: Any) -> str:
    return "list" if isinstance(value, list) else "single value"
