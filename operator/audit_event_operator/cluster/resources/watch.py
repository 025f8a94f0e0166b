"""Hears what happens to our resources: the only module that knows kopf.

kopf runs in a thread and an event loop of its own, because it cancels every younger task of its loop when it stops, and it
stops for many reasons (a 404 of the list, one broken line of the watch). So it may die at any time; whoever runs a Watch
starts another. It has a single `on.event` handler and therefore writes nothing to any object: no finalizer, no annotation.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from audit_event_operator.cluster.api.connection import Connection
from audit_event_operator.cluster.resources.mailbox import Mailbox, call_on
from audit_event_operator.resource.names import GROUP, OPERATOR_NAME, PLURAL, VERSION

if TYPE_CHECKING:
    import aiohttp
    import kopf

logger = logging.getLogger(__name__)

INACTIVITY_SECONDS: Final = 70.0
"""Bookmarks come every 60 s; a stream that is silent for longer is dead."""
SERVER_SECONDS: Final = 240
REQUEST_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 5.0
PAGE_SIZE: Final = 100
"""Resources in a page of kopf's list. While kopf parses one, its thread holds the interpreter, and so the main loop."""
LONGEST_BACKOFF_SECONDS: Final = 5.0
RELOGIN_SECONDS: Final = 5.0
STOP_SECONDS: Final = 1.0
WORKER_SECONDS: Final = 0.2
"""How long kopf keeps a task, a queue and the last body for an object of which nothing more is heard."""
_CLOSING_SECONDS: Final = 0.1
"""Closed TLS connections need a few turns of their loop to be gone."""
USER_AGENT: Final = "audit-event-operator (kopf)"

Deliver = Callable[[str | None, dict[str, Any]], None]


@dataclass(eq=False)
class Watch:
    """Runs kopf once and hands over what it hears, on the loop that made it."""

    connect: Callable[[], Awaitable[Connection]]
    """Opens a connection; called in kopf's own loop."""
    deliver: Deliver
    """Gets the type (None for what a list says, else ADDED, MODIFIED, DELETED) and the object."""
    opened: Callable[[], None]
    """Called each time that lists and streams are complete again after one that began anew, so that deletions in between may
    have gone unnoticed."""
    namespaces: Sequence[str] = ()
    """Where to look; empty means everywhere."""

    def __post_init__(self) -> None:
        self._home = asyncio.get_running_loop()
        self._heard: Mailbox[tuple[str | None, dict[str, Any]]] = Mailbox(
            self._home, lambda heard: self.deliver(*heard)
        )
        self._sessions: list[aiohttp.ClientSession] = []
        self._logged_in_at: float | None = None
        self._open_streams: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stopping = False
        self.trouble: str | None = f"The watch on {PLURAL}.{GROUP} is not open yet."
        """Why it does not hear everything yet, a sentence; None once every list was read and every stream has been opened."""

    async def run(self) -> str:
        """Watch until kopf ends by itself; returns a few words on why. When cancelled, nothing is delivered any more."""
        ended: asyncio.Future[str] = self._home.create_future()

        def end(why: str) -> None:
            if not ended.done():
                ended.set_result(why)

        def live() -> None:
            try:
                asyncio.run(self._operate())
                why = "kopf stopped"
            except Exception as error:  # noqa: BLE001 - whatever ended kopf, the answer is to start it again
                why = f"{type(error).__name__}: {error}"
            call_on(self._home, end, why)

        thread = threading.Thread(target=live, name="kopf", daemon=True)
        thread.start()
        try:
            return await asyncio.shield(ended)
        finally:
            self._stopping = True
            self._heard.close()
            if self._loop is not None and self._stop is not None and not ended.done():
                call_on(self._loop, self._stop.set)
                await asyncio.wait([ended], timeout=STOP_SECONDS)

    # -- what follows runs in kopf's thread ----------------------------------------------------------------------------

    async def _operate(self) -> None:
        import kopf

        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._stopping:
            return
        _quieten_kopf()
        registry = kopf.OperatorRegistry()
        kopf.on.event(GROUP, VERSION, PLURAL, id="heard", registry=registry)(self._hear)
        kopf.on.login(registry=registry, id="login")(self._log_in)
        try:
            await kopf.operator(
                registry=registry,
                settings=_settings(),
                standalone=True,
                clusterwide=not self.namespaces,
                namespaces=self.namespaces,
                stop_flag=self._stop,
                # kopf would else ask for the name of the user, and a bare user id in a container has none
                identity=cast("Any", OPERATOR_NAME),
            )
        finally:
            for session in self._sessions:
                await session.close()
            await asyncio.sleep(_CLOSING_SECONDS)

    async def _hear(self, event: kopf.RawEvent, **_: Any) -> None:
        self._heard.put((event["type"], cast("dict[str, Any]", event["object"])))

    async def _log_in(self, **_: Any) -> object:
        """Let kopf in the way we come in ourselves, but not too often."""
        import kopf

        now = asyncio.get_running_loop().time()
        earlier, self._logged_in_at = self._logged_in_at, now
        if earlier is not None and now - earlier < RELOGIN_SECONDS:
            await asyncio.sleep(RELOGIN_SECONDS)
        connection = await self.connect()
        session = connection.session(headers={"User-Agent": USER_AGENT}, trace_configs=[self._observer()])
        self._sessions = [*(each for each in self._sessions if not each.closed), session]
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=session)

    def _observer(self) -> aiohttp.TraceConfig:
        """See when a list is followed by its stream: kopf does not tell when it has read a list that is empty."""
        import aiohttp

        async def answered(
            _session: aiohttp.ClientSession, _context: object, asked: aiohttp.TraceRequestEndParams
        ) -> None:
            if asked.url.name != PLURAL:
                return
            if asked.response.status == 403:
                verb = "watch" if "watch" in asked.url.query else "list"
                sentence = f"The operator's account may not {verb} {PLURAL}.{GROUP}; add the permission to its role."
                call_on(self._home, self._note, sentence)
            if asked.response.status != 200:
                return
            if "watch" not in asked.url.query:
                self._open_streams.discard(asked.url.path)
            elif asked.url.path not in self._open_streams:
                self._open_streams.add(asked.url.path)
                if len(self._open_streams) == max(1, len(self.namespaces)):
                    call_on(self._home, self._complete)

        observer = aiohttp.TraceConfig()
        observer.on_request_end.append(answered)
        return observer

    # -- what follows runs on the loop that made it -------------------------------------------------------------------

    def _complete(self) -> None:
        if not self._stopping:
            self.trouble = None
            self.opened()

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            logger.warning("%s", trouble)
        self.trouble = trouble


