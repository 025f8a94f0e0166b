"""Feeds a fleet from watched files: saving a file acts like `kubectl apply`, deleting one like `kubectl delete`.

An invalid save is refused with a sentence and disturbs nothing that runs, as if the API server had refused it.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.files.collection import Collection, collect, find_files
from audit_event_operator.files.targets import Secrets
from audit_event_operator.resource.names import GROUP
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.status import Progress

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.25
_UID_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, GROUP)


def uid_of(ref: Ref) -> str:
    """The UID of a resource without an API server: the same name is always the same resource."""
    return str(uuid.uuid5(_UID_SPACE, str(ref)))


class FileSource:
    """Watches files and folders with YAML or JSON documents; Secret documents go to `secrets`, for `rabbitmq.secretRef`."""

    def __init__(self, paths: Iterable[Path], fleet: Fleet, secrets: Secrets) -> None:
        self._paths = tuple(paths)
        self._fleet = fleet
        self._secrets = secrets
        self._running: dict[Ref, tuple[int, GeneratorSpec]] = {}
        self._seen: dict[Path, tuple[int, int]] = {}

    def read(self) -> Collection:
        """Read all files now.

        Raises:
            FileNotFoundError: one of the paths does not exist.
        """
        files = find_files(self._paths)
        self._seen = _stamps(files)
        return collect(files)

    def take_up(self, collection: Collection) -> None:
        """Start, change and stop generators so that they are what the files say. Idempotent."""
        for problem in collection.problems:
            logger.error("Refused: %s", problem)
        self._secrets.clear()
        self._secrets.update(collection.secrets)
        for ref, found in collection.resources.items():
            generation, spec = self._running.get(ref, (0, None))
            if spec == found.spec:
                continue
            self._running[ref] = (generation + 1, found.spec)
            self._fleet.apply(ref, uid_of(ref), generation + 1, found.spec, Progress())
            logger.info("%s %s", "Changed" if generation else "Started", ref)
            for warning in found.warnings:
                logger.warning("%s", warning)
        if not collection.complete:
            return  # the resources of a broken file are not gone, only out of sight
        for ref in set(self._running) - set(collection.resources) - collection.refused:
            del self._running[ref]
            self._fleet.discard(uid_of(ref))

    async def run(self) -> None:
        """Look for changes four times a second until cancelled; act when two looks agree.

        A file that is being saved can be empty, which would delete what is in it.
        """
        before = self._seen
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                files = find_files(path for path in self._paths if path.exists())
                stamps = _stamps(files)
                if before == stamps != self._seen:
                    self._seen = stamps
                    self.take_up(collect(files))
                before = stamps
            except OSError as error:
                logger.warning("Cannot read the files: %s", error)


def _stamps(files: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    stamps = {}
    for file in files:
        with contextlib.suppress(OSError):
            stat = file.stat()
            stamps[file] = (stat.st_mtime_ns, stat.st_size)
    return stamps
