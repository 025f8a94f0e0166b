"""Names that events are about, as a layout writes them. There may be 100,000 of them: nothing is kept for each."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol, overload

from audit_event_operator.events.layouts import Layout
from audit_event_operator.resource.entities import Entities

_KEPT: Final = 4_096
_FEW: Final = 512
"""More than can be named; so many are written in advance, and the others when they occur."""
_LONG: Final = b"a name that was made up "
"""No made-up name is longer."""


class Names(Protocol):
    """Texts by number, from 0."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, number: int, /) -> str:
        """One of them."""


class Cast(Protocol):
    """Whom and where the events of one stream are about, when each of them is an independent draw."""

    users: Names
    hosts: Names
    labels: Names
    """What metrics call the hosts."""
    clients: Names | None
    """Addresses; None for the seed's."""


class Listed:
    """The cast of a spec that names all there are."""

    def __init__(self, users: Names, hosts: Names) -> None:
        self.users = users
        self.hosts = hosts
        self.labels = hosts
        self.clients: Names | None = None

    @classmethod
    def of(cls, entities: Entities) -> "Listed":
        """The names that a spec lists."""
        return cls(entities.users.listed, entities.hosts.listed)


class Written(Sequence[bytes]):
    """Names as a layout writes them."""

    def __init__(self, names: Names, layout: Layout) -> None:
        self._names = names
        self._text = lru_cache(maxsize=_KEPT)(lambda number: layout.escape(names[number]))

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, number: int) -> bytes: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[bytes]: ...
    def __getitem__(self, number: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        return self._text(number % len(self._names))


def written(names: Names, layout: Layout) -> Sequence[bytes]:
    """As a tuple where there are few, which is faster."""
    if len(names) <= _FEW:
        return tuple(layout.escape(names[number]) for number in range(len(names)))
    return Written(names, layout)


def longest(texts: Sequence[bytes]) -> bytes:
    """One that is as long as any: the named ones come first, and those that are made up are short."""
    some = [texts[number] for number in range(min(len(texts), _FEW))]
    return max([*some, _LONG] if len(texts) > _FEW else some, key=len)
