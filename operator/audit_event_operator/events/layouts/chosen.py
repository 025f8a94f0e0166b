"""From the format that a user chose to the layout that writes it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from audit_event_operator.events.layouts import Layout
from audit_event_operator.events.layouts.cef import Cef
from audit_event_operator.events.layouts.cloud_events import CloudEvents
from audit_event_operator.events.layouts.ecs import Ecs
from audit_event_operator.events.layouts.ocsf import Ocsf
from audit_event_operator.events.layouts.seed_json import SEED_JSON
from audit_event_operator.events.layouts.syslog import Syslog
from audit_event_operator.resource.formats import Format

_SHARED: Final[Mapping[Format, Layout]] = MappingProxyType(
    {
        Format.JSON: SEED_JSON,
        Format.ECS: Ecs(),
        Format.OCSF: Ocsf(),
        Format.CEF: Cef(),
        Format.SYSLOG: Syslog(),
        Format.SYSLOG_FULL: Syslog(full=True),
    }
)
"""Those that write the same for all streams."""


def source_of(namespace: str, name: str) -> str:
    """Where the events of a resource come from, as a URI reference."""
    return f"/namespaces/{namespace}/auditeventgenerators/{name}"


def layout_of(chosen: Format, source: str) -> Layout:
    """What writes this format; `source` (see `source_of`) goes into formats that tell it."""
    return CloudEvents(source) if chosen is Format.CLOUD_EVENTS else _SHARED[chosen]
