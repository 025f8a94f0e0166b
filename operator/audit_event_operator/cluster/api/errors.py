"""What can go wrong when we ask the API server: one small tree, so that retrying hangs on types and not on call sites.

ClusterError
├── NotFound        404: the object or, for a list, its kind is not there
├── Conflict        409: somebody else wrote first, or it exists already
├── Forbidden       403: names the right that is missing
├── Unprocessable   422: a JSON Patch test failed, or the schema refused the object
├── Throttled       429, or 503 with Retry-After
├── Unreachable     no answer, no connection, a broken one, or 5xx
└── Refused         any other answer
"""


class ClusterError(Exception):
    """The API server did not do what we asked; the text is a sentence."""


class NotFound(ClusterError):  # noqa: N818 - answers of the API server, named as it names them
    """There is no such object, or no such kind."""


class Conflict(ClusterError):  # noqa: N818
    """Somebody else wrote the object since we read it, or it exists already."""


class Forbidden(ClusterError):  # noqa: N818
    """A right is missing; the text names verb and resource."""


class Unprocessable(ClusterError):  # noqa: N818
    """The object or patch was understood and refused."""


class Unreachable(ClusterError):  # noqa: N818
    """There was no usable answer; the same request may succeed later."""


class Throttled(Unreachable):
    """We are too fast. `retry_after_seconds` is what the API server asks for."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Refused(ClusterError):  # noqa: N818
    """Any other refusal, such as 400 or 401."""


class NoCluster(ClusterError):  # noqa: N818
    """Neither a service account nor a kubeconfig says where the API server is."""
