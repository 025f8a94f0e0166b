"""Why a file cannot be read, and in which line."""


class ManifestError(ValueError):
    """A file that cannot be read. `str()` says where and why.

    Attributes:
        says: what is wrong, without the line.
        line: from 1; None when no line can be named.
    """

    def __init__(self, says: str, line: int | None = None) -> None:
        super().__init__(says if line is None else f"line {line}: {says}")
        self.says = says
        self.line = line
