"""The CustomResourceDefinition, built from the models and rendered as YAML. What `audit-event-operator crd` prints."""

from typing import Any, Final

import yaml

from audit_event_operator.resource import names
from audit_event_operator.resource.schema import structural_schema
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.status_schema import status_schema

HEADER: Final = "# Made by `audit-event-operator crd` from the models in audit_event_operator/resource; do not edit.\n"

_READY: Final = '.status.conditions[?(@.type=="Ready")]'


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
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(),
                    "schema": {"openAPIV3Schema": resource_schema()},
                }
            ],
        },
    }


def resource_schema() -> dict[str, Any]:
    """Return the structural schema of the whole resource."""
    return {
        "description": (
            "AuditEventGenerator keeps a stream of realistic audit events flowing into a RabbitMQ queue for as long as"
            " it exists."
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


def _columns() -> list[dict[str, Any]]:
    wide = {"priority": 1}
    return [
        _column("Ready", f"{_READY}.status", "Whether the stream does what its spec asks."),
        _column("Reason", f"{_READY}.reason", "Why, in one word."),
        _column("Queue", ".spec.queue", "Queue that receives the events."),
        _column("Interval", ".spec.interval", "Time between two ticks."),
        _column("Rate", ".status.targetRate", "Target rate in events per second."),
        _column("Published", ".status.eventsPublished", "Events confirmed in the current run.", kind="integer"),
        _column("Age", ".metadata.creationTimestamp", "Time since the resource was created.", kind="date"),
        _column("Suspended", ".spec.suspend", "Whether the stream is stopped on purpose.", kind="boolean") | wide,
        _column("Broker", ".status.broker", "Broker that receives the events.") | wide,
        _column("Owner", ".status.owner", "Operator process that generates the events.") | wide,
        _column("Message", f"{_READY}.message", "The state in sentences.") | wide,
    ]


def _column(name: str, path: str, description: str, *, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "type": kind, "description": description, "jsonPath": path}
