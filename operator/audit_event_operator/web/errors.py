"""What can go wrong in the HTTP face, in sentences for people."""

from http import HTTPStatus


class WebError(Exception):
    """Base of this package's exceptions."""


class Refusal(WebError):  # noqa: N818 - it is an answer, not a fault
    """A request is answered with an error: a status code and one sentence.

    Args:
        status: the status code.
        sentence: what is wrong and what to do.
        retry_after_seconds: when it may work, for the Retry-After header.
        challenge: for the WWW-Authenticate header.
        close: the connection is of no use any more.
    """

    def __init__(
        self,
        status: HTTPStatus,
        sentence: str,
        *,
        retry_after_seconds: int | None = None,
        challenge: str | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.retry_after_seconds = retry_after_seconds
        self.challenge = challenge
        self.close = close


class ListenError(WebError, OSError):
    """A port or address cannot be listened on; the sentence names the setting."""
