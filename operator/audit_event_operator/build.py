"""Which commit this is: the image's build writes it into the environment; a checkout does not know."""

from collections.abc import Mapping


def commit(environ: Mapping[str, str]) -> str:
    """The commit the running code was built from, or `unknown`."""
    return environ.get("AEG_COMMIT") or "unknown"
