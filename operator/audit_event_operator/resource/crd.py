"""The CustomResourceDefinition, built from the models and rendered as YAML. What `audit-event-operator crd` prints."""

from typing import Any, Final

import yaml

from audit_event_operator.resource import names
from audit_event_operator.resource.schema import structural_schema
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.status_schema import status_schema

HEADER: Final = "# Made by `audit-event-operator crd` from the models in audit_event_operator/resource; do not edit.\n"

_READY: Final = '.status.conditions[?(@.type=="Ready")]'
_WIDE: Final = {"priority": 1}
_COLUMNS: Final[tuple[tuple[str, str, str, str, dict[str, int]], ...]] = (
    ("Ready", "string", f"{_READY}.status", "Whether the stream does what its spec asks.", {}),
    ("Reason", "string", f"{_READY}.reason", "Why, in one word.", {}),
    ("Destination", "string", ".status.destination", "Queue, or exchange and routing key, that the events go to.", {}),
    ("Interval", "string", ".spec.interval", "Time between two ticks.", {}),
    ("Rate", "string", ".status.targetRate", "Target rate in events per second.", {}),
    ("Observed", "string", ".status.observedRate", "Confirmed events per second over the last 30 s.", {}),
    ("Published", "integer", ".status.eventsPublished", "Events confirmed in the current run.", {}),
    ("Age", "date", ".metadata.creationTimestamp", "Time since the resource was created.", {}),
    ("Suspended", "boolean", ".spec.suspend", "Whether the stream is stopped on purpose.", _WIDE),
    ("Broker", "string", ".status.broker", "Broker that receives the events.", _WIDE),
    ("Owner", "string", ".status.owner", "Operator process that generates the events.", _WIDE),
    ("Message", "string", f"{_READY}.message", "The state in sentences.", _WIDE),
)


def build_crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition as a JSON object, built anew on every call."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{names.PLURAL}.{names.GROUP}",
            "labels": {
                "app.kubernetes.io/name": names.OPERATOR_NAME,
                "app.kubernetes.io/part-of": names.CATEGORY,
            },
        },
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": names.KIND,
                "listKind": names.LIST_KIND,
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": [names.CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.eventsPerInterval",
                            "statusReplicasPath": ".status.eventsPerInterval",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "description": description, "jsonPath": path, **wide}
                        for name, kind, path, description, wide in _COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": resource_schema()},
                }
            ],
        },
    }


def resource_schema() -> dict[str, Any]:
    """Return the structural schema of the whole resource."""
    return {
        "description": (
            "AuditEventGenerator keeps a stream of realistic audit events flowing into a RabbitMQ queue or exchange for as"
            " long as it exists."
        ),
        "type": "object",
        "properties": {
            "apiVersion": {"description": f"Always {names.API_VERSION}.", "type": "string"},
            "kind": {"description": f"Always {names.KIND}.", "type": "string"},
            "metadata": {"type": "object"},
            "spec": {
                **structural_schema(GeneratorSpec),
                "description": "Desired stream. Every field can be changed at any time; changes take effect in place.",
                "default": {},
            },
            "status": status_schema(),
        },
    }


def render_crd() -> str:
    """Return the CustomResourceDefinition as YAML text that ends with a newline."""
    body = yaml.dump(build_crd(), Dumper=_PlainDumper, sort_keys=False, width=120, allow_unicode=True)
    return HEADER + body


class _PlainDumper(yaml.SafeDumper):
    """Writes every value out, even one that occurs twice: anchors are valid YAML, but hard to read in a CRD."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
