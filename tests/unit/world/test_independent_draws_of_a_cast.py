"""Counts and networks also fill the cast of independent draws, whose content stays a function of seed and number."""

import ipaddress
import json

from audit_event_operator.events.factory import Slot
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.timeline.makers import Makers
from support.worlds import MONDAY, counted

ENTITIES = {
    "users": {"names": ["alice"], "count": 3_000},
    "hosts": {"names": ["web-01"], "count": 6_000},
    "clients": {"cidrs": ["10.64.0.0/16", "192.0.2.0/24"]},
}
MIX = {"user_login_success": 1}


def events(count, *, first=0, entities=ENTITIES, seed=1):
    spec = parse_spec({"entities": entities, "eventMix": MIX})
    stream = Makers().maker(spec, seed, fresh=True, entropy=counted())
    made = stream.make([Slot(first + number, MONDAY * 10**9) for number in range(count)])
    assert all(len(event.body) <= stream.largest_body_bytes for event in made)
    return [(event, json.loads(event.body)) for event in made]


def test_made_up_users_hosts_and_addresses_of_the_networks_all_occur():
    found = events(8_000)
    networks = [ipaddress.ip_network(cidr) for cidr in ENTITIES["clients"]["cidrs"]]
    assert len({body["user_id"] for _, body in found}) > 2_500
    assert len({body["server_hostname"] for _, body in found}) > 4_000
    assert {event.server_hostname for event, _ in found} == {"web-01", "generated"}
    addresses = {ipaddress.ip_address(body["client_ip"]) for _, body in found}
    assert all(any(address in network for network in networks) for address in addresses)
    assert len(addresses) > 7_000


def test_an_event_does_not_depend_on_those_before_it():
    bodies = [body | {"event_id": ""} for _, body in events(200)]
    assert [body | {"event_id": ""} for _, body in events(50, first=150)] == bodies[150:]


def test_without_names_a_count_fills_up_the_seeds_users():
    users = {body["user_id"] for _, body in events(2_000, entities={"users": {"count": 7}})}
    assert len(users) == 7
    assert users >= {"devops_admin", "app_user", "guest_user", "monitoring_agent", "attacker_bob"}
