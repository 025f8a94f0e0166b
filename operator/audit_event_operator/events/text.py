"""Texts on their way into JSON: what may be written, and how it is escaped.

The platform's consumers never get over a NUL or half a surrogate pair, so both end here. Knows no event.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

UNWRITABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL does not store, and halves of surrogate pairs, which UTF-8 cannot express."""

REPLACEMENT: Final = "\ufffd"


def writable(text: str) -> str:
    """The text with U+FFFD in place of what cannot be written; two halves that belong together become one character."""
    if UNWRITABLE.search(text) is None:
        return text
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return UNWRITABLE.sub(REPLACEMENT, whole)


def escaped(text: str) -> bytes:
    """The text as JSON, in UTF-8 and without its quotes."""
    return orjson.dumps(writable(text))[1:-1]
