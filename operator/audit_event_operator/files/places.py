"""The line of each value of a file, so that an error message can name it.

Built while a file is read, and asked with the paths of `Problem.field`. Knows nothing of what the values mean.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from audit_event_operator.resource.problems import shown

_MOST_CHARACTERS: Final = 500
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_NO_NUMBERS: Final = {"NaN", "Infinity", "-Infinity"}


class ManifestError(ValueError):
    """A file that cannot be read. `str()` says where and why; printable, whatever the file holds.

    `says` leaves the line out; `line` counts from 1, None when no line can be named.
    """

    def __init__(self, says: str, line: int | None = None) -> None:
        self.says = shown(says, _MOST_CHARACTERS)
        self.line = line
        super().__init__(self.says if line is None else f"line {line}: {self.says}")

    def in_file(self, file: Path | str) -> str:
        """The error as `file:line: sentence`."""
        return f"{file}: {self.says}" if self.line is None else f"{file}:{self.line}: {self.says}"


@dataclass(frozen=True, slots=True)
class Place:
    """The line of one value (of its key, if it has one; from 1), and of the values inside it by key or by index."""

    line: int
    children: Mapping[str | int, "Place"] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """The line of a field such as `spec.eventTypes[0].name`; of a missing field, the line where it belongs."""
        place, rest = self, path
        while rest and place.children:
            key = max(
                (key for key in place.children if _begins_with(rest, key)), key=lambda key: len(str(key)), default=None
            )
            if key is None:
                break
            place = place.children[key]
            rest = rest[_length(rest, key) :].removeprefix(".")
        return place.line


def _begins_with(path: str, key: str | int) -> bool:
    length = _length(path, key)
    return length > 0 and (len(path) == length or path[length] in ".[")


def _length(path: str, key: str | int) -> int:
    """How much of a path one step to a key takes, 0 when the path does not begin with it: `name`, `[0]`, `[a/label]`."""
    for form in (f"[{key}]", key):
        if isinstance(form, str) and path.startswith(form):
            return len(form)
    return 0


def json_place(text: str, start: int, end: int) -> Place:
    """Find the lines in a JSON value that is known to be well-formed.

    Raises:
        ManifestError: a key is given twice, or a value such as NaN is no JSON.
    """
    tokens = _tokens(text, start, end)
    token, line = next(tokens)
    return _json_value(tokens, token, line, line)


def _tokens(text: str, start: int, end: int) -> Iterator[tuple[str, int]]:
    line, seen = text.count("\n", 0, start) + 1, start
    for match in _TOKEN.finditer(text, start, end):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        yield match[0], line


def _json_value(tokens: Iterator[tuple[str, int]], opening: str, line: int, key_line: int) -> Place:
    children: dict[str | int, Place] = {}
    if opening == "{":
        for token, here in _until("}", tokens):
            key = json.loads(token)
            if key in children:
                raise ManifestError(f"duplicate key {key!r} in one object", here)
            next(tokens)  # the colon
            children[key] = _json_value(tokens, *next(tokens), here)
    elif opening == "[":
        for token, here in _until("]", tokens):
            children[len(children)] = _json_value(tokens, token, here, here)
    elif opening in _NO_NUMBERS:
        raise ManifestError(f"{opening} is not a JSON number", line)
    return Place(key_line, children)


def _until(closing: str, tokens: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    for mark, line in tokens:
        if mark == closing:
            return
        if mark != ",":
            yield mark, line
