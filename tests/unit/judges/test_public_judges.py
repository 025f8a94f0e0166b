"""What public detectors count: each fires exactly at its threshold, and is silent one below it or one microsecond off."""

import pytest

from support.judges.counting import Alert, all_judges, is_private, public_judges
from support.judges.samples import event, failures, raised

ADDRESS = "198.51.100.7"
LOGIN = f"alice@web from {ADDRESS}"
MICROSECOND = 0.000001
UNKNOWN = {"reason": "Invalid user"}

COUNTING = [
    ("fail2ban", 5, 600, ADDRESS),
    ("sshguard", 3, 1_800, ADDRESS),
    ("wazuh", 8, 120, ADDRESS),
    ("elastic failures", 60, 30, LOGIN),
    ("sentinel", 16, 14_400, ADDRESS),
]
LEAKING = [("ssh-bf", 5, 10), ("ssh-slow-bf", 10, 60), ("user-enum", 5, 10)]


def says(rule, events, **options):
    return raised(public_judges(**options)[rule], events)


def unknown(count, *, pace):
    return [event(pace * number, user=f"name-{number}", **UNKNOWN) for number in range(count)]


@pytest.mark.parametrize(("rule", "count", "seconds", "subject"), COUNTING)
def test_so_many_failures_in_the_time_alert(rule, count, seconds, subject):
    assert says(rule, failures(count, within=seconds, **UNKNOWN)) == [Alert(rule, subject)]


@pytest.mark.parametrize(("rule", "count", "seconds", "subject"), COUNTING)
def test_one_failure_less_or_a_longer_time_is_silent(rule, count, seconds, subject):
    assert says(rule, failures(count - 1, within=1, **UNKNOWN)) == []
    assert says(rule, failures(count, within=seconds + MICROSECOND, **UNKNOWN)) == []


@pytest.mark.parametrize(("rule", "count", "seconds", "subject"), COUNTING)
def test_after_an_alert_it_counts_from_zero(rule, count, seconds, subject):
    assert len(says(rule, failures(2 * count - 1, within=1, **UNKNOWN))) == 1
    assert len(says(rule, failures(2 * count, within=1, **UNKNOWN))) == 2


@pytest.mark.parametrize("rule", public_judges())
def test_successes_and_failures_without_an_address_are_not_counted(rule):
    assert says(rule, failures(100, within=1, kind="user_login SUCCESS", **UNKNOWN)) == []
    assert says(rule, failures(100, within=1, address=None, **UNKNOWN)) == []


@pytest.mark.parametrize("rule", public_judges())
def test_each_address_is_counted_for_itself(rule):
    events = [event(0, address=f"198.51.100.{number}", user=f"name-{number}", **UNKNOWN) for number in range(250)]
    assert says(rule, [*events, event(1, "user_login SUCCESS")]) == []


@pytest.mark.parametrize(("rule", "capacity", "leak_seconds"), LEAKING)
def test_a_bucket_overflows_with_the_first_that_it_has_no_room_for(rule, capacity, leak_seconds):
    assert says(rule, unknown(capacity, pace=0)) == []
    assert says(rule, unknown(capacity + 1, pace=0)) == [Alert(rule, ADDRESS)]
    just_too_soon = [*unknown(capacity, pace=0), event(leak_seconds - MICROSECOND, user="last", **UNKNOWN)]
    assert says(rule, just_too_soon) == [Alert(rule, ADDRESS)]
    in_time = [*unknown(capacity, pace=0), event(leak_seconds, user="last", **UNKNOWN)]
    assert says(rule, in_time) == []


@pytest.mark.parametrize(("rule", "capacity", "leak_seconds"), LEAKING)
def test_a_bucket_that_leaks_as_fast_as_it_is_filled_never_overflows(rule, capacity, leak_seconds):
    assert says(rule, unknown(500, pace=leak_seconds)) == []
    assert says(rule, unknown(500, pace=leak_seconds * 0.9)) != []


def test_user_enum_counts_a_name_once_and_no_known_user():
    assert says("user-enum", failures(20, within=1, **UNKNOWN)) == []
    assert (
        says("user-enum", [event(0, user=f"name-{number}", reason="Incorrect password") for number in range(20)]) == []
    )
    # When the bucket has run empty, the name counts again, alone.
    assert says("user-enum", [*unknown(5, pace=0), *(event(50, user=f"name-{n}", **UNKNOWN) for n in range(5))]) == []


def test_sentinel_counts_only_unknown_users():
    assert says("sentinel", failures(16, within=1, reason="Incorrect password")) == []


def test_crowdsec_looks_at_private_addresses_unless_they_are_on_its_list():
    private = list(failures(6, within=1, address="10.1.2.3"))
    assert says("ssh-bf", private) == [Alert("ssh-bf", "10.1.2.3")]
    assert says("ssh-bf", private, whitelist=True) == []
    assert says("ssh-bf", failures(6, within=1), whitelist=True) == [Alert("ssh-bf", ADDRESS)]


def test_private_are_the_three_ranges_and_nothing_beside_them():
    assert all(map(is_private, ("10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.100")))
    assert not any(
        map(is_private, ("11.0.0.0", "172.15.255.255", "172.32.0.0", "192.169.0.0", "203.0.113.1", "fd00::1"))
    )


@pytest.mark.parametrize(
    ("count", "success_at", "alerts"), [(25, 15, 1), (24, 15, 0), (25, 15 + MICROSECOND, 0), (26, 15, 1), (25, 14, 1)]
)
def test_elastic_wants_25_failures_and_a_success_within_15_seconds(count, success_at, alerts):
    events = [*failures(count, within=14), event(success_at, "user_login SUCCESS")]
    assert len(says("elastic success after failures", events)) == alerts


def test_elastic_wants_the_success_after_the_failures_and_from_their_address():
    rule = "elastic success after failures"
    assert says(rule, [event(0, "user_login SUCCESS"), *failures(25, within=14)]) == []
    assert says(rule, [*failures(25, within=14), event(14, "user_login SUCCESS", address="198.51.100.8")]) == []
    assert says(rule, [*failures(25, within=14), event(14, "sudo_command SUCCESS")]) == []


def test_elastic_takes_the_same_failures_for_one_alert_only():
    events = [*failures(25, within=14), event(14, "user_login SUCCESS"), event(14, "user_login SUCCESS")]
    assert len(says("elastic success after failures", events)) == 1


@pytest.mark.parametrize("facts", [{"user": "bob"}, {"host": "db"}])
def test_elastic_counts_failures_of_one_host_address_and_user(facts):
    assert says("elastic failures", [*failures(59, within=20), event(21, **facts)]) == []


def test_all_judges_fire_on_an_attack_and_are_silent_on_one_mistyped_password():
    attack = [*failures(70, within=14, **UNKNOWN), event(14.5, "user_login SUCCESS")]
    attack += [event(15 + n / 10, user=f"name-{n}", **UNKNOWN) for n in range(6)]
    silent = [judge for judge in all_judges() if not raised(judge, attack)]
    assert silent == []
    mistyped = [event(0), event(9), event(12, "user_login SUCCESS")]
    assert [alert for judge in all_judges() for alert in raised(judge, mistyped)] == []
    assert len(all_judges()) == len(public_judges()) + 1
