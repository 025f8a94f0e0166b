"""Who may hold how many bytes of the memory that all buffers share, so that no stream can use up another one's room.

Every open outbox has room for one small event of its own. The rest is shared by dynamic thresholds (Choudhury and Hahne,
"Dynamic queue length thresholds for shared-memory packet switches", 1998): a holder may grow only while it holds less than what
is left. The rule holds for namespaces, for the brokers of a namespace and for the outboxes of a broker at once. Knows no
events, only their sizes.
"""

from collections import Counter
from collections.abc import Hashable
from typing import Final

PARCEL_OVERHEAD_BYTES: Final = 700
"""Rough cost of the Python objects around one body."""

SMALL_EVENT_BYTES: Final = 8 * 1024
"""Largest body that an empty outbox can always take."""

RESERVE_BYTES: Final = SMALL_EVENT_BYTES + PARCEL_OVERHEAD_BYTES
"""What is kept free for each open outbox."""

_LEVELS: Final = 4
"""Each byte beyond the reserve counts for all, for the namespace, for its broker and for the outbox."""

_NOTICEABLE: Final = 8
"""Who holds less than this part of an equal share has not used it up. One outbox alone gets at most a quarter."""


class _Holder:
    """What a namespace, or a namespace at one broker, holds beyond the reserves of its outboxes."""

    __slots__ = ("accounts", "held_bytes")

    def __init__(self) -> None:
        self.accounts = 0
        self.held_bytes = 0


class Budget:
    """The bytes of all buffers together.

    `limit_bytes` is exceeded only by small events: of outboxes that were opened while all was taken, and where there are so
    many outboxes (15,000) that their reserves alone are more.
    """

    def __init__(self, limit_bytes: int = 128 * 1024 * 1024) -> None:
        self.limit_bytes = limit_bytes
        self.free_bytes = limit_bytes
        """What is neither reserved nor held; may be negative, see above."""
        self._shared_bytes = limit_bytes
        self._accounts: dict[Account, None] = {}
        self._namespaces: dict[Hashable, _Holder] = {}
        self._brokers: dict[Hashable, _Holder] = {}

    def open(self, namespace: str, broker: Hashable) -> "Account":
        """An account for one more outbox; `broker` is whatever takes its events and those of others."""
        in_namespace = self._namespaces.setdefault(namespace, _Holder())
        at_broker = self._brokers.setdefault((namespace, broker), _Holder())
        account = Account(self, namespace, broker, in_namespace, at_broker)
        in_namespace.accounts += 1
        at_broker.accounts += 1
        self._accounts[account] = None
        self.reserve(RESERVE_BYTES)
        return account

    @property
    def used_bytes(self) -> int:
        """What all buffers hold."""
        return sum(account.used_bytes for account in self._accounts)

    def used_by_namespace(self) -> dict[str, int]:
        """What the buffers of each namespace hold; posts that name no generator belong to the empty namespace."""
        used: Counter[str] = Counter()
        for account in self._accounts:
            used[account.namespace] += account.used_bytes
        return used

    @property
    def noticeable_bytes(self) -> int:
        """Holding this much, a namespace has a part in it when nothing is left."""
        return self._shared_bytes // (_NOTICEABLE * max(1, len(self._namespaces)))

    def reserve(self, size_bytes: int) -> None:
        """Keep so much more free for one outbox, or less."""
        self.free_bytes -= size_bytes
        self._shared_bytes -= size_bytes

    def forget(self, account: "Account", in_namespace: _Holder, at_broker: _Holder) -> None:
        """This account holds nothing and is closed."""
        del self._accounts[account]
        in_namespace.accounts -= 1
        if not in_namespace.accounts:
            del self._namespaces[account.namespace]
        at_broker.accounts -= 1
        if not at_broker.accounts:
            del self._brokers[account.namespace, account.broker]


class Account:
    """What one outbox holds."""

    __slots__ = ("_at_broker", "_budget", "_in_namespace", "_reserve_bytes", "broker", "namespace", "used_bytes")

    def __init__(
        self, budget: Budget, namespace: str, broker: Hashable, in_namespace: _Holder, at_broker: _Holder
    ) -> None:
        self.namespace = namespace
        self.broker = broker
        self.used_bytes = 0
        self._budget = budget
        self._in_namespace = in_namespace
        self._at_broker = at_broker
        self._reserve_bytes = RESERVE_BYTES

    @property
    def room_bytes(self) -> int:
        """How much may be taken now: the rest of the reserve, and as much more as leaves all thresholds kept."""
        beyond = self.used_bytes - self._reserve_bytes
        spare = self._budget.free_bytes - self._in_namespace.held_bytes - self._at_broker.held_bytes - max(0, beyond)
        return max(0, spare) // _LEVELS + max(0, -beyond)

    @property
    def overdrawn(self) -> bool:
        """Whether its namespace has its part in it when there is no room."""
        return self._in_namespace.held_bytes >= max(1, self._budget.noticeable_bytes)

    def take(self, size_bytes: int) -> None:
        """Hold so much more. The caller has asked for room, or has to take it all the same."""
        self._count(self.used_bytes + size_bytes, self._reserve_bytes)

    def give_back(self, size_bytes: int) -> None:
        """Hold so much less."""
        self._count(self.used_bytes - size_bytes, self._reserve_bytes)
        if not self.used_bytes and not self._reserve_bytes:
            self._budget.forget(self, self._in_namespace, self._at_broker)

    def close(self) -> None:
        """Keep no reserve any more. What is held still has to be given back. Idempotent."""
        if not self._reserve_bytes:
            return
        self._budget.reserve(-self._reserve_bytes)
        self._count(self.used_bytes, 0)
        if not self.used_bytes:
            self._budget.forget(self, self._in_namespace, self._at_broker)

    def _count(self, used_bytes: int, reserve_bytes: int) -> None:
        more = max(0, used_bytes - reserve_bytes) - max(0, self.used_bytes - self._reserve_bytes)
        self.used_bytes, self._reserve_bytes = used_bytes, reserve_bytes
        if more:
            self._budget.free_bytes -= more
            self._in_namespace.held_bytes += more
            self._at_broker.held_bytes += more
