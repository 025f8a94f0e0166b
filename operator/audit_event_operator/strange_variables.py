"""Finds variables that look like settings and are none: a misspelled AEG_API_AUTH would leave the door open.

Knows whose other variables begin with AEG_, and no setting.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from audit_event_operator.resource.problems import shown

_PREFIX: Final = "AEG_"
_ALIKE: Final = 0.7
_BUILD: Final = "AEG_COMMIT"
_TEST_SUITE: Final = ("AEG_TEST_", "AEG_FAULT", "AEG_FUZZ_", "AEG_SOAK_", "AEG_RIGS", "AEG_E2E_")
"""How the variables of the test suite begin; whoever has exported one can still start the operator."""
_SERVICE: Final = re.compile(
    r"AEG_(?:[A-Z0-9_]+_)?(?:"
    r"SERVICE_HOST=[0-9a-f.:]+"
    r"|SERVICE_PORT(?:_[A-Z0-9_]+)?=\d+"
    r"|PORT(?:_\d+_(?:TCP|UDP|SCTP))?=(?:tcp|udp|sctp)://.+"
    r"|PORT_\d+_(?:TCP|UDP|SCTP)_(?:PROTO=(?:tcp|udp|sctp)|PORT=\d+|ADDR=[0-9a-f.:]+)"
    r")"
)
"""What Kubernetes tells a pod with service links of a Service named aeg or aeg-something, as NAME=value."""


def strange_variables(texts: Mapping[str, str | None], settings: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each variable that begins with AEG_ and has a value, but is none of `settings`."""
    ours = [name.removeprefix(_PREFIX) for name in settings if name.startswith(_PREFIX)]
    for name, text in texts.items():
        if not name.startswith(_PREFIX) or not text or name in settings or name == _BUILD:
            continue
        if name.startswith(_TEST_SUITE) or _SERVICE.fullmatch(f"{name}={text}"):
            continue
        nearest = get_close_matches(name.removeprefix(_PREFIX), ours, n=1, cutoff=_ALIKE)
        hint = f"; did you mean {_PREFIX}{nearest[0]}?" if nearest else "; docs/settings.md lists the settings."
        yield f"{shown(name)} is not a setting{hint}"
