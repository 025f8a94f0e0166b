"""Judges of formats that are JSON: CloudEvents by schema and SDK, ECS by its list of fields, OCSF by its schemas."""

import ipaddress
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_structured_event
from cloudevents.core.exceptions import CloudEventValidationError
from jsonschema import Draft7Validator, Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

HERE = Path(__file__).parent
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
URI_REFERENCE = re.compile(r"[A-Za-z0-9/._~:@!$&'()*+,;=%-]+")


# -- CloudEvents -------------------------------------------------------------------------------------------------------


@cache
def cloud_events_schema() -> Draft7Validator:
    return Draft7Validator(json.loads((HERE / "cloudevents.schema.json").read_text()))


def cloud_event_faults(body: bytes, content_type: str = "application/cloudevents+json") -> list[str]:
    event = json.loads(body)
    faults = [error.message for error in cloud_events_schema().iter_errors(event)]
    if content_type != "application/cloudevents+json":
        faults.append(f"the content type is {content_type}")
    if event.get("specversion") != "1.0" or not URI_REFERENCE.fullmatch(str(event.get("source"))):
        faults.append("specversion is 1.0, and source a URI reference")
    if not INSTANT.fullmatch(str(event.get("time"))):
        faults.append("time is no instant with six digits")
    try:
        read = from_structured_event(RabbitMQMessage(headers={}, content_type=content_type, body=body))
    except (CloudEventValidationError, ValueError) as error:
        return [*faults, repr(error)]
    if (read.get_id(), read.get_source(), read.get_data()) != (event["id"], event["source"], event["data"]):
        faults.append("the SDK reads something else")
    return faults


# -- ECS ---------------------------------------------------------------------------------------------------------------

TYPES = {"long": int, "float": float, "boolean": bool, "object": dict}


@cache
def ecs_fields() -> dict[str, dict[str, Any]]:
    return json.loads((HERE / "ecs-fields.json").read_text())


def ecs_faults(body: bytes) -> list[str]:
    document = json.loads(body)
    faults = list(_object_faults(document, ""))
    event = document.get("event", {})
    allowed = ecs_fields()["event.category"]["allowed"]
    may = {each for category in event.get("category", []) for each in allowed.get(category, [])}
    faults += [f"event.type {each} beside {event['category']}" for each in event.get("type", []) if each not in may]
    if ("category" in event) != ("type" in event):
        faults.append("event.category and event.type go together")
    return faults + [
        f"{name} is missing" for name in ("@timestamp", "ecs", "event", "host", "user") if name not in document
    ]


def _object_faults(members: dict[str, Any], path: str):
    for name, value in members.items():
        here = f"{path}{name}"
        field = ecs_fields().get(here)
        if here == "labels":
            if not all(isinstance(each, str) and "." not in key for key, each in value.items()):
                yield "labels are texts, and their names have no dots"
        elif field is None and isinstance(value, dict):
            yield from _object_faults(value, f"{here}.")
        elif field is None:
            yield f"{here} is no field of ECS"
        elif isinstance(value, list) != field.get("list", False):
            yield f"{here}: a list where none is, or none where one is"
        else:
            for each in value if isinstance(value, list) else [value]:
                yield from _value_faults(here, field, each)


def _value_faults(here: str, field: dict[str, Any], value: Any):
    kind = field["type"]
    if not isinstance(value, TYPES.get(kind, str)) or (kind == "long" and isinstance(value, bool)):
        yield f"{here} is not of the type {kind}: {value!r}"
    elif "allowed" in field and value not in field["allowed"]:
        yield f"{here} may not be {value!r}"
    elif kind == "date" and not INSTANT.fullmatch(value):
        yield f"{here} is no instant: {value!r}"
    elif kind == "ip" and not _is_address(value):
        yield f"{here} is no address: {value!r}"
    elif kind == "keyword" and len(value) > 1024:
        yield f"{here} is longer than an index keeps"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# -- OCSF --------------------------------------------------------------------------------------------------------------


@cache
def _ocsf() -> dict[str, Any]:
    return get_ocsf_schema("1.3.0")


@cache
def _ocsf_class(uid: int, profiles: tuple[str, ...]) -> Draft202012Validator:
    schemas = OcsfJsonSchemaEmbedded(_ocsf())
    return Draft202012Validator(schemas.get_class_schema(schemas.lookup_class_name_from_uid(uid), list(profiles)))


def ocsf_faults(body: bytes) -> list[str]:
    event = json.loads(body)
    uid, activity = event["class_uid"], event["activity_id"]
    try:
        validator = _ocsf_class(uid, tuple(event["metadata"].get("profiles", ())))
    except ValueError as error:
        return [str(error)]
    faults = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(event)]
    if event["type_uid"] != uid * 100 + activity:
        faults.append(f"type_uid {event['type_uid']} is not class {uid} * 100 + activity {activity}")
    known = next(each for each in _ocsf()["classes"].values() if each["uid"] == uid)
    attributes = known["attributes"]
    for name in ("activity_id", "severity_id", "status_id", "category_uid"):
        if str(event[name]) not in attributes[name]["enum"]:
            faults.append(f"{name} {event[name]} is none of {known['name']}")
    caption = attributes["activity_id"]["enum"].get(str(activity), {}).get("caption")
    if activity != 99 and event["activity_name"] != caption:
        faults.append(f"activity {activity} is called {caption}")
    if event["class_name"] != known["caption"] or event["metadata"]["version"] != "1.3.0":
        faults.append(f"the class is called {known['caption']}, the version 1.3.0")
    return faults
