"""A sink of another kind than a broker: a folder of files, one per event. What any sink has to bring, and no more."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from audit_event_operator.brokers.pump import Pump
from audit_event_operator.engine.ledger import DropReason
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.ports import ConnectionState, OutletHealth, OutletOwner
from audit_event_operator.resource.spec import GeneratorSpec


@dataclass(frozen=True)
class Folder:
    """See `Destination`."""

    path: Path

    @property
    def label(self) -> str:
        return self.path.name

    @property
    def broker(self) -> Path:
        return self.path.parent

    def same_place(self, other: object) -> bool:
        return self == other


@dataclass
class Folders:
    """See `Destinations`: a folder for each queue's name."""

    root: Path

    def destination(self, namespace: str, spec: GeneratorSpec) -> Folder:
        return Folder(self.root / namespace / spec.queue)


class FolderOutlet:
    """See `Outlet`."""

    def __init__(self, folder: Folder, outbox: Outbox, owner: OutletOwner, pump: Pump["FolderOutlet"]) -> None:
        self.folder, self.outbox, self.gate = folder, outbox, owner.gate
        self.queued = False
        self.open = True
        self.health = OutletHealth(asyncio.get_running_loop().time(), connected=True, broker="disk")
        self._pump = pump
        folder.path.mkdir(parents=True, exist_ok=True)
        outbox.attach(self)

    @property
    def writable(self) -> int:
        return self.outbox.writable if self.open else 0

    def poke(self) -> None:
        self._pump.add(self)

    resize = retry_now = poke

    def adopt(self, destination: object) -> bool:
        return False

    def close(self, grace_seconds: float) -> None:
        self.open = False
        self.outbox.detach(self)

    def write(self, count: int) -> None:
        for _ in range(count):
            parcel = self.outbox.take()
            try:
                (self.folder.path / f"{parcel.event.event_id}.json").write_bytes(parcel.event.body)
            except OSError:
                self.outbox.drop(parcel, DropReason.NOT_CONFIRMED)
            else:
                self.outbox.ack(parcel)
        self.outbox.notify_settled()


class FolderSink:
    """See `Brokers`."""

    def __init__(self) -> None:
        self._pump: Pump[FolderOutlet] = Pump(lambda: 100, lambda turns: [each.write(count) for each, count in turns])

    def open(self, destination: Folder, outbox: Outbox, owner: OutletOwner) -> FolderOutlet:
        outlet = FolderOutlet(destination, outbox, owner, self._pump)
        asyncio.get_running_loop().call_soon(owner.outlet_changed)
        return outlet

    def connections(self) -> dict[ConnectionState, int]:
        return {ConnectionState.CONNECTED: 1}

    def connect_results(self) -> dict[str, int]:
        return {}

    async def aclose(self) -> None:
        self._pump.stop()
