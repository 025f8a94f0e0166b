"""Nobody can use up the memory of another's buffers: thresholds that fall as it fills, and a reserve for each outbox."""

from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.engine.budget import PARCEL_OVERHEAD_BYTES, RESERVE_BYTES, SMALL_EVENT_BYTES, Budget

MIB = 1024 * 1024
LARGE = 60 * 1024 + PARCEL_OVERHEAD_BYTES


def fill(*accounts, size=LARGE):
    """Let the accounts take in turns until there is no room for any of them."""
    hungry = list(accounts)
    while hungry:
        hungry = [account for account in hungry if account.room_bytes >= size]
        for account in hungry:
            account.take(size)


def test_one_outbox_gets_a_quarter_and_one_namespace_half_however_many_it_has():
    budget = Budget(limit_bytes=128 * MIB)
    alone = budget.open("a", "broker")
    fill(alone)
    assert 30 * MIB < budget.used_bytes < 33 * MIB
    fill(*(budget.open("a", f"broker {number}") for number in range(50)))
    assert 55 * MIB < budget.used_bytes < 65 * MIB


def test_a_small_holder_finds_room_beside_ten_greedy_namespaces():
    budget = Budget(limit_bytes=128 * MIB)
    fill(*(budget.open(f"greedy-{number}", broker) for number in range(10) for broker in range(20)))
    small = budget.open("small", "its own")
    assert small.room_bytes > 2 * MIB
    assert not small.overdrawn


def test_a_broker_that_takes_nothing_leaves_room_for_the_others_of_its_namespace():
    budget = Budget(limit_bytes=128 * MIB)
    fill(*(budget.open("a", "dead") for _ in range(50)))
    assert budget.open("a", "alive").room_bytes > 4 * MIB


def test_1900_ordinary_streams_on_a_dead_broker_stop_nobody():
    budget = Budget()
    dead = [budget.open("a", "dead") for _ in range(1_900)]
    fill(*dead, size=64 * (400 + PARCEL_OVERHEAD_BYTES))
    other = budget.open("b", "alive")
    assert other.room_bytes > 100 * (400 + PARCEL_OVERHEAD_BYTES)
    assert dead[0].overdrawn
    assert not other.overdrawn


def test_who_holds_nothing_is_never_told_that_it_holds_too_much():
    budget = Budget(limit_bytes=MIB)
    assert not budget.open("idle", "broker").overdrawn
    budget.open("a", "broker").take(MIB)
    assert not budget.open("idle", "broker").overdrawn


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_happens_the_limit_holds_and_everything_is_given_back(data):
    budget = Budget(limit_bytes=40 * RESERVE_BYTES)
    held = {}
    for _ in range(data.draw(st.integers(1, 60), label="steps")):
        what = data.draw(st.sampled_from(["open", "take", "give back", "close"]))
        if what == "open" and len(held) < 20:
            names = data.draw(st.tuples(st.sampled_from("ab"), st.sampled_from("xy")))
            before = budget.free_bytes
            held[budget.open(*names)] = []
            assert budget.free_bytes == before - RESERVE_BYTES
        elif held:
            account = data.draw(st.sampled_from(list(held)))
            if what == "take":
                size = data.draw(st.integers(1, 4 * RESERVE_BYTES))
                if size <= account.room_bytes:
                    account.take(size)
                    held[account].append(size)
            elif what == "give back" and held[account]:
                account.give_back(held[account].pop())
            elif what == "close":
                account.close()
                account.close()
                for size in held.pop(account):
                    account.give_back(size)
        assert all(sum(sizes) == account.used_bytes for account, sizes in held.items())
        assert budget.used_bytes == sum(budget.used_by_namespace().values()) == sum(map(sum, held.values()))
        # Outboxes that were opened while all was taken may have taken one small event each beyond it.
        assert budget.used_bytes <= budget.limit_bytes + max(0, -budget.free_bytes)
        assert all(account.room_bytes >= SMALL_EVENT_BYTES for account, sizes in held.items() if not sizes)
    for account, sizes in held.items():
        account.close()
        for size in sizes:
            account.give_back(size)
    assert (budget.used_bytes, budget.free_bytes, budget.used_by_namespace()) == (0, budget.limit_bytes, {})
