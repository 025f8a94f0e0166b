"""Why a file cannot be read, and in which line."""

from typing import Final

from audit_event_operator.resource.problems import shown

MOST_CHARACTERS: Final = 500


class ManifestError(ValueError):
    """A file that cannot be read. `str()` says where and why.

    Attributes:
        says: what is wrong, without the line; printable, whatever the file holds.
        line: from 1; None when no line can be named.
    """

    def __init__(self, says: str, line: int | None = None) -> None:
        self.says = shown(says, MOST_CHARACTERS)
        super().__init__(self.says if line is None else f"line {line}: {self.says}")
        self.line = line
