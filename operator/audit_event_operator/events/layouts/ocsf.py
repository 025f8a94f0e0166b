"""The Open Cybersecurity Schema Framework 1.3, with its host profile. What a class has no attribute for goes to `unmapped`."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from audit_event_operator.events.canonical import CanonicalEvent, Derivation, Pattern
from audit_event_operator.events.layouts import Piece
from audit_event_operator.events.layouts.derivations import OUTCOMES, number_of
from audit_event_operator.events.layouts.json_text import escaped, json_pieces
from audit_event_operator.events.layouts.mapping import Mapped, derived, put
from audit_event_operator.events.layouts.ocsf_kinds import BASE, OCSF_KINDS, OcsfKind

VERSION: Final = "1.3.0"
"""Of the schema."""
VENDOR: Final = "jojees.net"
PRODUCT: Final = "Audit Event Operator"

_OTHER: Final = 99
_SEVERITY: Final = number_of({"INFO": 1, "WARNING": 3, "ERROR": 4, "CRITICAL": 5}, _OTHER)
_CAPTIONS: Final = {b"INFO": b"Informational", b"WARNING": b"Medium", b"ERROR": b"High", b"CRITICAL": b"Critical"}
_STATUS: Final[Mapping[bool | None, tuple[int, str]]] = MappingProxyType({True: (1, "Success"), False: (2, "Failure")})


def _caption(severity: bytes) -> bytes:
    return _CAPTIONS.get(severity, severity)


_CAPTION: Final = Derivation(_caption, lambda text_bytes: max(text_bytes, *map(len, _CAPTIONS.values())))


def _milliseconds(unix_ns: int) -> bytes:
    return b"%d" % (unix_ns // 1_000_000)


@dataclass(frozen=True, slots=True)
class Ocsf:
    """The layout of `format: OCSF`."""

    content_type: str = "application/json"
    escape = staticmethod(escaped)
    timestamp = staticmethod(_milliseconds)

    def render(self, event: CanonicalEvent) -> list[Piece]:
        """One event of one class; of the base class where nobody knows what it is."""
        kind = OCSF_KINDS.get(event.kind) or OcsfKind(BASE, _OTHER, event.event_type)
        mapped = Mapped(event)
        status_id, status = _STATUS.get(OUTCOMES.get(event.action_result), (_OTHER, event.action_result))
        fields: dict[str, Any] = {
            "class_uid": kind.of.uid,
            "class_name": kind.of.name,
            "category_uid": kind.of.category_uid,
            "category_name": kind.of.category_name,
            "activity_id": kind.activity_id,
            "activity_name": kind.activity_name,
            "type_uid": kind.of.uid * 100 + kind.activity_id,
            "type_name": f"{kind.of.name}: {kind.activity_name}",
            "time": event.timestamp,
            "severity_id": derived(_SEVERITY, event.severity),
            "severity": Pattern((derived(_CAPTION, event.severity),)),
            "status_id": status_id,
            "status": status,
            "status_code": event.action_result,
            "message": f"{event.event_type} {event.action_result}",
            "metadata": {
                "version": VERSION,
                "uid": Pattern((event.event_id,)),
                "event_code": event.event_type,
                "log_provider": event.source_service,
                "product": {"name": PRODUCT, "vendor_name": VENDOR},
                **({} if kind.of is BASE else {"profiles": ["host"]}),
            },
        }
        reason = mapped.value("${reason}")
        if reason is not None:
            fields["status_detail"] = reason
        for path, template in {**kind.of.fields, **kind.fields}.items():
            value = mapped.value(template)
            if value is not None:
                put(fields, path, value)
        unmapped = mapped.rest(event.details)
        if kind.of is BASE:
            unmapped = {
                "server_hostname": event.server_hostname,
                "user_id": event.user_id,
                "details": unmapped,
                **event.more,
            }
        if unmapped:
            fields["unmapped"] = unmapped
        return json_pieces(fields)
