"""Texts that try to pass for something else, on their whole way: spec or post, queue, log, labels."""

import json
import re
import unicodedata

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from support.faults.http import EXAMPLE, ROUTE, by_hand, must_refuse
from support.parts.operator_process import SERIES, OperatorProcess

NASTY = {
    "emoji": "🦊👩‍👩‍👧‍👦\U0001f9ff",
    "right-to-left": "\u202egnp.exe\u202c \u2066isolated\u2069 \u200f",
    "invisible": "zero\u200bwidth\ufeffand\u00adsoft",
    "separators": "line\u2028paragraph\u2029end",
    "quotes": "\"double\" 'single' `back` \\ / </script> $user {user} {{x}} %s %n",
    "far planes": "\U0010ffff\ue000\u0300combined",
    "next line": "c1\u0085control\u009b31m",
}
"""Texts that are allowed in names; with line breaks and control characters they are allowed in details."""
CONTROLS = "".join(map(chr, range(1, 32))) + "\x7f"


@pytest.mark.row(39)
@pytest.mark.timeout(120)
def test_nasty_texts_of_a_spec_arrive_as_they_are_and_break_no_line(start, tmp_path, own_rabbitmq, measured) -> None:
    details = {f"k{number}": text + CONTROLS for number, text in enumerate(NASTY.values())}
    queues: list[str] = []
    documents = []
    for number, text in enumerate(NASTY.values()):
        queues.append(f"nasty {number} {text} {tmp_path.name}")
        kind = {"name": "nasty", "resource": text, "details": details | {"who": "${user}"}}
        documents.append(
            {
                "apiVersion": "auditflow.jojees.net/v1alpha1",
                "kind": "AuditEventGenerator",
                "metadata": {"name": f"nasty-{number}", "namespace": "shop"},
                "spec": {
                    "queue": queues[-1],
                    "interval": "100ms",
                    "maxEvents": 10,
                    "eventTypes": [kind],
                    "eventMix": {"nasty": 1},
                    "entities": {"users": {"names": [text]}},
                },
            }
        )
    file = tmp_path / "nasty.yaml"
    file.write_text(yaml.safe_dump_all(documents, allow_unicode=True))
    operator = start("-f", file, AEG_LOG_FORMAT="json", AEG_LOG_LEVEL="DEBUG")
    try:
        for queue, text in zip(queues, NASTY.values(), strict=True):
            for message in own_rabbitmq.take(queue, 10):
                event = json.loads(message.body.decode("utf-8"))
                assert event["user_id"] == event["resource"] == text
                expected = details | {"who": text, "resource": text}
                assert expected.items() <= event["details"].items()
                assert "\n" not in message.body.decode(), "one event is one line"
        published = operator.metric(f"{SERIES}events_published_total", generator_namespace="shop")
        assert published == 10 * len(queues)
        queue_labels = {labels["queue"] for labels in _labels_of(operator, f"{SERIES}info") if "queue" in labels}
        assert set(map(_as_label, queues)) <= queue_labels
        assert operator.stop().exit_code == 0
    finally:
        for queue in queues:
            own_rabbitmq.delete(queue)
    lines = _must_be_one_json_object_each(operator.log)
    measured(f"{len(queues)} nasty queues, 10 events each, texts equal; {lines} log lines, each one JSON object")


@pytest.mark.row(39)
@pytest.mark.timeout(120)
def test_nasty_texts_of_a_post_arrive_as_they_are_or_are_refused(start, own_rabbitmq, queue, measured) -> None:
    operator = start(AEG_LOG_FORMAT="json", AEG_LOG_LEVEL="DEBUG")
    posted: dict[str, dict[str, object]] = {}
    for text in NASTY.values():
        body = {
            "event_type": text,
            "server_hostname": text,
            "user_id": text,
            "action_result": text,
            "note": text,
            "details": {text: text + CONTROLS, "deep": [{"\n": "\r\n\t"}]},
        }
        for raw in (json.dumps(body).encode(), json.dumps(body, ensure_ascii=False).encode()):
            answer = operator.post(ROUTE, raw)
            if "\u0085" in text and answer.status == 400:
                break
            assert answer.status == 202, (text, answer.body)
            posted[answer.json()["event_id"]] = body
    refused = 0
    for field in ("event_type", "server_hostname", "user_id", "action_result", "severity"):
        for character in "\n\r\0\x1b\x7f":
            sentence = must_refuse(operator.post(ROUTE, {**EXAMPLE, field: f"forged{character}line"}), 400)
            assert character not in sentence
            refused += 1
    for raw in (
        b'{"event_type": "\\ud800"}',
        b'{"event_type": "x", "details": {"a": "\\u0000"}}',
        b'{"event_type": "\n"}',
    ):
        must_refuse(operator.post(ROUTE, raw), 400)
        refused += 1
    forged = f"{ROUTE}?generator=shop/x%0A%7B%22severity%22:%22ERROR%22%7D"
    must_refuse(operator.post(forged, EXAMPLE), 400)

    events = {each.json()["event_id"]: each for each in own_rabbitmq.drain(queue) if by_hand(each.json())}
    assert events.keys() == posted.keys()
    for event_id, body in posted.items():
        message = events[event_id]
        assert body.items() <= json.loads(message.body.decode("utf-8")).items()
        assert message.properties.type == body["event_type"]
    hosts = {labels.get("server_hostname") for labels in _labels_of(operator, "audit_event_generator_events_total")}
    assert {_as_label(str(body["server_hostname"])) for body in posted.values()} <= hosts
    assert operator.stop().exit_code == 0
    lines = _must_be_one_json_object_each(operator.log)
    measured(
        f"{len(posted)} nasty posts equal in the queue, {refused} refused; {lines} log lines, each one JSON object"
    )


def _labels_of(operator: OperatorProcess, name: str) -> list[dict[str, str]]:
    """The label sets of a metric; both formats of the page are parsed strictly, and agree about them."""
    found: list[list[dict[str, str]]] = []
    for accept, parse in (
        ("text/plain", parse_prometheus),
        ("application/openmetrics-text; version=1.0.0", parse_openmetrics),
    ):
        page = operator.get("/metrics", {"Accept": accept})
        assert page.status == 200
        families = list(parse(page.body.decode("utf-8")))
        found.append([sample.labels for family in families for sample in family.samples if sample.name == name])
    assert sorted(map(str, found[0])) == sorted(map(str, found[1]))
    return found[0]


def _as_label(text: str) -> str:
    """What would break or reorder a line is replaced in labels."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def _must_be_one_json_object_each(log: str) -> int:
    """Every line is one record, and has no character that could break or reorder a line; how many there are."""
    lines = log.removesuffix("\n").split("\n")
    for line in lines:
        record = json.loads(line)
        assert {"message", "severity", "timestamp"} <= record.keys(), line
        hidden = [char for char in record["message"] if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Cs"}]
        assert not hidden, line
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", line)
    return len(lines)
