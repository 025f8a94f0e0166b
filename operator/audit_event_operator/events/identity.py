"""What makes an event new each time: its id and its time. Randomness and clock come from the caller."""

import struct
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

NANOSECONDS_PER_SECOND: Final = 1_000_000_000

_MICROSECONDS_PER_MINUTE: Final = 60_000_000
_SECONDS: Final = tuple(f"{second:02d}." for second in range(60))
BYTES_PER_ID: Final = 16
_VERSION_4: Final = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT: Final = bytes(byte & 0x3F | 0x80 for byte in range(256))
_GROUPS: Final = struct.Struct("8s4s4s4s12s")


def uuid4_texts(entropy: bytes) -> list[bytes]:
    """One random UUID (version 4 of RFC 9562), in ASCII, for every 16 bytes of entropy."""
    raw = bytearray(entropy)
    raw[6::BYTES_PER_ID] = raw[6::BYTES_PER_ID].translate(_VERSION_4)
    raw[8::BYTES_PER_ID] = raw[8::BYTES_PER_ID].translate(_VARIANT)
    return [b"-".join(groups) for groups in _GROUPS.iter_unpack(raw.hex().encode())]


def timestamp_of(unix_ns: int) -> str:
    """The UTC time with six digits and a Z, always of the same length. Digits below a microsecond are cut."""
    minute, microseconds = divmod(unix_ns // 1_000, _MICROSECONDS_PER_MINUTE)
    return f"{_to_the_minute(minute)}{_SECONDS[microseconds // 1_000_000]}{microseconds % 1_000_000:06d}Z"


def stamp_of(unix_ns: int) -> bytes:
    """The same in ASCII."""
    return timestamp_of(unix_ns).encode()


@lru_cache(maxsize=64)
def _to_the_minute(minute: int) -> str:
    """What the times of one minute have in common: consecutive events mostly share it."""
    return datetime.fromtimestamp(minute * 60, UTC).isoformat()[:17]
