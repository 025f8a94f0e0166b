"""A user-defined event type: the model of one entry of `spec.eventTypes`.

Its rules keep poison out of the pipeline: the platform's consumers expect a short text and a valid address at top level
(resource, client_ip); anything else they requeue endlessly.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from audit_event_operator.resource.fields import NO_CONTROL_CHARACTERS, Text, cel_string, full_match
from audit_event_operator.resource.model import SpecModel
from audit_event_operator.resource.rules import Rule
from audit_event_operator.resource.schema import MAP_TYPE
from audit_event_operator.resource.templates import RESERVED_NAMES, TOKENS


class Severity(StrEnum):
    """How bad an event is, in the words of the wire format."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


MAX_RESOURCE_LENGTH: Final = 255
_TOKEN_LIST: Final = ", ".join(TOKENS)
_RESERVED_LIST: Final = ", ".join(RESERVED_NAMES)
CEL_RESERVED: Final = "[" + ", ".join(f"'{name}'" for name in RESERVED_NAMES) + "]"
_KEY: Final = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
IPV4: Final = r"^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$"


def _address_is_valid(details: Mapping[str, str]) -> bool:
    address = details.get("ip_address", "${client_ip}")
    return address == "${client_ip}" or full_match(IPV4, address)


def _resource_is_short(details: Mapping[str, str]) -> bool:
    resource = details.get("resource", "-")
    return len(resource) <= MAX_RESOURCE_LENGTH and full_match(NO_CONTROL_CHARACTERS, resource) and "${" not in resource


_TOKEN_NAMES: Final = "|".join(token[2:-1] for token in TOKENS)
# One rule for both: there may be 1,024 values, and the API server looks at each with every write of the status.
_DETAIL_VALUE: Final = Text(
    1024,
    rf"^([^\x00$]|\$+([^\x00{{$]|\{{({_TOKEN_NAMES})\}}))*\$*$",
    f"must be a string of at most 1024 characters without NUL, and may contain only these tokens: {_TOKEN_LIST}",
    min_length=0,
    cel=(
        r"!self.contains('\u0000') && !self"
        + "".join(f".replace('{token}', ' ')" for token in TOKENS)
        + ".contains('${')"
    ),
)
DetailValue = Annotated[str, _DETAIL_VALUE]

Details = Annotated[
    dict[str, DetailValue],
    Field(max_length=32),
    Rule(
        message="details keys must be at most 63 letters, digits and _ . - and begin with a letter or _",
        cel=f"self.all(k, k.size() <= 63 && k.matches({cel_string(_KEY)}))",
        holds=lambda details: all(len(key) <= 63 and full_match(_KEY, key) for key in details),
    ),
    Rule(
        message="details.ip_address must be ${client_ip} or an IPv4 address, because it is copied to client_ip",
        cel=(
            "!('ip_address' in self) || self['ip_address'] == '${client_ip}'"
            f" || self['ip_address'].matches({cel_string(IPV4)})"
        ),
        holds=_address_is_valid,
    ),
    Rule(
        message=(
            f"details.resource must be 1 to {MAX_RESOURCE_LENGTH} characters without control characters or tokens,"
            " because it is copied to the top level"
        ),
        cel=(
            f"!('resource' in self) || (self['resource'].size() <= {MAX_RESOURCE_LENGTH}"
            f" && self['resource'].matches({cel_string(NO_CONTROL_CHARACTERS)}) && !self['resource'].contains('${{'))"
        ),
        holds=_resource_is_short,
    ),
]


_NAME: Final = Text(
    63, r"^[a-z][a-z0-9_]*$", "must be at most 63 lower-case letters, digits and underscores, and begin with a letter"
)
_EVENT_TYPE: Final = Text(
    63, r"^[A-Za-z][A-Za-z0-9_.-]*$", "must be at most 63 letters, digits and _ . - and begin with a letter"
)
_ACTION_RESULT: Final = Text(
    32, r"^[A-Z][A-Z_]*$", "must be at most 32 upper-case letters and underscores, and begin with a letter"
)
Resource = Annotated[
    str,
    Text(
        MAX_RESOURCE_LENGTH,
        NO_CONTROL_CHARACTERS,
        f"must be 1 to {MAX_RESOURCE_LENGTH} characters without control characters",
    ),
    Rule(
        message="resource must not contain ${; tokens are replaced in details only",
        cel="!self.contains('${')",
        holds=lambda resource: "${" not in resource,
    ),
]


class EventType(SpecModel):
    """One event type of your own."""

    name: Annotated[
        str,
        _NAME,
        Rule(
            message=f"name must not be one of the built-in names {_RESERVED_LIST}",
            cel=f"!(self in {CEL_RESERVED})",
            holds=lambda name: name not in RESERVED_NAMES,
        ),
    ] = Field(
        description="Name of this event type in eventMix. Must be unique in the list and differ from the built-in names."
        " At most 63 lower-case letters, digits and underscores, beginning with a letter."
    )
    event_type: Annotated[str, _EVENT_TYPE] | None = Field(
        default=None,
        description="Value of event_type in the event. If unset, the name. May be an existing one, such as user_login, to"
        " add a variant of it.",
    )
    severity: Severity = Field(default=Severity.INFO, description="Value of severity in the event.")
    action_result: Annotated[str, _ACTION_RESULT] = Field(
        default="SUCCESS",
        description="Value of action_result in the event: at most 32 upper-case letters and underscores, such as SUCCESS,"
        " FAILURE or MODIFIED.",
    )
    resource: Resource | None = Field(
        default=None,
        description="What the event is about, such as a file or a service. Becomes resource at the top level and in"
        " the details of the event. Literal: tokens are not replaced. If unset, the event has no resource, unless details"
        " has a key resource.",
    )
    details: Details = Field(
        default_factory=dict,
        json_schema_extra={MAP_TYPE: "atomic"},
        description="Details of the event: up to 32 strings of at most 1024 characters. The tokens"
        f" {_TOKEN_LIST} are replaced with the event's user, host and client address and its number in the run; any other"
        " ${…} is rejected. A key ip_address is copied to client_ip at the top level and must be ${client_ip} or an IPv4"
        " address.",
    )

    @property
    def wire_event_type(self) -> str:
        """The event_type of its events."""
        return self.event_type or self.name
