"""Whole resources judged offline: kind, name, unknown fields, spec. (That the API server agrees is an integration test.)"""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit_event_operator.files.object_validation import validate_object
from audit_event_operator.resource.crd import resource_schema
from audit_event_operator.resource.names import API_VERSION, KIND

GOOD = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "demo"}}


def fields(obj):
    return [problem.field for problem in validate_object(obj)]


@pytest.mark.parametrize(
    "more", [{}, {"spec": {}}, {"spec": None}, {"spec": {"interval": "1s"}}, {"status": "anything"}]
)
def test_a_good_resource_has_no_problems(more):
    assert fields({**GOOD, **more}) == []


@pytest.mark.parametrize(
    "more, field",
    [
        ({"apiVersion": "v1"}, "apiVersion"),
        ({"kind": "Pod"}, "kind"),
        ({"metadata": None}, "metadata.name"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"name": "Demo"}}, "metadata.name"),
        ({"metadata": {"name": 5}}, "metadata.name"),
        ({"metadata": {"name": "a", "namespace": "a.b"}}, "metadata.namespace"),
        ({"metadata": {"name": "a", "label": {}}}, "metadata.label"),
        ({"metadata": {"name": "a", "labels": {"x": 5}}}, "metadata.labels[x]"),
        ({"metadata": {"name": "a", "labels": {"a b": "c"}}}, "metadata.labels"),
        ({"metadata": {"name": "a", "labels": []}}, "metadata.labels"),
        ({"metadata": {"name": "a", "annotations": {"x": True}}}, "metadata.annotations[x]"),
        ({"metadata": {"name": "a", "annotations": {"a b": ""}}}, "metadata.annotations"),
        ({"metadata": {"name": "a", "annotations": {"x": "y" * 262144}}}, "metadata.annotations"),
        ({"metadata": {"name": "a", "annotations": 5}}, "metadata.annotations"),
        ({"metadata": {"name": "a", "finalizers": ["a b"]}}, "metadata.finalizers"),
        ({"spec": {"intervall": "1s"}}, "spec.intervall"),
        ({"spec": {"unknown": None}}, "spec.unknown"),
        ({"spec": {"eventTypes": [{"name": "a", "colour": "red"}]}}, "spec.eventTypes[0].colour"),
        ({"spec": {"interval": "25h"}}, "spec.interval"),
        ({"spec": []}, "spec"),
        ({"status": {"phase": "Running"}}, "status.phase"),
        ({"data": {}}, "data"),
    ],
)
def test_a_problem_says_where_it_is(more, field):
    assert fields({**GOOD, **more}) == [field]


def test_an_unknown_field_is_told_with_the_known_ones():
    (problem,) = validate_object({**GOOD, "spec": {"entities": {"user": {}}}})
    assert (
        str(problem)
        == "spec.entities.user: user is not a field of spec.entities; its fields are users, hosts, clients, attackers"
    )


def test_what_is_no_object_is_told_what_it_should_be():
    assert fields([]) == [""]


def names(schema):
    """Every field name there is, so that what is drawn gets past the first look."""
    inner = [*schema.get("properties", {}).values(), schema.get("items")]
    return set(schema.get("properties", {})).union(*(names(each) for each in inner if isinstance(each, dict)))


TEXTS = st.text(max_size=8) | st.sampled_from(
    ["a\nb", "\x1b[31m", "\u202e", "\u2028", "\ufeff", "\ud800", "\U0001f600", '"', "5s", "1h", "Json", "x" * 300,
     API_VERSION, KIND]
)  # fmt: skip
KEYS = st.sampled_from(sorted(names(resource_schema()))) | TEXTS
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
RESOURCES = VALUES | st.fixed_dictionaries(
    {"apiVersion": st.just(API_VERSION), "kind": st.just(KIND), "metadata": st.just({"name": "a"}) | VALUES},
    optional={"spec": st.dictionaries(KEYS, VALUES, max_size=5), "status": VALUES},
)


@settings(max_examples=120, deadline=None)
@given(obj=RESOURCES)
@example(obj={**GOOD, "spec": {"a\nb": 1}})
@example(obj={**GOOD, "spec": {"eventMix": {"a\nb\u202e": -1}}})
@example(obj={**GOOD, "spec": {"eventTypes": [{"name": "a", "details": {"\x1b[31m": 5}}]}})
@example(obj={**GOOD, "metadata": {"name": "a", "labels": {"a\nb": "c"}, "annotations": {"\u2028": 1}}})
@example(obj={**GOOD, "spec": {"eventMix": {"x" * 100_000: "y"}}})
def test_whatever_a_resource_holds_each_problem_is_one_line_of_printable_text(obj):
    before = json.dumps(obj, default=str)
    for problem in validate_object(obj):
        said = str(problem)
        assert said.isprintable(), ascii(said)
        assert said.encode()
        assert len(said) < 2_000
        assert problem.message.isprintable()
        assert problem.field or not isinstance(obj, dict) or "" in obj
    assert json.dumps(obj, default=str) == before
