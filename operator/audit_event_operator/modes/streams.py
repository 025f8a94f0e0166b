"""The streams that `generate` and `preview` are about: those of files, or the seed service's. Reads each file once."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from audit_event_operator.files.collection import Found, find_files, merged, read_part, read_text
from audit_event_operator.files.environment import REF
from audit_event_operator.resource.formats import Format
from audit_event_operator.resource.spec import parse_spec

STDIN: Final = "-"


class NoStreamsError(Exception):
    """Sentences about files that hold nothing to generate, or something invalid."""


def read_streams(
    files: Sequence[str], read_stdin: Callable[[], bytes], *, seed: int | None = None, form: Format | None = None
) -> list[Found]:
    """The resources of files, folders and (for `-`) standard input; without files, the seed service's stream.

    `seed` and `form`: in place of the randomSeed and the format of each.

    Raises:
        FileNotFoundError: one of the files does not exist.
        NoStreamsError: a document is invalid, or there is none.
    """
    found = [Found(REF, parse_spec({}))] if not files else _read(files, read_stdin)
    asked = {"random_seed": seed, "format": form}
    instead = {field: value for field, value in asked.items() if value is not None}
    return [replace(each, spec=each.spec.model_copy(update=instead)) for each in found]


def _read(files: Sequence[str], read_stdin: Callable[[], bytes]) -> list[Found]:
    parts = []
    for name in files:
        if name == STDIN:
            parts.append(read_text("standard input", read_stdin()))
        else:
            parts += [read_part(file) for file in find_files([Path(name)])]
    collection = merged(parts)
    if collection.problems:
        raise NoStreamsError("\n".join(collection.problems))
    if not collection.resources:
        raise NoStreamsError("the files contain no AuditEventGenerator")
    return sorted(collection.resources.values(), key=lambda each: str(each.ref))
