"""What is running: the image's build writes its commit into the environment; a checkout does not know it."""

import platform
from collections.abc import Mapping

from audit_event_operator import __version__


def build_info(environ: Mapping[str, str]) -> dict[str, str]:
    """The version, the commit the running code was built from (or `unknown`), and Python's version."""
    revision = environ.get("AEG_COMMIT") or "unknown"
    return {"version": __version__, "revision": revision, "python_version": platform.python_version()}
