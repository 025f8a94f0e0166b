"""Random bytes that follow from a key alone, so that ids come out the same each time: for streams on a synthetic clock."""

from hashlib import shake_256
from typing import Final

_BLOCK_BYTES: Final = 32_768
"""So many come from one digest: an id then costs less than a thirtieth of what its event costs."""


class KeyedEntropy:
    """An endless stream of bytes, the same for the same key on every machine; calling it gives the next ones."""

    def __init__(self, key: bytes) -> None:
        self._key = shake_256(key).digest(32)
        self._place = 0
        self._number = -1
        self._block = b""

    def __call__(self, count: int) -> bytes:
        """The next `count` bytes."""
        number, begin = divmod(self._place, _BLOCK_BYTES)
        self._place += count
        end = begin + count
        taken = self._numbered(number)[begin:end]
        while end > _BLOCK_BYTES:
            number, end = number + 1, end - _BLOCK_BYTES
            taken += self._numbered(number)[:end]
        return taken

    def skip(self, count: int) -> None:
        """Leave the next `count` bytes out; it takes no time."""
        self._place += count

    def _numbered(self, number: int) -> bytes:
        if number != self._number:
            self._number, self._block = number, shake_256(self._key + number.to_bytes(8, "big")).digest(_BLOCK_BYTES)
        return self._block
