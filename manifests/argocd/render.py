#!/usr/bin/env python3
"""Renders argocd-cm-patch.yaml from the Lua files beside it, on stdout, for `make manifests` and `make check-drift`."""

import sys
from pathlib import Path
from typing import Any

import yaml

CUSTOMIZATIONS = Path(__file__).parent / "resource_customizations"
HEADER = "# Generated from resource_customizations/ by `make manifests`; do not edit.\n"


class _Text(yaml.SafeDumper):
    """Writes a text of several lines as a block, so that people can read the Lua."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Text.add_representer(str, _as_block)


def render() -> str:
    """The part of ConfigMap argocd-cm that teaches Argo CD our kinds."""
    data: dict[str, str] = {}
    for script in sorted(CUSTOMIZATIONS.glob("*/*/health.lua")):
        kind = script.parent
        name = f"{kind.parent.name}_{kind.name}"
        data[f"resource.customizations.health.{name}"] = script.read_text()
        data[f"resource.customizations.actions.{name}"] = _dump(_actions(kind / "actions"))
    labels = {"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"}
    metadata = {"name": "argocd-cm", "namespace": "argocd", "labels": labels}
    return HEADER + _dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _actions(folder: Path) -> dict[str, Any]:
    definitions = [
        {"name": script.parent.name, "action.lua": script.read_text()} for script in sorted(folder.glob("*/action.lua"))
    ]
    return {"discovery.lua": (folder / "discovery.lua").read_text(), "definitions": definitions}


def _dump(value: object) -> str:
    return yaml.dump(value, Dumper=_Text, sort_keys=False, width=1000, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(render())
