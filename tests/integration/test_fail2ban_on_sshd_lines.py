"""The real fail2ban of Debian reads the lines of the built-in kinds: it bans attackers, and nobody else."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from audit_event_operator.events.mix import weights_of
from audit_event_operator.events.syslog_lines import LINES, render
from audit_event_operator.resource.spec import Activity, parse_spec
from audit_event_operator.world.cast import WorldCast
from audit_event_operator.world.hours import LocalTime
from audit_event_operator.world.world import World
from support.parts.fail2ban import Fail2ban
from support.parts.fail2ban_past import read_by_fail2ban

ATTACKERS = {
    "203.0.113.7": "user_login_failure",
    "198.51.100.23": "login_unknown_user",
    "203.0.113.99": "login_too_many",
}
"""Whose attempts are of which kind."""
LAST_ATTACKER = "203.0.113.200"
"""Comes when all the others have gone: once it is banned, everything has been read."""
MAX_RETRY = 5
PEOPLE = 40
HOST = "prod-web-01"
START_SECONDS = 1_767_606_000
"""A Monday morning."""


def what_happens() -> Iterator[tuple[str, str, str]]:
    """Kind, user and address: people who work and mistype, strangers who try once, and attackers among them."""
    for number in range(PEOPLE):
        user, address = f"user{number:02}", f"10.1.0.{number + 1}"
        yield from [("user_login_failure", user, address)] * (number % 3)
        yield "user_login_success" if number % 2 else "login_publickey", user, address
        yield "sudo_command", user, address
        yield "sudo_failed", user, address
        yield "user_logout", user, address
        yield "user_login_failure", "root", f"192.0.2.{number + 1}"
        yield "login_unknown_user", "oracle", f"192.0.2.{number + 101}"
        yield "connection_probe", "unknown", f"192.0.2.{number + 201}"
        if number < MAX_RETRY:
            yield from ((kind, "admin", attacker) for attacker, kind in ATTACKERS.items())
    yield from [("user_login_failure", "root", LAST_ATTACKER)] * MAX_RETRY


def users_who_behave() -> Iterator[tuple[str, str, str]]:
    """500 s of a stream with as many failed logins as quiet allows, and the last attacker."""
    mix = {
        "user_login_failure": 10,
        "login_unknown_user": 3,
        "login_too_many": 1,
        "user_login_success": 15,
        "user_logout": 15,
    }
    spec = parse_spec({"activity": "Sessions", "eventMix": mix})
    world = World(WorldCast(spec.entities, 11), weights_of(mix, Activity.SESSIONS), LocalTime(UTC), fresh=True)
    for second in range(500):
        happened = world.happen(second, (START_SECONDS + second) * 10**9)
        yield happened.kind, happened.user, str(happened.values["client_ip"])
    yield from [("user_login_failure", "root", LAST_ATTACKER)] * MAX_RETRY


def written(events: list[tuple[str, str, str]], *, only_detected: bool) -> Iterator[str]:
    """The lines of them as a file of syslog has them, one event a second until now."""
    at = datetime.now(UTC) - timedelta(seconds=len(events))
    pids, ports = count(2000, 10), count(30_000)
    for kind, user, address in events:
        at += timedelta(seconds=1)
        pid = next(pids)
        values = {
            "user": user, "client_ip": address, "port": next(ports), "uid": 1001, "tty": "pts/0",
            "command": "/usr/bin/apt update", "fingerprint": "pytyQHcJeycUWv/zLDDB9nq51/MI4pGqIvYkWAq/1XA",
        }  # fmt: skip
        for line in LINES[kind]:
            if line.detected or not only_detected:
                said = render(line, values, pid).partition(">")[2]
                yield f"{at:%b} {at.day:2} {at:%H:%M:%S} {HOST} {said}\n"


@pytest.mark.parametrize(
    "only_detected, failures_of",
    [
        pytest.param(
            True, {"user_login_failure": 1, "login_unknown_user": 1, "login_too_many": 1}, id="one line an event"
        ),
        # of an unknown user it counts two lines, of too many attempts each of the six and the end
        pytest.param(False, {"user_login_failure": 1, "login_unknown_user": 2, "login_too_many": 7}, id="every line"),
    ],
)
def test_exactly_the_attackers_are_banned(tmp_path, only_detected, failures_of) -> None:
    log = tmp_path / "auth.log"
    log.write_text("".join(written(list(what_happens()), only_detected=only_detected)))
    with Fail2ban(tmp_path, log, max_retry=MAX_RETRY) as fail2ban:
        fail2ban.wait_for_ban(LAST_ATTACKER)
        assert sorted(fail2ban.banned) == sorted([*ATTACKERS, LAST_ATTACKER])

        counted: Counter[str] = Counter()
        for kind, _, address in what_happens():
            counted[address] += failures_of.get(kind, 0)
        assert fail2ban.failures == +counted

    past = read_by_fail2ban(log, tmp_path / "past", datetime.now(UTC))
    assert past.banned == set(fail2ban.banned), "what judges the past sees the same"
    assert past.failures == fail2ban.failures.total()


def test_of_users_who_behave_none_is_banned(tmp_path) -> None:
    log, events = tmp_path / "auth.log", list(users_who_behave())
    log.write_text("".join(written(events, only_detected=True)))
    with Fail2ban(tmp_path, log, max_retry=MAX_RETRY) as fail2ban:
        fail2ban.wait_for_ban(LAST_ATTACKER)
        assert fail2ban.banned == [LAST_ATTACKER]
        assert fail2ban.failures.total() > 100
