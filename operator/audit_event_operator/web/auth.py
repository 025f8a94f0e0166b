"""Who may post and read without a cluster to ask: everybody, or clients with the token from a file. Tokens are never logged."""

import asyncio
import hmac
import logging
from pathlib import Path

from audit_event_operator.resource.access import Decision

logger = logging.getLogger(__name__)


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization: Bearer …` header, None when there is none."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


class Everybody:
    """Auth mode `none`: every client that reaches the port may post and read."""

    async def may_post(self, token: str | None, namespace: str | None) -> Decision:
        """Allowed."""
        return Decision.ALLOWED

    async def may_read(self, token: str | None, path: str) -> Decision:
        """Allowed."""
        return Decision.ALLOWED


class TokenFile:
    """Auth mode `token`: the bearer token must be the one in a file, which may change at any time.

    White space around the token is ignored.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._token = b""
        self._complained = False

    async def may_post(self, token: str | None, namespace: str | None) -> Decision:
        """Compare in constant time; unavailable while the file cannot be read or is empty."""
        if not await asyncio.to_thread(self._refresh):
            return Decision.UNAVAILABLE
        given = (token or "").encode("utf-8", "surrogateescape")
        return Decision.ALLOWED if hmac.compare_digest(given, self._token) else Decision.UNAUTHENTICATED

    def _refresh(self) -> bool:
        try:
            stat = self._path.stat()
            now = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if now != self._seen:
                self._token = self._path.read_bytes().strip()
                self._seen = now
        except OSError as error:
            self._token, self._seen = b"", None
            return self._complain(error.strerror or "it cannot be read")
        if not self._token:
            return self._complain("it is empty")
        self._complained = False
        return True

    def _complain(self, why: str) -> bool:
        if not self._complained:
            logger.error("AEG_API_TOKEN_FILE %s: %s. All posts are refused until it holds a token.", self._path, why)
        self._complained = True
        return False
