"""Turns a pydantic model into a structural schema for the API server.

Inlines references and strips everything a CRD must not contain (titles, anyOf with null, null defaults, propertyNames), so
that the models can stay plain pydantic. Must not know any particular model.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from audit_event_operator.resource.rules import SENTENCE, VALIDATIONS

LIST_TYPE: Final = "x-kubernetes-list-type"
LIST_MAP_KEYS: Final = "x-kubernetes-list-map-keys"
MAP_TYPE: Final = "x-kubernetes-map-type"
"""An atomic map has one owner in server-side apply: far cheaper for the API server than an owner for each of its keys."""

_IN_A_LIST: Final = "[]"
"""Part of the place of whatever is inside a list. It gets no default there, only in the model: `kubectl apply` and Argo CD
would see one as a difference to the manifest, every time."""

_KEPT: Final = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    LIST_TYPE,
    LIST_MAP_KEYS,
    MAP_TYPE,
    VALIDATIONS,
    "required",
)
_DROPPED: Final = {SENTENCE, "title", "propertyNames", "additionalProperties", "properties", "items"}


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the structural schema of a model, its fields in the order in which the model declares them.

    Raises:
        ValueError: the model uses something that a structural schema cannot express.
    """
    document = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(document, document.get("$defs", {}), model.__name__)


def _structural(node: Mapping[str, Any], definitions: Mapping[str, Any], place: str) -> dict[str, Any]:
    node = _resolved(node, definitions, place)
    unknown = node.keys() - {*_KEPT, *_DROPPED, "$defs"}
    if unknown:
        raise ValueError(f"{place}: a structural schema has no {', '.join(sorted(unknown))}")
    result = {keyword: node[keyword] for keyword in _KEPT if keyword in node}
    if (rule := node.get(SENTENCE)) is not None:
        rule = {**rule, "message": f"{_subject(place)} {rule['message']}"}
        result[VALIDATIONS] = [rule, *result.get(VALIDATIONS, ())]
    if result.get("default", ...) is None:
        del result["default"]
    elif "default" in result:
        if "description" in result:
            result["description"] += _spoken_default(result["default"])
        if _IN_A_LIST in place:
            del result["default"]
    if "properties" in node:
        result["properties"] = {
            name: _structural(child, definitions, f"{place}.{name}") for name, child in node["properties"].items()
        }
    elif isinstance(node.get("additionalProperties"), Mapping):
        result["additionalProperties"] = _structural(node["additionalProperties"], definitions, f"{place}[*]")
    if "items" in node:
        result["items"] = _structural(node["items"], definitions, f"{place}[]")
    return result


def _subject(place: str) -> str:
    """How a sentence about the value at this place begins."""
    name = place.rpartition(".")[2]
    field = name.rstrip("[]*")
    return field if field == name else f"{field}: each"


def _spoken_default(default: Any) -> str:
    """Put a default into words, because `kubectl explain` does not show defaults; objects have theirs field by field."""
    if isinstance(default, Mapping) or default == "":
        return ""
    if isinstance(default, bool):
        return f" Default: {str(default).lower()}."
    return f" Default: {', '.join(map(str, default)) if isinstance(default, list) else default}."


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Follow references and unwrap `X | None`; keywords beside a reference override what it refers to."""
    beside = dict(node)
    if "$ref" in node:
        target = definitions[beside.pop("$ref").removeprefix("#/$defs/")]
    elif "anyOf" in node:
        target, *others = [choice for choice in beside.pop("anyOf") if choice != {"type": "null"}]
        if others:
            raise ValueError(f"{place}: a structural schema cannot choose between several types")
    else:
        return beside
    return _resolved({**target, **beside}, definitions, place)
