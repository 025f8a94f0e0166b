"""The structural schema of `status`: every field that `build_status` writes, described and bounded."""

from typing import Any, Final

from audit_event_operator.resource.fields import MAX_EXACT_INTEGER
from audit_event_operator.resource.scenarios import MAX_SCENARIOS
from audit_event_operator.resource.schema import LIST_MAP_KEYS, LIST_TYPE
from audit_event_operator.resource.spec import MAX_EVENTS_PER_INTERVAL
from audit_event_operator.resource.status import (
    MAX_DESTINATION_LENGTH,
    MAX_EPISODE_LENGTH,
    MAX_MESSAGE_LENGTH,
    MAX_OWNER_LENGTH,
    MAX_SELECTOR_LENGTH,
)

UNSEEN_STATUS: Final = {"observedGeneration": -1}
"""The status of a resource that no operator has seen yet; without it, status readers would consider it ready."""


def status_schema() -> dict[str, Any]:
    """Return the schema of `status`."""
    return {
        "description": "State of the stream. Written by the operator only.",
        "type": "object",
        "default": dict(UNSEEN_STATUS),
        "properties": {
            "observedGeneration": _integer(
                "Generation of the spec in effect; -1 until the operator has seen the resource.", -1
            ),
            "conditions": {
                "description": "Ready is always present: True, False, or Unknown while starting. Reconciling, Stalled,"
                " RateLimited, GroundTruthUndelivered, ForeignOwner, Complete and ConfigurationWarning are present only"
                " while True.",
                "type": "array",
                "maxItems": 16,
                LIST_TYPE: "map",
                LIST_MAP_KEYS: ["type"],
                "items": _condition(),
            },
            "eventsPublished": _integer("Events of the current run that the broker has confirmed."),
            "eventsDropped": _integer("Events of the current run that were dropped."),
            "eventsPerInterval": {
                **_integer("Events per tick that the spec in effect asks for: the replicas of the scale subresource."),
                "format": "int32",
                "maximum": MAX_EVENTS_PER_INTERVAL,
            },
            "selector": _text(
                "Label selector of the scale subresource, which autoscalers require. It names this resource and matches no"
                " pod.",
                MAX_SELECTOR_LENGTH,
            ),
            "targetRate": _text('Target rate, such as "0.2/s"; 0/s while suspended.', 32),
            "observedRate": _text("Rate of events that the broker confirmed in the last 30 seconds.", 32),
            "destination": _text(
                "Where the events go: the queue's name, or the exchange's, an arrow and the routing key.",
                MAX_DESTINATION_LENGTH,
            ),
            "queue": _text("Queue that receives the events; absent while they go to an exchange.", 255),
            "broker": _text("Broker that receives the events: host:port/vhost, with a URL-encoded vhost.", 1200),
            "randomSeed": {
                **_integer("Seed in effect: from the spec, or derived from the UID."),
                "minimum": -MAX_EXACT_INTEGER,
            },
            "owner": _text(
                "Operator process that generates the events: namespace and name of its Lease, and its own name, separated"
                " by slashes.",
                MAX_OWNER_LENGTH,
            ),
            "ownerRenewTime": _time(
                "The owner's last sign of life; present only while another installation serves the same resource."
            ),
            "startTime": _time("Time of the first tick of the current run."),
            "completionTime": _time("Time at which the current run completed."),
            "lastPublishTime": _time("Time of the broker's last confirm."),
            "runId": _text("The runId that the counters belong to.", 63),
            "scenarios": {
                "description": "What became of each scenario in the current run; those that have begun or missed an episode.",
                "type": "array",
                "maxItems": MAX_SCENARIOS,
                LIST_TYPE: "map",
                LIST_MAP_KEYS: ["name"],
                "items": _scenario(),
            },
        },
    }


def _condition() -> dict[str, Any]:
    return {
        "description": "One aspect of the state, as a standard Kubernetes condition.",
        "type": "object",
        "required": ["type", "status", "lastTransitionTime", "reason", "message"],
        "properties": {
            "type": {
                **_text(
                    "Ready, Reconciling, Stalled, RateLimited, GroundTruthUndelivered, ForeignOwner, Complete or"
                    " ConfigurationWarning.",
                    316,
                ),
                "pattern": "^[A-Z][A-Za-z]*$",
            },
            "status": {
                "description": "Whether the condition holds.",
                "type": "string",
                "enum": ["True", "False", "Unknown"],
            },
            "observedGeneration": _integer("Generation of the spec that the condition describes."),
            "lastTransitionTime": _time("Time at which the condition's status last changed."),
            "reason": {
                **_text("The reason in one word, for programs.", 256),
                "minLength": 1,
                "pattern": "^[A-Z][A-Za-z]*$",
            },
            "message": _text(
                "The reason in sentences, for people: what is wrong, where, and what to do.", MAX_MESSAGE_LENGTH
            ),
        },
    }


def _scenario() -> dict[str, Any]:
    return {
        "description": "One scenario of the spec: how many episodes it had, and which one is under way.",
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {**_text("Name of the scenario.", 63), "minLength": 1},
            "episodes": _integer("Episodes that have ended, complete or not."),
            "missed": _integer("Episodes that did not begin, because the stream was not ready in time."),
            "open": _text("Id of the episode that is under way; absent between episodes.", MAX_EPISODE_LENGTH),
            "lastEpisode": _text("Id of the episode that began last.", MAX_EPISODE_LENGTH),
            "lastTime": _time("Time at which the last episode began."),
            "expectedAlerts": _integer("Alerts that all episodes together should have raised."),
        },
    }


def _text(description: str, max_length: int) -> dict[str, Any]:
    return {"description": description, "type": "string", "maxLength": max_length}


def _integer(description: str, minimum: int = 0) -> dict[str, Any]:
    return {
        "description": description,
        "type": "integer",
        "format": "int64",
        "minimum": minimum,
        "maximum": MAX_EXACT_INTEGER,
    }


def _time(description: str) -> dict[str, Any]:
    return {"description": description, "type": "string", "format": "date-time", "maxLength": 64}
