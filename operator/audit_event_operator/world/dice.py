"""Random numbers that follow from a seed and a number alone."""

from hashlib import blake2b
from typing import Final

_BYTES: Final = 64
_LITTLE: Final = 2**96
_MASK: Final = 2**64 - 1


class Dice:
    """512 random bits, used up by `roll`; whoever needs more gets more."""

    __slots__ = ("_digest", "_left")

    def __init__(self, digest: bytes) -> None:
        self._digest = digest
        self._left = int.from_bytes(digest, "big")

    def roll(self, sides: int) -> int:
        """A number from 0 to `sides` − 1; `sides` is at most 2^64."""
        if self._left < _LITTLE:
            self._digest = blake2b(self._digest).digest()
            self._left = int.from_bytes(self._digest, "big")
        self._left, result = divmod(self._left, sides)
        return result


class Seed:
    """Where the dice of one world come from; `purpose` keeps different uses apart."""

    def __init__(self, seed: int, purpose: bytes) -> None:
        self._hash = blake2b(seed.to_bytes(8, "big", signed=True), digest_size=_BYTES, person=purpose[:16])

    def dice(self, number: int) -> Dice:
        """The dice of an event, a block or an entity, numbered from 0."""
        return Dice(self.digest(number))

    def digest(self, number: int, other: int = 0) -> bytes:
        """64 bytes."""
        fresh = self._hash.copy()
        fresh.update(number.to_bytes(8, "big") + other.to_bytes(16, "big", signed=True))
        return fresh.digest()


def hash64(number: int, salt: int) -> int:
    """64 bits that look random, at a fraction of a digest's price (splitmix64, Steele and others 2014)."""
    x = (number + salt) * 0x9E3779B97F4A7C15 & _MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return x ^ x >> 31
