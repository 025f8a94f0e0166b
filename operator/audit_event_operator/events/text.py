"""Which characters may be written at all.

The platform's consumers cannot handle a NUL or half a surrogate pair, so both are replaced here. Knows no event and no layout.
"""

import re
from typing import Final

UNWRITABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL does not store, and halves of surrogate pairs, which UTF-8 cannot express."""

REPLACEMENT: Final = "\ufffd"


def writable(text: str) -> str:
    """The text with U+FFFD in place of what cannot be written; two halves that belong together become one character."""
    if UNWRITABLE.search(text) is None:
        return text
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return UNWRITABLE.sub(REPLACEMENT, whole)
