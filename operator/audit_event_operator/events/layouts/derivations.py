"""Values that formats ask for and that events do not have: numbers for words, names of files, process numbers.

Pure functions of texts as a layout writes them, so that a stream told twice has the same. Knows no format.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

_FIRST_UID: Final = 1_000
_UIDS: Final = 59_000
"""Debian's adduser gives 1000 to 59999."""
_FIRST_PORT: Final = 32_768
_PORTS: Final = 28_232
"""What Linux gives to clients: 32768 to 60999 (ip_local_port_range)."""
_TERMINALS: Final = 8
_FIRST_PID: Final = 300
_PIDS: Final = 4_194_000
_NO_HOST: Final = b"unknown"
_KEPT: Final = 4_096

_UNPRINTABLE: Final = re.compile(r"[^!-~]")
_NO_LETTER_OF_A_HOST: Final = re.compile(r"[^A-Za-z0-9.]+")


def number_of(words: Mapping[str, int], otherwise: int) -> Callable[[bytes], bytes]:
    """What turns a word into its number."""
    numbers = {word.encode(): b"%d" % number for word, number in words.items()}
    unknown = b"%d" % otherwise
    return lambda word: numbers.get(word, unknown)


def base_name(path: bytes) -> bytes:
    """The last part of a path; all of it where that is empty."""
    return path.rstrip(b"/").rpartition(b"/")[2] or path


@lru_cache(maxsize=_KEPT)
def host_name(text: bytes) -> bytes:
    """A host's name as RFC 1123 has it: letters, digits and hyphens between dots."""
    name = _NO_LETTER_OF_A_HOST.sub("-", text.decode("utf-8", "replace"))
    labels = (label.strip("-") for label in name.split("."))
    return ".".join(label for label in labels if label).encode() or _NO_HOST


@lru_cache(maxsize=_KEPT)
def one_word(text: bytes) -> bytes:
    """Printable ASCII without spaces, at most 255 characters, as the header of RFC 5424 wants a host's name."""
    return _UNPRINTABLE.sub("_", text.decode("utf-8", "replace"))[:255].encode() or b"-"


@lru_cache(maxsize=_KEPT)
def lower(text: bytes) -> bytes:
    """In small letters."""
    return text.lower()


@lru_cache(maxsize=_KEPT)
def uid_of(name: bytes) -> bytes:
    """The number of a user or group: the same for the same name, wherever it occurs."""
    return b"%d" % (_FIRST_UID + _hash(name) % _UIDS)


@lru_cache(maxsize=_KEPT)
def port_of(connection: bytes) -> bytes:
    """The client's port of a connection."""
    return b"%d" % (_FIRST_PORT + _hash(connection) % _PORTS)


@lru_cache(maxsize=_KEPT)
def terminal_of(session: bytes) -> bytes:
    """The terminal that somebody sits at."""
    return b"pts/%d" % (_hash(session) % _TERMINALS)


def pid_from(text: bytes, more: int = 0) -> bytes:
    """The number of a process: the same for the same text."""
    return b"%d" % (_FIRST_PID + (_hash(text) >> 16) % _PIDS + more)


def _hash(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


OUTCOMES: Final[Mapping[str, bool]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "SUCCESS", "MODIFIED", "STARTED", "STOPPED", "CREATED", "DELETED", "LOCKED", "ADDED", "REMOVED", "INSTALLED",
                "CLEARED", "EXPORTED", "CLOSED",
            ),
            True,
        ),
        **dict.fromkeys(("FAILURE", "FAILED", "BLOCKED", "DENIED"), False),
    }
)  # fmt: skip
"""Action results that say whether it worked."""
