"""The CRD: in step with the models, and within the rules that keep a schema usable for years."""

from pathlib import Path
from typing import Annotated

import pytest
import yaml
from pydantic import BaseModel

from audit_event_operator.resource.crd import build_crd, render_crd, resource_schema
from audit_event_operator.resource.schema import structural_schema

CRD_FILE = Path(__file__).parents[3] / "crds" / "auditeventgenerators.yaml"

ALLOWED = {
    *("type", "description", "default", "enum", "format", "pattern", "minimum", "maximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "minProperties", "maxProperties"),
    *("required", "properties", "additionalProperties", "items"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "x-kubernetes-validations"),
}


def walk(node, place):
    yield place, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{place}.{name}")
    if "items" in node:
        yield from walk(node["items"], f"{place}[]")
    if "additionalProperties" in node:
        yield from walk(node["additionalProperties"], f"{place}[*]")


SCHEMAS = resource_schema()["properties"]
NODES = dict(found for part in ("spec", "status") for found in walk(SCHEMAS[part], part))
RULES = [(place, rule) for place, node in NODES.items() for rule in node.get("x-kubernetes-validations", [])]


def of_type(kind):
    return [place for place, node in NODES.items() if node["type"] == kind]


def test_the_crd_in_the_repository_is_the_one_that_the_models_make():
    assert CRD_FILE.read_text() == render_crd(), "crds/ is stale; run: make crd"


def test_the_rendered_crd_is_the_built_one():
    assert yaml.safe_load(render_crd()) == build_crd()
    assert "&id" not in render_crd()


@pytest.mark.parametrize("place", NODES)
def test_only_keywords_of_a_structural_schema_are_used(place):
    assert set(NODES[place]) <= ALLOWED
    assert not {"properties", "additionalProperties"} <= set(NODES[place])


@pytest.mark.parametrize("place", [place for place in NODES if not place.endswith(("[]", "[*]"))])
def test_every_field_is_described_in_sentences(place):
    description = NODES[place]["description"]
    assert description.endswith((".", "}"))
    assert description[0].isupper()
    assert "`" not in description


@pytest.mark.parametrize("place", of_type("integer"))
def test_every_number_is_a_bounded_integer(place):
    assert NODES[place]["minimum"] <= NODES[place]["maximum"] < 2**53
    assert NODES[place]["format"] in {"int32", "int64"}
    if NODES[place]["format"] == "int32":
        assert NODES[place]["maximum"] < 2**31


def test_there_are_no_floats():
    assert of_type("number") == []


@pytest.mark.parametrize("place", of_type("string"))
def test_every_string_is_bounded(place):
    assert "enum" in NODES[place] or 0 < NODES[place]["maxLength"] <= 1200


@pytest.mark.parametrize("place", of_type("array"))
def test_every_list_is_bounded_and_says_how_it_is_merged(place):
    assert NODES[place]["maxItems"] > 0
    assert NODES[place]["x-kubernetes-list-type"] in {"map", "set", "atomic"}


@pytest.mark.parametrize("place", [place for place in of_type("object") if "additionalProperties" in NODES[place]])
def test_every_map_is_bounded(place):
    assert NODES[place]["maxProperties"] > 0


@pytest.mark.parametrize("place", [place for place, node in NODES.items() if "default" in node])
def test_no_default_is_one_that_makes_git_and_cluster_differ_for_ever(place):
    assert NODES[place]["default"] not in (None, [], "")
    assert "[]" not in place, "kubectl apply sees a default inside of a list item as a change, every time"


@pytest.mark.parametrize("place, rule", RULES)
def test_every_rule_has_a_sentence_that_names_its_field(place, rule):
    blamed = (rule.get("fieldPath") or f".{place}").rsplit(".", 1)[-1].split("[")[0]
    assert rule["message"].startswith(blamed)
    assert "\n" not in rule["message"]


@pytest.mark.parametrize("place, rule", [(place, rule) for place, rule in RULES if place == "spec"])
def test_a_rule_over_fields_asks_first_whether_they_are_there(place, rule):
    # The API server judges the default {} before the defaults of the fields are filled in.
    assert rule["rule"].startswith("!has(")


def test_columns_are_the_agreed_ones_and_none_has_priority_zero():
    (version,) = build_crd()["spec"]["versions"]
    columns = [(column["name"], column.get("priority")) for column in version["additionalPrinterColumns"]]
    narrow, wide = (" ".join(name for name, priority in columns if priority == wanted) for wanted in (None, 1))
    assert narrow == "Ready Reason Destination Interval Rate Observed Published Age"
    assert wide == "Suspended Broker Owner Message"


def test_the_dial_is_the_number_of_events_a_tick_and_has_a_selector_as_autoscalers_ask_for():
    (version,) = build_crd()["spec"]["versions"]
    assert version["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.eventsPerInterval",
            "statusReplicasPath": ".status.eventsPerInterval",
            "labelSelectorPath": ".status.selector",
        },
    }
    assert NODES["spec.eventsPerInterval"]["minimum"] == 0
    assert {"status.eventsPerInterval", "status.selector"} <= NODES.keys()


def test_a_resource_that_nobody_has_seen_says_so():
    assert NODES["status"]["default"] == {"observedGeneration": -1}


def test_a_model_that_a_crd_cannot_say_is_refused():
    class Choosy(BaseModel):
        value: int | str

    class Floating(BaseModel):
        value: Annotated[dict[str, int], "exclusive"] | list[int] | None = None

    for model in (Choosy, Floating):
        with pytest.raises(ValueError, match="value: a structural schema cannot choose between several types"):
            structural_schema(model)
