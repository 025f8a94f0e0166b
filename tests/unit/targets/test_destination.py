"""What a spec says about where its events go."""

from dataclasses import replace

import pytest

from audit_event_operator.resource.broker_spec import DeclarationMode, Delivery, QueueType, TLSMode
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.targets.destination import Envelope, RabbitMQDestination, Recipient
from audit_event_operator.targets.reference import TargetKind, TargetReference

HERE = RabbitMQDestination.of("team", parse_spec({}))


def test_a_reference_never_leaves_the_namespace():
    by_secret = {"secretRef": {"name": "broker"}, "vhost": "v", "tls": {"mode": "Verify"}}
    assert TargetReference.of("team", parse_spec({"rabbitmq": by_secret}).rabbitmq) == (
        TargetReference(TargetKind.SECRET, "team", "broker", "v", TLSMode.VERIFY)
    )
    by_cluster = {"clusterRef": {"name": "rabbit"}}
    assert TargetReference.of("team", parse_spec({"rabbitmq": by_cluster}).rabbitmq) == (
        TargetReference(TargetKind.CLUSTER, "team", "rabbit")
    )


def test_without_a_reference_all_namespaces_share_the_default_broker():
    assert HERE.reference == TargetReference(TargetKind.DEFAULT)
    assert RabbitMQDestination.of("other", parse_spec({})) == HERE


def test_the_queue_is_what_people_call_it():
    assert RabbitMQDestination.of("team", parse_spec({"queue": "alarms"})).label == "alarms"


@pytest.mark.parametrize(
    "change",
    [
        {"declaration_mode": DeclarationMode.MUST_EXIST},
        {"queue_type": QueueType.QUORUM},
        {"delivery": Delivery.AT_MOST_ONCE},
    ],
)
def test_another_declaration_or_guarantee_is_another_destination_at_the_same_place(change):
    changed = replace(HERE, **change)
    assert changed != HERE
    assert changed.same_place(HERE)


@pytest.mark.parametrize(
    "change",
    [
        {"recipient": Recipient("other")},
        {"recipient": Recipient("audit_events", is_exchange=True)},
        {"reference": TargetReference(TargetKind.SECRET, "team", "mine")},
    ],
)
def test_another_queue_or_broker_is_another_place(change):
    assert not replace(HERE, **change).same_place(HERE)


def test_what_is_not_in_rabbitmq_is_another_place():
    assert not HERE.same_place("a folder")


def test_an_exchange_wins_over_the_queue_and_is_told_with_its_key():
    spec = parse_spec({"queue": "alarms", "exchange": {"name": "audit", "routingKey": "${severity}.${host}"}})
    where = RabbitMQDestination.of("team", spec)
    assert where.recipient == Recipient("audit", is_exchange=True)
    assert where.label == spec.destination_label == "audit → ${severity}.${host}"
    assert spec.destination_phrase == 'exchange "audit → ${severity}.${host}"'


def test_an_exchange_without_a_key_is_told_without_one():
    assert parse_spec({"exchange": {"name": "audit"}}).destination_label == "audit →"


def test_another_envelope_is_another_destination_at_the_same_place():
    message = {"headers": {"team": "soc"}, "priority": 0, "expiration": "1.5s"}
    changed = RabbitMQDestination.of("team", parse_spec({"message": message}))
    assert changed.envelope == Envelope("", (("team", "soc"),), 0, 1_500)
    assert changed != HERE
    assert changed.same_place(HERE)
    assert changed.differs_in_envelope(HERE)
    assert not replace(changed, delivery=Delivery.AT_MOST_ONCE).differs_in_envelope(HERE)
