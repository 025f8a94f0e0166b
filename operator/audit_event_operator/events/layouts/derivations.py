"""Values that formats ask for and that events do not have: numbers for words, names of files, process numbers.

Pure functions of texts as a layout writes them, so that a stream told twice has the same. Knows no format.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

from audit_event_operator.events.canonical import Derivation

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
_LONGEST_WORD: Final = 255
_KEPT: Final = 4_096

_UNPRINTABLE: Final = re.compile(r"[^!-~]")
_NO_LETTER_OF_A_HOST: Final = re.compile(r"[^A-Za-z0-9.]+")


def no_longer(text_bytes: int) -> int:
    """For what is never longer than the text it follows from."""
    return text_bytes


def at_most(size_bytes: int) -> Callable[[int], int]:
    """For what is as long as this at most, whatever it follows from."""
    return lambda _: size_bytes


def number_of(words: Mapping[str, int], otherwise: int) -> Derivation:
    """What turns a word into its number."""
    numbers = {word.encode(): b"%d" % number for word, number in words.items()}
    unknown = b"%d" % otherwise
    longest = max(len(number) for number in (*numbers.values(), unknown))
    return Derivation(lambda word: numbers.get(word, unknown), at_most(longest))


def _base_name(path: bytes) -> bytes:
    """The last part of a path; all of it where that is empty."""
    return path.rstrip(b"/").rpartition(b"/")[2] or path


@lru_cache(maxsize=_KEPT)
def _host_name(text: bytes) -> bytes:
    """A host's name as RFC 1123 has it: letters, digits and hyphens between dots."""
    name = _NO_LETTER_OF_A_HOST.sub("-", text.decode("utf-8", "replace"))
    labels = (label.strip("-") for label in name.split("."))
    return ".".join(label for label in labels if label).encode() or _NO_HOST


@lru_cache(maxsize=_KEPT)
def _one_word(text: bytes) -> bytes:
    """Printable ASCII without spaces, at most 255 characters, as the header of RFC 5424 wants a host's name."""
    return _UNPRINTABLE.sub("_", text.decode("utf-8", "replace"))[:_LONGEST_WORD].encode() or b"-"


@lru_cache(maxsize=_KEPT)
def _lower(text: bytes) -> bytes:
    """In small letters."""
    return text.lower()


@lru_cache(maxsize=_KEPT)
def _uid_of(name: bytes) -> bytes:
    """The number of a user or group: the same for the same name, wherever it occurs."""
    return b"%d" % (_FIRST_UID + _hash(name) % _UIDS)


@lru_cache(maxsize=_KEPT)
def _port_of(connection: bytes) -> bytes:
    """The client's port of a connection."""
    return b"%d" % (_FIRST_PORT + _hash(connection) % _PORTS)


@lru_cache(maxsize=_KEPT)
def _terminal_of(session: bytes) -> bytes:
    """The terminal that somebody sits at."""
    return b"pts/%d" % (_hash(session) % _TERMINALS)


def _hash(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


BASE_NAME: Final = Derivation(_base_name, no_longer)
HOST_NAME: Final = Derivation(_host_name, lambda text_bytes: max(text_bytes, len(_NO_HOST)))
ONE_WORD: Final = Derivation(_one_word, lambda text_bytes: min(max(text_bytes, 1), _LONGEST_WORD))
LOWER: Final = Derivation(_lower, no_longer)
UID: Final = Derivation(_uid_of, at_most(len(str(_FIRST_UID + _UIDS))))
PORT: Final = Derivation(_port_of, at_most(len(str(_FIRST_PORT + _PORTS))))
TERMINAL: Final = Derivation(_terminal_of, at_most(len(f"pts/{_TERMINALS}")))


@lru_cache(maxsize=16)
def pid_of(child: int = 0) -> Derivation:
    """The number of a process, or of a child that is so much younger: the same for the same text."""
    return Derivation(
        lambda text: b"%d" % (_FIRST_PID + (_hash(text) >> 16) % _PIDS + child),
        at_most(len(str(_FIRST_PID + _PIDS + child))),
    )


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