class EndlessBackoff:
    """Seconds between attempts, for ever: kopf gives up (and ends) when such a list is at its end."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.5, 1.0, 2.0), itertools.repeat(LONGEST_BACKOFF_SECONDS))


def _settings() -> kopf.OperatorSettings:
    import kopf

    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _forgetful()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.process.ultimate_exiting_timeout = None  # it would kill this very process
    settings.queueing.idle_timeout = WORKER_SECONDS
    settings.watching.inactivity_timeout = INACTIVITY_SECONDS
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.watching.chunk_size = PAGE_SIZE
    settings.networking.request_timeout = REQUEST_SECONDS
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.error_backoffs = EndlessBackoff()
    settings.networking.enforce_retry_after = True
    return settings


def _forgetful() -> kopf.DiffBaseStorage:
    """Keep kopf from copying each body to compare it with an annotation: what is news is decided here, by generation."""
    import kopf

    class Forgetful(kopf.DiffBaseStorage):
        def build(self, **_: Any) -> kopf.BodyEssence:
            return kopf.BodyEssence()

        def fetch(self, **_: Any) -> None:
            return None

        def store(self, **_: Any) -> None:
            """Nothing is ever written to a resource but its status, and that is not kopf's business."""

    return Forgetful()


def _quieten_kopf() -> None:
    """Leave of kopf's log what helps: not one line per watch event, no stack of a failure that whoever runs us reports."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    for module in ("running", "orchestration"):
        logging.getLogger(f"kopf._core.reactor.{module}").addFilter(_is_worth_reading)


def _is_worth_reading(record: logging.LogRecord) -> bool:
    if record.exc_info and not logging.getLogger(record.name).isEnabledFor(logging.DEBUG):
        record.exc_info = None
    return "OS signals are ignored" not in record.getMessage()  # they are ours
