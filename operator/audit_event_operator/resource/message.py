"""What a message says on its envelope, and the exchange it is handed to: the exchange and message parts of a spec.

Both may hold tokens, which every event fills anew. Must not know how an event is made, or how AMQP writes it.
"""

from functools import cached_property
from typing import Annotated, Final

from pydantic import Field

from audit_event_operator.resource.broker_spec import BROKER_NAME, at_most_255_bytes
from audit_event_operator.resource.durations import parse_duration
from audit_event_operator.resource.fields import (
    DURATION_TEXT,
    Text,
    WholeNumber,
    cel_string,
    duration_range,
    full_match,
)
from audit_event_operator.resource.model import SpecModel
from audit_event_operator.resource.rules import Rule
from audit_event_operator.resource.schema import MAP_TYPE

MESSAGE_TOKENS: Final[tuple[str, ...]] = (
    "${event_type}",
    "${severity}",
    "${action_result}",
    "${host}",
    "${user}",
    "${namespace}",
    "${name}",
)
"""Placeholders in routing keys and in values of headers."""

ROUTING_KEY_LIMIT_BYTES: Final = 255
"""Of a filled routing key: AMQP's limit of a short string."""

OUR_HEADERS: Final = "x-aeg-"
"""Headers that begin with it are the operator's own."""

_NS_PER_MS: Final = 1_000_000
_TOKEN_LIST: Final = ", ".join(MESSAGE_TOKENS)
_TOKEN_NAMES: Final = "|".join(token[2:-1] for token in MESSAGE_TOKENS)
_HEADER_NAME: Final = r"^[A-Za-z][A-Za-z0-9_.:/-]{0,62}$"

_FILLED_TEXT: Final = Text(
    255,
    rf"^([^\x00-\x1F\x7F$]|\$+([^\x00-\x1F\x7F{{$]|\{{({_TOKEN_NAMES})\}}))*\$*$",
    f"must be at most 255 characters without control characters, and may contain only these tokens: {_TOKEN_LIST}",
    min_length=0,
)

RoutingKey = Annotated[str, _FILLED_TEXT, at_most_255_bytes("routingKey")]

Headers = Annotated[
    dict[str, Annotated[str, _FILLED_TEXT]],
    Field(max_length=8),
    Rule(
        message="headers names must be at most 63 letters, digits and _ . : / - and begin with a letter",
        cel=f"self.all(k, k.matches({cel_string(_HEADER_NAME)}))",
        holds=lambda headers: all(full_match(_HEADER_NAME, name) for name in headers),
    ),
    Rule(
        message=f"headers names must not begin with {OUR_HEADERS} because these are the operator's own, and must not be CC or"
        " BCC, by which RabbitMQ routes",
        cel=f"self.all(k, !k.startsWith('{OUR_HEADERS}') && k != 'CC' && k != 'BCC')",
        holds=lambda headers: not any(name.startswith(OUR_HEADERS) or name in {"CC", "BCC"} for name in headers),
    ),
]


class Exchange(SpecModel):
    """An exchange to publish to, in place of a queue."""

    name: Annotated[str, BROKER_NAME, at_most_255_bytes("name")] = Field(
        description="Name of the exchange: 1 to 255 bytes, no control characters. The operator only looks it up: who owns it"
        " creates it and binds queues to it. While it is missing, the reason is ExchangeNotFound."
    )
    routing_key: RoutingKey | None = Field(
        default=None,
        description=f"Routing key of each event. The tokens {_TOKEN_LIST} are replaced with what the event says, and with"
        " namespace and name of the resource; any other ${…} is rejected. At most 255 bytes; an event whose filled key is"
        " longer is dropped as encode_error. Dots in values separate words of a topic like any other dot. Empty if unset.",
    )


class Message(SpecModel):
    """Properties of the AMQP messages that carry the events."""

    headers: Headers = Field(
        default_factory=dict,
        json_schema_extra={MAP_TYPE: "atomic"},
        description="Headers of each message: up to 8 strings of at most 255 characters, with the same tokens as"
        f" exchange.routingKey. Names have at most 63 letters, digits and _ . : / -, begin with a letter, and must not begin"
        f" with {OUR_HEADERS}.",
    )
    priority: Annotated[int, WholeNumber(0, 255)] | None = Field(
        default=None,
        description="Priority of each message, 0 to 255, for queues that were declared with x-max-priority. None if unset.",
    )
    expiration: Annotated[str, DURATION_TEXT, duration_range("expiration", "1ms", "720h")] | None = Field(
        default=None,
        description='How long a message may wait in a queue before RabbitMQ discards it, 1ms to 720h, such as "1h"; whole'
        " milliseconds count. Unlimited if unset.",
    )

    @cached_property
    def expiration_ms(self) -> int | None:
        """The expiration in whole milliseconds, as AMQP has it."""
        return None if self.expiration is None else parse_duration(self.expiration) // _NS_PER_MS


def arrow(exchange: str, routing_key: str | None) -> str:
    """An exchange and a routing key, as people read them everywhere."""
    return f"{exchange} → {routing_key}" if routing_key else f"{exchange} →"
