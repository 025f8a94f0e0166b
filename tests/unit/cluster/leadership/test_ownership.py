"""Who goes on and who yields, decided from what was heard and when."""

from datetime import UTC, datetime, timedelta

import pytest

from audit_event_operator.cluster.leadership.ownership import Ownership, OwnershipTiming, Stance

WALL = datetime(2026, 1, 1, tzinfo=UTC)
TIMING = OwnershipTiming(refresh=30, timeout=90)
US, SMALLER, LARGER = "ops-m/operator", "ops-a/operator", "ops-z/operator"
UID = "u1"


def status(installation, *, renewed=None, count=0):
    written = {"owner": f"{installation}/pod-1", "eventsPublished": count}
    return written if renewed is None else written | {"ownerRenewTime": renewed.isoformat()}


@pytest.fixture
def ownership():
    return Ownership(US, TIMING)


@pytest.fixture
def met(ownership):
    """One that has seen the resource without a status before."""
    ownership.hear(UID, {}, 0, WALL)
    return ownership


@pytest.mark.parametrize("owner", [None, "", "pod-1", "ops/pod-1", 7, "//", f"{US}/pod-0", f"{US}/pod-1"])
def test_members_old_owners_and_no_owner_are_not_foreign(met, owner):
    assert not met.hear(UID, {"owner": owner, "ownerRenewTime": WALL.isoformat()}, 1, WALL)
    assert met.stance(UID, 1) is Stance.ALONE


def test_the_larger_name_yields_while_the_smaller_one_shows_signs_of_life(met):
    assert met.hear(UID, status(SMALLER, renewed=WALL), 100, WALL)
    assert met.stance(UID, 189) is Stance.YIELDS
    assert met.stance(UID, 190) is Stance.ALONE
    met.hear(UID, status(SMALLER, renewed=WALL + timedelta(seconds=30)), 130, WALL)
    assert met.stance(UID, 219) is Stance.YIELDS


def test_counters_alone_are_a_sign_of_life_too(met):
    met.hear(UID, status(SMALLER, count=1), 0, WALL)
    met.hear(UID, status(SMALLER, count=2), 60, WALL)
    assert met.stance(UID, 149) is Stance.YIELDS


def test_the_same_status_told_again_is_no_sign_of_life(met):
    assert met.hear(UID, status(SMALLER, renewed=WALL), 0, WALL)
    assert not met.hear(UID, status(SMALLER, renewed=WALL), 89, WALL)
    assert met.stance(UID, 90) is Stance.ALONE


def test_a_list_that_arrives_after_a_later_watch_event_is_no_sign_of_life(met):
    assert met.hear(UID, status(SMALLER, count=1), 0, WALL, version=7)
    assert met.hear(UID, status(SMALLER, count=2), 30, WALL, version=9)
    assert not met.hear(UID, status(SMALLER, count=1), 60, WALL, version=7)
    assert not met.hear(UID, status(SMALLER, count=2), 90, WALL, version=9)
    assert met.stance(UID, 120) is Stance.ALONE


def test_the_smaller_name_goes_on_then_asks_then_is_alone(met):
    met.hear(UID, status(LARGER), 0, WALL)
    assert met.stance(UID, 299) is Stance.CONTESTED
    assert met.stance(UID, 300) is Stance.ASKING
    assert met.stance(UID, 330) is Stance.ALONE


def test_one_that_yields_to_a_smaller_name_does_so_whatever_larger_ones_write(met):
    met.hear(UID, status(SMALLER), 0, WALL)
    met.hear(UID, status(LARGER), 60, WALL)
    assert met.stance(UID, 89) is Stance.YIELDS
    assert met.rival(UID) == SMALLER
    assert met.stance(UID, 90) is Stance.CONTESTED


@pytest.mark.parametrize("name", [SMALLER, LARGER])
@pytest.mark.parametrize("renewed", [None, WALL - timedelta(days=3), WALL - timedelta(seconds=90)])
def test_an_owner_of_long_ago_is_no_obstacle(ownership, name, renewed):
    assert not ownership.hear(UID, status(name, renewed=renewed), 0, WALL)
    assert ownership.stance(UID, 0) is Stance.ALONE


def test_an_owner_of_long_ago_that_writes_again_is_alive(ownership):
    ownership.hear(UID, status(SMALLER, count=1), 0, WALL)
    assert not ownership.hear(UID, status(SMALLER, count=1), 1, WALL)
    assert ownership.hear(UID, status(SMALLER, count=2), 2, WALL)
    assert ownership.stance(UID, 2) is Stance.YIELDS


def test_a_sign_that_was_there_before_us_counts_from_when_it_was_given(ownership):
    assert ownership.hear(UID, status(SMALLER, renewed=WALL - timedelta(seconds=40)), 0, WALL)
    assert ownership.stance(UID, 49) is Stance.YIELDS
    assert ownership.stance(UID, 50) is Stance.ALONE


def test_a_writer_whose_clock_is_ahead_gets_its_time_from_when_it_was_seen(ownership):
    assert ownership.hear(UID, status(SMALLER, renewed=WALL + timedelta(seconds=60)), 0, WALL)
    assert ownership.stance(UID, 90) is Stance.ALONE


def test_silence_of_the_api_server_gives_the_other_one_more_time(met):
    met.hear(UID, status(SMALLER), 0, WALL)
    met.postpone([UID], 100)
    assert met.stance(UID, 129) is Stance.YIELDS
    assert met.stance(UID, 130) is Stance.ALONE


def test_what_went_is_forgotten(met):
    met.hear(UID, status(SMALLER), 0, WALL)
    met.forget(UID)
    assert met.uids() == []
    assert met.stance(UID, 0) is Stance.ALONE
