"""Feeds a fleet from watched files: saving a file acts like `kubectl apply`, deleting one like `kubectl delete`.

An invalid save is refused with a sentence and disturbs nothing that runs, as if the API server had refused it.
"""

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.files.collection import Collection, Part, find_files, merged, read_part
from audit_event_operator.files.targets import Secrets
from audit_event_operator.resource.names import GROUP
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.status import Progress

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.25
MOST_OF_A_CORE: Final = 0.05
"""How much of a processor looking for changes may take."""

Stamp: TypeAlias = tuple[int, int, int]
"""Time of the last change, size and inode."""
Stamps: TypeAlias = dict[Path, Stamp]
Aside: TypeAlias = Callable[..., Awaitable[Any]]
_UID_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, GROUP)


def uid_of(ref: Ref) -> str:
    """The UID of a resource without an API server: the same name is always the same resource."""
    return str(uuid.uuid5(_UID_SPACE, str(ref)))


class FileSource:
    """Watches files and folders with YAML or JSON documents; Secret documents go to `secrets`, for `rabbitmq.secretRef`.

    `aside` runs what must not hold up the loop.
    """

    def __init__(
        self, paths: Iterable[Path], fleet: Fleet, secrets: Secrets, *, aside: Aside = asyncio.to_thread
    ) -> None:
        self._paths = tuple(paths)
        self._fleet = fleet
        self._secrets = secrets
        self._aside = aside
        self._running: dict[Ref, tuple[int, GeneratorSpec]] = {}
        self._parts: dict[Path, tuple[Stamp, Part]] = {}
        self._seen: Stamps = {}

    def read(self) -> Collection:
        """Read all files now.

        Raises:
            FileNotFoundError: one of the paths does not exist, or is no regular file or folder.
        """
        return self._collect(_stamps(find_files(self._paths)))

    def take_up(self, collection: Collection) -> None:
        """Start, change and stop generators so that they are what the files say. Idempotent."""
        for problem in collection.problems:
            logger.error("Refused: %s", problem)
        if collection.complete:
            self._secrets.clear()
        self._secrets.update(collection.secrets)
        for ref, found in collection.resources.items():
            generation, spec = self._running.get(ref, (0, None))
            if spec is found.spec or spec == found.spec:
                continue
            self._running[ref] = (generation + 1, found.spec)
            self._fleet.apply(ref, uid_of(ref), generation + 1, found.spec, Progress())
            logger.info("%s %s", "Changed" if generation else "Started", ref)
            for warning in found.warnings:
                logger.warning("%s", warning)
        if not collection.complete:
            return  # what is in a broken file is not gone, only out of sight
        for ref in set(self._running) - set(collection.resources) - collection.refused:
            del self._running[ref]
            self._fleet.discard(uid_of(ref))

    async def run(self) -> None:
        """Look for changes until cancelled; act when two looks agree.

        A file that is being saved can be empty, which would delete what is in it. Looking and reading is the work of a thread;
        with very many files it looks less often, so that streams do not notice.
        """
        before, pause = self._seen, POLL_SECONDS
        while True:
            await asyncio.sleep(pause)
            try:
                stamps, took = await self._aside(self._look)
                if before == stamps != self._seen:
                    self.take_up(await self._aside(self._collect, stamps))
                before, settled = stamps, stamps == self._seen
                pause = max(POLL_SECONDS, took / MOST_OF_A_CORE) if settled else POLL_SECONDS
            except OSError as error:
                logger.warning("Cannot read the files: %s", error)

    def _look(self) -> tuple[Stamps, float]:
        """What is there now, and how long looking took."""
        began = time.thread_time()
        stamps = _stamps(find_files(path for path in self._paths if path.is_dir() or path.is_file()))
        return stamps, time.thread_time() - began

    def _collect(self, stamps: Stamps) -> Collection:
        """Read what is new; the rest is as it was."""
        parts = {}
        for file, stamp in stamps.items():
            before = self._parts.get(file)
            parts[file] = before if before is not None and before[0] == stamp else (stamp, read_part(file))
        self._parts, self._seen = parts, stamps
        return merged(part for _, part in parts.values())


def _stamps(files: Mapping[Path, os.stat_result]) -> Stamps:
    return {file: (stat.st_mtime_ns, stat.st_size, stat.st_ino) for file, stat in files.items()}
