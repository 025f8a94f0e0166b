"""docs/reference/api.md is generated from the CRD: `python tests/unit/docs/test_api_page.py` rewrites it."""

import json
from pathlib import Path

from audit_event_operator.resource.crd import build_crd

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "api.md"

HEAD = """# API reference

Every field of `{kind}`, `{group}/{version}`, generated from the CustomResourceDefinition.
`kubectl explain {short}.spec --recursive` prints the same. The resource is namespaced; its short name is `{short}`,
and `kubectl get {category}` lists it too. `kubectl scale` sets `{replicas}`, from which the scale subresource
takes its replicas ([live rates](../how-to/live-rates.md#turn-the-dial)). What may change in later versions:
[decision 0023](../decisions/0023-api-policy.md).

Fields without a default are optional; their descriptions tell what happens without them. Durations are written as in
Go: `250ms`, `5s`, `1h30m`. The API server checks the rules when you apply an object;
`audit-event-operator validate` checks them without a cluster. If one is broken, you get its message.
Terms: [concepts](../concepts.md). Examples: [samples](../../manifests/samples).
"""

COLUMNS = """
## Columns

The columns of `kubectl get {short}`; those marked *wide* appear with `-o wide`.

| column | from | description |
|---|---|---|
"""


def render():
    crd = build_crd()["spec"]
    names, version = crd["names"], crd["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    words = {
        "kind": names["kind"],
        "group": crd["group"],
        "version": version["name"],
        "short": names["shortNames"][0],
        "category": names["categories"][0],
        "replicas": version["subresources"]["scale"]["specReplicasPath"].lstrip("."),
    }
    text = HEAD.format(**words)
    for part in ("spec", "status"):
        for path, each in objects(part, schema[part]):
            text += section(path, each)
    text += COLUMNS.format(**words)
    for column in version["additionalPrinterColumns"]:
        wide = " *(wide)*" if column.get("priority") else ""
        text += f"| {column['name']}{wide} | {code(column['jsonPath'])} | {cell(column['description'])} |\n"
    return text


def objects(path, schema):
    """The schema and every object with fields of its own in it, each with its path."""
    yield path, schema
    for name, member in schema["properties"].items():
        inner, suffix = (member["items"], "[]") if "items" in member else (member, "")
        if "properties" in inner:
            yield from objects(f"{path}.{name}{suffix}", inner)


def section(path, schema):
    text = f"\n## {path}\n\n{schema['description']}\n\n"
    text += "| field | type | default | bounds | description |\n|---|---|---|---|---|\n"
    rules = rules_of("", schema)
    for name, member in schema["properties"].items():
        shown = "**required**" if name in schema.get("required", ()) else default(member)
        text += (
            f"| `{name}` | {kind(member)} | {shown} | {'<br>'.join(bounds(member))} | {cell(member['description'])} |\n"
        )
        if "properties" not in member:
            rules += rules_of(name, member)
    if rules:
        text += "\nRules:\n\n"
    for field, message, cel in rules:
        text += f"- {f'`{field}`: ' if field else ''}{message}.\n\n  ```cel\n  {cel}\n  ```\n"
    return text


def rules_of(field, schema):
    return [
        (field or rule.get("fieldPath", "").lstrip("."), rule["message"], rule["rule"])
        for rule in schema.get("x-kubernetes-validations", ())
    ]


def kind(schema):
    if "enum" in schema:
        return "one of " + ", ".join(code(str(value)) for value in schema["enum"])
    if schema["type"] == "array":
        key = "".join(schema.get("x-kubernetes-list-map-keys", ()))
        return f"list of {kind(schema['items'])}" + (f", by `{key}`" if key else "")
    if "additionalProperties" in schema:
        return f"map of string to {kind(schema['additionalProperties'])}"
    return str(schema.get("format", schema["type"]))


def default(schema):
    if "default" not in schema:
        return ""
    value = schema["default"]
    return code(value if isinstance(value, str) else json.dumps(value))


def bounds(schema):
    yield from span("", schema.get("minimum"), schema.get("maximum"))
    yield from span(" characters", schema.get("minLength"), schema.get("maxLength"))
    yield from span(" entries", schema.get("minItems"), schema.get("maxItems"))
    yield from span(" entries", schema.get("minProperties"), schema.get("maxProperties"))
    if "pattern" in schema:
        yield code(schema["pattern"])
    for each in (schema.get("items"), schema.get("additionalProperties")):
        if each is not None and "properties" not in each:
            yield from (f"each: {bound}" for bound in bounds(each))


def span(unit, low, high):
    if (low, high) != (None, None):
        limits = f"at most {high}" if low is None else f"at least {low}" if high is None else f"{low} to {high}"
        yield limits + unit


def code(text):
    return f"`{cell(text)}`"


def cell(text):
    return text.replace("|", "\\|")


def test_the_page_is_up_to_date_with_the_crd():
    assert PAGE.read_text(encoding="utf-8") == render()


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
