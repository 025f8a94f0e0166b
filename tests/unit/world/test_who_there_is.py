"""Users, hosts and addresses as functions of a seed and a number."""

import ipaddress
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.world.addresses import Addresses
from audit_event_operator.world.cast import WorldCast
from audit_event_operator.world.dice import Dice, Seed
from audit_event_operator.world.shares import Deck
from support.worlds import LARGE


def cast(seed=1, **entities):
    return WorldCast(parse_spec({"activity": "Sessions", "entities": entities}).entities, seed)


def test_a_hundred_thousand_users_and_ten_thousand_hosts_differ():
    large = cast(**LARGE)
    users = [large.people[number] for number in range(0, 100_000, 7)]
    assert len({user.name for user in users}) == len(users)
    assert all(re.fullmatch(r"[a-z]+[0-9]*x?", user.name) for user in users)
    assert len({address for user in users for address in user.addresses}) == sum(len(user.addresses) for user in users)
    hosts = {large.machines[number].name for number in range(10_000)}
    assert len(hosts) == 10_000


def test_named_ones_come_first_and_made_up_ones_never_have_their_names():
    some = cast(users={"names": ["alice", "bob"], "count": 50}, hosts={"names": ["web-01"], "count": 9})
    names = [some.people[number].name for number in range(50)]
    assert names[:2] == ["alice", "bob"]
    assert len(set(names)) == 50
    assert [some.machines[number].label for number in range(9)] == ["web-01", *["generated"] * 8]


def test_a_user_has_a_few_hosts_and_addresses_of_his_own():
    people = cast().people
    for number in range(200):
        person = people[number]
        assert 1 <= len(person.homes) <= 5
        assert 1 <= len(person.addresses) <= 2
        assert len(person.commands) == 3
        assert 420 <= person.begins < person.ends <= 420 + 12 * 15 + 540


def network(number, bits):
    return str(ipaddress.IPv4Network((number, bits), strict=False))


networks = st.builds(network, st.integers(0, 2**32 - 1), st.integers(22, 32))


@settings(deadline=None)
@given(networks=st.lists(networks, min_size=1, max_size=4), salt=st.integers(0, 2**64 - 1))
def test_addresses_are_all_those_of_the_networks_once(networks, salt):
    addresses = Addresses(networks, salt)
    found = {addresses[number] for number in range(addresses.count)}
    assert len(found) == addresses.count
    inside = [ipaddress.IPv4Network(network) for network in networks]
    assert all(any(ipaddress.IPv4Address(address) in network for network in inside) for address in found)


def test_where_addresses_are_scarce_only_users_with_one_of_their_own_fail():
    few = cast(users={"count": 40}, clients={"cidrs": ["192.0.2.0/28"]}).people
    quiet = [number for number in range(40) if few[number].own_address]
    assert len(quiet) == 14
    assert len({few[number].addresses for number in quiet}) == 14


@pytest.mark.parametrize("weights", [{"a": 1}, {"a": 1, "b": 2, "c": 61}, {"a": 999_999, "b": 1}])
def test_a_deck_keeps_the_weights_however_long_it_is_drawn_from(weights):
    deck, total, found = Deck(weights, Seed(5, b"deck")), sum(weights.values()), dict.fromkeys(weights, 0)
    for number in range(64 * 400):
        found[deck.draw(number)] += 1
        if number % 640 == 639:
            assert all(abs(found[kind] - (number + 1) * weight / total) < 4 for kind, weight in weights.items())


def test_dice_do_not_run_out():
    dice = Dice(bytes(range(64)))
    rolls = [dice.roll(1_000) for _ in range(500)]
    assert len(set(rolls[-100:])) > 50


@pytest.mark.parametrize("count", [1, 2, 5, 31, 32, 200, 3_000])
def test_one_user_in_eight_is_a_victim_and_one_in_two_where_there_are_few(count):
    people = cast(users={"count": count}).people
    victims = [number for number in range(count) if people.is_victim(number)]
    turns = [people.victim_number(index) for index in range(2 * people.victims)]
    assert turns[: people.victims] == turns[people.victims :] == (victims or [0])
    assert abs(people.victims - count / (8 if count >= 32 else 2)) <= 1
    assert len(victims) < count  # somebody may still fail


@pytest.mark.parametrize("count, listed", [(200, []), (50_000, ["alice", "smith", "jsmith2"])])
def test_a_user_is_found_by_name_and_nobody_else(count, listed):
    people = cast(users={"count": count, "names": listed} if listed else {"count": count}).people
    for number in (0, 1, 2, 3, 17, 199, count - 1):
        assert people.number_of(people[number].name) == number
    names = {people[number].name for number in range(min(count, 2_000))}
    strangers = ["", "nobody", "zz", "a", "1", "asmith0", "asmith999", "a" * 300]
    assert [people.number_of(name) for name in strangers if name not in names] == [None] * len(strangers)


def test_somebody_who_is_named_and_is_no_user_has_an_address_and_always_the_same():
    some = cast()
    assert some.named("mallory") == some.named("mallory")
    assert some.named("mallory").addresses != some.named("trent").addresses
    users = {address for number in range(200) for address in some.people[number].addresses}
    assert not users & {*some.named("mallory").addresses}


def test_accounts_that_are_made_share_no_address_with_anybody():
    some = cast(users={"count": 2_000}, hosts={"count": 500})
    made = {some.spare_address(number) for number in range(50_000)}
    users = {address for number in range(2_000) for address in some.people[number].addresses}
    hosts = {some.machine_address(some.machines[number], "") for number in range(500)}
    assert len(made) == 50_000
    assert len(hosts) == 500
    assert not made & users
    assert not made & hosts
    assert not users & hosts
