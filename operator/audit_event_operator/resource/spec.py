"""What a user may ask for: the model behind `spec`, and the parser that turns JSON into an immutable snapshot.

The models are the only place where a field, its bounds, its default and its description are written: the CRD is
generated from them. Defaults and bounds here are therefore the API server's own. Knows nothing of files, clusters or
running generators.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Protocol, TypeVar

from pydantic import AfterValidator, Field, StrictBool, ValidationError

from audit_event_operator.resource.broker_spec import (
    Delivery,
    QueueDeclaration,
    QueueName,
    RabbitMQ,
)
from audit_event_operator.resource.durations import NANOSECONDS_PER_SECOND, parse_duration
from audit_event_operator.resource.entities import Entities
from audit_event_operator.resource.event_type import CEL_RESERVED, EventType
from audit_event_operator.resource.fields import (
    ALPHANUMERIC_ENDS,
    DURATION_TEXT,
    MAX_EXACT_INTEGER,
    Text,
    WholeNumber,
    duration_is_readable,
    duration_range,
    refusal,
)
from audit_event_operator.resource.formats import Format
from audit_event_operator.resource.message import Exchange, Message, arrow
from audit_event_operator.resource.model import SpecModel
from audit_event_operator.resource.problems import Problem, SpecError, problems_of
from audit_event_operator.resource.rules import Rule
from audit_event_operator.resource.scenarios import MAX_SCENARIOS, GroundTruth, Scenario, scenario_problems
from audit_event_operator.resource.schema import LIST_MAP_KEYS, LIST_TYPE
from audit_event_operator.resource.templates import ALIASES, BUILT_IN_TEMPLATES, RESERVED_NAMES
from audit_event_operator.resource.traffic import Traffic

MAX_EVENTS_PER_INTERVAL: Final = 10_000
_LARGE_BATCH: Final = 100
_SHORTEST_WITH_LARGE_BATCH: Final = "100ms"
_SHORTEST_WITH_LARGE_BATCH_NS: Final = parse_duration(_SHORTEST_WITH_LARGE_BATCH)
_TEMPLATE_LIST: Final = ", ".join(BUILT_IN_TEMPLATES)
_ALIAS_LIST: Final = ", ".join(ALIASES)

RunId = Annotated[
    str,
    Text(
        63,
        ALPHANUMERIC_ENDS,
        "must be at most 63 letters, digits and _ . - and begin and end with a letter or digit (quote it if it is a"
        " number)",
    ),
]

EventMix = Annotated[
    dict[str, Annotated[int, WholeNumber(0, 1_000_000)]],
    Field(min_length=1, max_length=64),
    Rule(
        message="eventMix must have at least one weight above 0",
        cel="self.exists(k, self[k] > 0)",
        holds=lambda mix: any(weight > 0 for weight in mix.values()),
    ),
]


class Activity(StrEnum):
    """How events follow one another."""

    INDEPENDENT = "Independent"
    SESSIONS = "Sessions"


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Items = TypeVar("_Items", bound=Sequence[_Named])


def _names_differ(items: _Items) -> _Items:
    """Reject a name that is defined twice, as the API server does for a list that is a map by name."""
    if len({item.name for item in items}) < len(items):
        raise refusal("must not define a name twice")
    return items


class GeneratorSpec(SpecModel):
    """The desired stream of audit events."""

    queue: QueueName = Field(
        default="audit_events",
        description="RabbitMQ queue that receives the events. At most 255 bytes, no control characters, must not start with"
        ' "amq.". A new name takes effect once the events on their way to the old queue are delivered. Unused while exchange'
        " is set.",
    )
    exchange: Exchange | None = Field(
        default=None,
        description="Exchange that receives the events in place of the queue. With delivery AtLeastOnce, the stream waits"
        " while nothing is bound for an event (reason Unroutable); with AtMostOnce, such events vanish and count as published."
        " Another exchange takes effect once the events on their way are delivered, another routingKey with the next event.",
    )
    message: Message = Field(
        default=Message(),
        json_schema_extra={"default": {}},
        description="Properties of the AMQP messages, to a queue or an exchange. A change takes effect with the next event.",
    )
    interval: Annotated[str, DURATION_TEXT, duration_range("interval", "1ms", "24h")] = Field(
        default="5s",
        description='Time between two ticks, 1ms to 24h, as a duration such as "250ms", "5s" or "1h30m". Each tick'
        " generates eventsPerInterval events. A change takes effect within a second and keeps all counters.",
    )
    events_per_interval: Annotated[int, WholeNumber(0, MAX_EVENTS_PER_INTERVAL)] = Field(
        default=1,
        description="Number of events per tick, 0 to 10000. With 0 the stream stays connected and generates nothing. More than"
        " 100 require an interval of at least 100ms. The scale subresource sets it too, as its replicas.",
    )
    traffic: Traffic | None = Field(
        default=None,
        description="How the rate follows day and week, bursts and stages, and how events are spread along it. All parts"
        " multiply, and all can be changed at any time: what is under way keeps its place. If unset, the rate is always"
        " eventsPerInterval / interval.",
    )
    suspend: StrictBool = Field(
        default=False,
        description="Set to true to stop the stream within a second, to false to resume it. Counters are kept. The"
        " clock of a bounded run (runDuration) keeps running.",
    )
    activity: Activity = Field(
        default=Activity.INDEPENDENT,
        description="Independent: every event is a draw of its own, as in the seed service. Sessions: users log in before"
        " they act, work in their hours and log out; services start only after they stopped; nothing in the stream looks like"
        " an attack. With Independent, the content of an event depends on randomSeed and its number in the run alone; with"
        " Sessions also on when the stream was started and when its events were due.",
    )
    event_mix: EventMix | None = Field(
        default=None,
        description="Weights of the events to generate: the share of a name is its weight divided by the sum of all"
        f" weights. Names are the built-in templates {_TEMPLATE_LIST}; the aliases {_ALIAS_LIST}, which split their"
        " weight evenly among their templates; and the names in eventTypes. Weights are whole numbers from 0 to 1000000,"
        " at least one above 0. If unset, the first seven are equally likely; with activity Sessions user_login_success 12,"
        " user_login_failure 1, user_logout 12, sudo_command 44, file_modified 20, service_started 5, service_stopped 5 and"
        " user_account_created 1. If set, only the listed names occur; with activity Sessions an event that cannot happen"
        " yet makes room for one that can, and is made up for later, and a failed login that would look like an attack"
        " succeeds instead.",
    )
    event_types: Annotated[tuple[EventType, ...], AfterValidator(_names_differ)] = Field(
        default=(),
        max_length=32,
        json_schema_extra={LIST_TYPE: "map", LIST_MAP_KEYS: ["name"], "default": None},
        description="Your own event types, at most 32, for use in eventMix and in steps of scenarios. A type that neither"
        " names never occurs.",
    )
    entities: Entities = Field(
        default=Entities(),
        json_schema_extra={"default": {}},
        description="Users, hosts and client addresses that the events are about.",
    )
    scenarios: Annotated[tuple[Scenario, ...], AfterValidator(_names_differ)] = Field(
        default=(),
        max_length=MAX_SCENARIOS,
        json_schema_extra={LIST_TYPE: "map", LIST_MAP_KEYS: ["name"], "default": None},
        description="Scripted chains of events over the same users and hosts, at most 8: attacks, and what looks like one."
        " Their events come in addition to the others, and the rate leaves them out. A changed scenario counts from its next"
        " episode; a removed one ends at once.",
    )
    ground_truth: GroundTruth | None = Field(
        default=None,
        description="Where to tell what the episodes of scenarios really did, and which alerts they should raise. If unset,"
        " they are only counted.",
    )
    format: Format = Field(
        default=Format.JSON,
        description="How events are written. Json: as the seed service does. CloudEvents: CloudEvents 1.0, structured, with the"
        " same JSON as data. ECS: Elastic Common Schema 9.0. OCSF: Open Cybersecurity Schema Framework 1.3. CEF: ArcSight's"
        " Common Event Format 0. Syslog: one line of RFC 5424 for each event, the one that detectors read. SyslogFull: every"
        " line that the program would write, one below the other. The content type of messages follows. A change takes effect"
        " with the next event and keeps sequence, users and sessions.",
    )
    random_seed: Annotated[int, WholeNumber(-MAX_EXACT_INTEGER, MAX_EXACT_INTEGER, "int64")] | None = Field(
        default=None,
        description="Seed for all random content of events: with activity Independent the same seed produces the same"
        " sequence of events, except for ids and timestamps; with Sessions it makes up the same users and hosts. If unset, it"
        " is derived from the UID of the resource. status.randomSeed shows the seed in effect.",
    )
    max_events: Annotated[int, WholeNumber(1, MAX_EXACT_INTEGER, "int64")] | None = Field(
        default=None,
        description="Ends the run once this many of its events are published. Raise it to continue the run. Unlimited"
        " if unset.",
    )
    run_duration: Annotated[str, DURATION_TEXT, duration_range("runDuration", "1s", "720h")] | None = Field(
        default=None,
        description='Ends the run this long after its first tick, 1s to 720h, such as "10m". Suspended time counts.'
        " Unlimited if unset.",
    )
    run_id: RunId | None = Field(
        default=None,
        description="Name of the run. A new value starts a new run: eventsPublished and the sequence of events start"
        " over. Combine it with maxEvents or runDuration to repeat a run, from Git too.",
    )
    delivery: Delivery = Field(
        default=Delivery.AT_LEAST_ONCE,
        description="AtLeastOnce: events are persistent and sent again until the broker confirms them; none is dropped"
        " because of a broker problem. AtMostOnce: events are transient and sent once; unconfirmed ones count as"
        " dropped.",
    )
    queue_declaration: QueueDeclaration = Field(
        default=QueueDeclaration(),
        json_schema_extra={"default": {}},
        description="How to declare the queue before the first event.",
    )
    rabbitmq: RabbitMQ | None = Field(
        default=None,
        description="Broker to publish to. If unset, the operator's own.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message=(
                f"eventsPerInterval above {_LARGE_BATCH} needs an interval of at least {_SHORTEST_WITH_LARGE_BATCH};"
                " lower eventsPerInterval or lengthen interval"
            ),
            cel=(
                f"!has(self.eventsPerInterval) || self.eventsPerInterval <= {_LARGE_BATCH} || !has(self.interval)"
                f" || !({duration_is_readable('self.interval')})"
                f" || duration(self.interval) >= duration('{_SHORTEST_WITH_LARGE_BATCH}')"
            ),
            holds=lambda spec: (
                spec.events_per_interval <= _LARGE_BATCH or spec.interval_ns >= _SHORTEST_WITH_LARGE_BATCH_NS
            ),
            field="eventsPerInterval",
        ),
        Rule(
            message=(
                f"eventMix may only name {_TEMPLATE_LIST}, the aliases {_ALIAS_LIST}, and names defined in eventTypes"
            ),
            cel=(
                f"!has(self.eventMix) || self.eventMix.all(k, k in {CEL_RESERVED}"
                " || (has(self.eventTypes) && self.eventTypes.exists(t, t.name == k)))"
            ),
            holds=lambda spec: (
                {*(spec.event_mix or ())} <= {*RESERVED_NAMES, *(event_type.name for event_type in spec.event_types)}
            ),
            field="eventMix",
        ),
        Rule(
            message="queue of groundTruth must differ from the queue of the stream",
            cel=(
                "!has(self.groundTruth) || !has(self.groundTruth.queue) || !has(self.queue) || has(self.exchange)"
                " || self.groundTruth.queue != self.queue"
            ),
            holds=lambda spec: (
                spec.ground_truth is None or spec.exchange is not None or spec.ground_truth.queue != spec.queue
            ),
            field="groundTruth.queue",
        ),
    )

    @cached_property
    def interval_ns(self) -> int:
        """The time between two ticks in nanoseconds."""
        return parse_duration(self.interval)

    @cached_property
    def run_duration_ns(self) -> int | None:
        """The longest time of a run in nanoseconds; None if unlimited."""
        return None if self.run_duration is None else parse_duration(self.run_duration)

    @property
    def bounded(self) -> bool:
        """Whether a run ends by itself."""
        return self.max_events is not None or self.run_duration is not None

    @property
    def destination_label(self) -> str:
        """Where the events go, for people: the queue's name, or exchange and routing key."""
        return self.queue if self.exchange is None else arrow(self.exchange.name, self.exchange.routing_key)

    @property
    def destination_phrase(self) -> str:
        """The same within a sentence."""
        return f'{"queue" if self.exchange is None else "exchange"} "{self.destination_label}"'

    @property
    def target_rate(self) -> Fraction:
        """The events per second that the spec asks for, suspended or not."""
        return Fraction(self.events_per_interval * NANOSECONDS_PER_SECOND, self.interval_ns)


def parse_spec(raw: Mapping[str, Any]) -> GeneratorSpec:
    """Turn the `spec` of a resource into a snapshot, with the API server's verdict and defaults.

    Nulls count as absent. Unknown fields are ignored, because the API server has pruned those that its CRD does not
    know: what is left belongs to a newer version of the operator. `verdict.validate_object` reports them.

    Raises:
        SpecError: one problem per invalid field.
    """
    if not isinstance(raw, Mapping):
        raise SpecError((Problem("spec", "spec must be an object"),))
    try:
        spec = GeneratorSpec.model_validate(without_nulls(raw), by_alias=True, by_name=False)
    except ValidationError as error:
        raise SpecError(problems_of(error, "spec")) from None
    problems = tuple(scenario_problems(spec.scenarios, {event_type.name for event_type in spec.event_types}))
    if problems:
        raise SpecError(problems)
    return spec


def without_nulls(value: Any) -> Any:
    """Copy a JSON value without the members of objects that are null; the API server drops these before it defaults."""
    if isinstance(value, Mapping):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value]
    return value
