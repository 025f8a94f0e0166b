#!/usr/bin/env python3
"""Writes what the chart has from elsewhere: copies of generated files and manifests, and the settings in values.schema.json.

`make manifests` calls it; with `--check` (`make check-drift`) it writes nothing and names the files that are stale.
"""

import json
import sys
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from audit_event_operator.settings import Settings, variables

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "audit-event-operator"
SCHEMA = CHART / "values.schema.json"

# file in files/ → where it is written by hand or generated
COPIES = {
    "crds.yaml": "crds/auditeventgenerators.yaml",
    "rbac.yaml": "manifests/base/rbac.yaml",
    "user-roles.yaml": "manifests/base/user-roles.yaml",
    "namespaced-role.yaml": "manifests/components/namespaced/role/role.yaml",
    "access-reviews.yaml": "manifests/components/access-reviews/rbac.yaml",
    "metrics-auth.yaml": "manifests/components/metrics-auth/role.yaml",
    "read-auth.yaml": "manifests/components/read-auth/role.yaml",
    "rabbitmqclusters.yaml": "manifests/components/rabbitmqclusters/rbac.yaml",
    "prometheusrule.yaml": "manifests/components/monitoring/prometheusrule.yaml",
    "audit-event-operator.json": "manifests/components/grafana-dashboard/audit-event-operator.json",
}

# variable → the value that sets it, or why nobody may
NOT_IN_SETTINGS = {
    "RABBITMQ_HOST": "defaultBroker.host",
    "RABBITMQ_USER": "the Secret defaultBroker.existingSecret",
    "RABBITMQ_PASS": "the Secret defaultBroker.existingSecret",
    "AEG_DEFAULT_BROKER_FOLDER": "defaultBroker.existingSecret",
    "AEG_METRICS_AUTH": "accessReviews.metrics, which brings the rights for it",
    "AEG_READ_AUTH": "accessReviews.pages, which brings the rights for it",
    "AEG_NAMESPACES": "namespaces",
    "AEG_LEASE_NAMESPACE": "the release's namespace, where its rights are",
    "AEG_IDENTITY": "the pod's name, which is unique",
    "AEG_BIND_ADDRESS": "all addresses: probes and scrapes come from outside",
    "APP_PORT": "the Service's ports",
    "PROMETHEUS_PORT": "the Service's ports",
    "EVENT_GENERATION_INTERVAL_SECONDS": "nothing: only `standalone` reads it",
}

KEYWORDS = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "maxLength")


def settings_schema() -> dict[str, Any]:
    """The schema of `settings`: the variables with the types and bounds that the operator itself checks."""
    properties = {name: _of_variable(way) for name, way in variables().items() if name not in NOT_IN_SETTINGS}
    return {"type": "object", "additionalProperties": False, "properties": dict(sorted(properties.items()))}


def _of_variable(way: tuple[str, ...]) -> dict[str, Any]:
    *group, field = way
    owner = type(getattr(Settings(), group[0])) if group else Settings
    schema = TypeAdapter(get_type_hints(owner, include_extras=True)[field]).json_schema()
    if "anyOf" in schema:  # or unset
        (schema,) = (each for each in schema["anyOf"] if each["type"] != "null")
    kept = {key: schema[key] for key in KEYWORDS if key in schema}
    return {"type": "string"} if kept["type"] == "array" else kept  # comma-separated


def rendered() -> dict[Path, str]:
    """Each file with what it should contain."""
    files = {CHART / "files" / name: (ROOT / source).read_text("utf-8") for name, source in COPIES.items()}
    schema = json.loads(SCHEMA.read_text("utf-8"))
    schema["properties"]["settings"] = settings_schema()
    files[SCHEMA] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return files


def shown(path: Path) -> str:
    """How a file is named to people."""
    return str(path.relative_to(ROOT))


def main(arguments: list[str]) -> int:
    """Write the files, or with --check name the stale ones."""
    stale = [path for path, text in rendered().items() if not path.exists() or path.read_text("utf-8") != text]
    left_over = sorted(path for path in (CHART / "files").glob("*") if path.name not in COPIES)
    if arguments == ["--check"]:
        for path in stale:
            sys.stderr.write(f"{shown(path)} is stale; run: make manifests\n")
        for path in left_over:
            sys.stderr.write(f"{shown(path)} is no copy that charts/render.py knows\n")
        return 1 if stale or left_over else 0
    for path, text in rendered().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
