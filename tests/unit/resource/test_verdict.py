"""Whole resources judged offline: kind, name, unknown fields, spec. (That the API server agrees is an integration test.)"""

from typing import Any

import pytest

from audit_event_operator.resource.names import API_VERSION, KIND
from audit_event_operator.resource.verdict import validate_object

GOOD = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "demo"}}


def fields(obj: Any) -> list[str]:
    return [problem.field for problem in validate_object(obj)]


@pytest.mark.parametrize(
    "more", [{}, {"spec": {}}, {"spec": None}, {"spec": {"interval": "1s"}}, {"status": "anything"}]
)
def test_a_good_resource_has_no_problems(more: dict[str, Any]) -> None:
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
def test_a_problem_says_where_it_is(more: dict[str, Any], field: str) -> None:
    assert fields({**GOOD, **more}) == [field]


def test_an_unknown_field_is_told_with_the_known_ones() -> None:
    (problem,) = validate_object({**GOOD, "spec": {"entities": {"user": {}}}})
    assert str(problem) == "spec.entities.user: user is not a field of spec.entities; there are users, hosts"


def test_what_is_no_object_is_told_what_it_should_be() -> None:
    assert fields([]) == [""]
