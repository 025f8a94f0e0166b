"""What can go wrong when we ask the API server: one small tree, so that retrying hangs on types and not on call sites."""


class ClusterError(Exception):
    """The API server did not do what we asked; the text is a sentence."""


class NotFound(ClusterError):  # noqa: N818 - answers of the API server, named as it names them
    """404: there is no such object or, for a list, no such kind."""


class Conflict(ClusterError):  # noqa: N818
    """409: somebody else wrote the object since we read it, or it exists already."""


class Forbidden(ClusterError):  # noqa: N818
    """403: a right is missing; the text names verb and resource."""


class Unprocessable(ClusterError):  # noqa: N818
    """422: a JSON Patch test failed, or the schema refused the object."""


class Unreachable(ClusterError):  # noqa: N818
    """No connection, a broken one, no usable answer, or 5xx; the same request may succeed later."""


class Throttled(Unreachable):
    """429, or 503 with Retry-After: we are too fast. `retry_after_seconds` is what the API server asks for."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Refused(ClusterError):  # noqa: N818
    """Any other refusal, such as 400 or 401."""


class NoCluster(ClusterError):  # noqa: N818
    """Neither a service account nor a kubeconfig says where the API server is."""
