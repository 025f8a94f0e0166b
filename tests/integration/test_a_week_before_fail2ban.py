"""A week of a fleet, written by `generate`, received by a real rsyslog, read by a real fail2ban.

It bans the attackers of the ground truth, and nobody else.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from support.formats.received import rsyslog_faults
from support.parts.fail2ban_past import Ban, Past, read_by_fail2ban
from support.parts.rsyslog import Rsyslog

START = datetime(2026, 1, 5, tzinfo=UTC)
ATTACKS = [
    {"name": "guess", "type": "BruteForce", "every": "6h", "startAfter": "1h"},
    {"name": "spray", "type": "PasswordSpray", "every": "12h", "startAfter": "2h"},
    {"name": "names", "type": "UserEnumeration", "every": "6h", "startAfter": "3h"},
    {"name": "takeover", "type": "AccountTakeover", "every": "8h", "startAfter": "4h"},
]
"""Those that sshd's log shows, by their failures."""
OTHERS = [
    {"name": "escalation", "type": "PrivilegeEscalation", "every": "12h", "startAfter": "5h"},
    {"name": "lateral", "type": "LateralMovement", "every": "12h", "startAfter": "6h"},
    {"name": "mistyped", "type": "MistypedPassword", "every": "1h", "startAfter": "10m"},
    {"name": "release", "type": "DeploymentBurst", "every": "4h", "startAfter": "30m"},
]
"""Attacks that nobody tells by failed logins, and what is harmless."""
BANNED_FOR = {each["type"] for each in ATTACKS}


class Written(NamedTuple):
    """What `generate` wrote."""

    lines: list[bytes]
    records: list[dict[str, Any]]

    @property
    def attackers(self) -> set[str]:
        """The addresses of the attacks that fail2ban should see."""
        return {address for each in self.records if each["type"] in BANNED_FOR for address in each["clientIps"]}


def generated(folder: Path, hours: int, scenarios: Sequence[dict[str, str]], chosen: str = "Syslog") -> Written:
    """200 users and 40 hosts, an event every five seconds on average, and what happens to them."""
    resource = {
        "apiVersion": "auditflow.jojees.net/v1alpha1",
        "kind": "AuditEventGenerator",
        "metadata": {"name": "fleet"},
        "spec": {
            "format": chosen, "interval": "5s", "activity": "Sessions", "randomSeed": 12,
            "traffic": {"arrival": "Poisson"}, "entities": {"users": {"count": 200}, "hosts": {"count": 40}},
            "scenarios": list(scenarios),
        },
    }  # fmt: skip
    (folder / "fleet.yaml").write_text(yaml.safe_dump(resource))
    subprocess.run(
        [
            Path(sys.executable).with_name("audit-event-operator"), "generate", "-f", folder / "fleet.yaml",
            "--from", START.date().isoformat(), "--for", f"{hours}h",
            "--out", folder / "fleet.log", "--truth", folder / "truth.jsonl",
        ],
        check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    records = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
    return Written((folder / "fleet.log").read_bytes().splitlines(), records)


def received(folder: Path, written: Written, logs: Sequence[str] = ("since Debian 12", "before")) -> dict[str, Past]:
    """What fail2ban makes of the files that rsyslog writes in its newer and its older way, after it read every byte."""
    with Rsyslog(folder) as rsyslog:
        assert rsyslog_faults(written.lines, rsyslog.receive(written.lines)) == []
    files = {"since Debian 12": rsyslog.log, "before": rsyslog.traditional_log}
    return {kind: read_by_fail2ban(files[kind], folder / kind, START) for kind in logs}


@pytest.mark.parametrize(
    "count, every_seconds, banned",
    [(5, 1, True), (5, 149, True), (4, 1, False), (5, 200, False)],
    ids=["five at once", "five in ten minutes", "four", "five in a quarter of an hour"],
)
def test_fail2ban_judges_the_past_by_its_own_thresholds(tmp_path, count, every_seconds, banned) -> None:
    log = tmp_path / "auth.log"
    times = [START + timedelta(seconds=number * every_seconds) for number in range(count)]
    said = "prod-web-01 sshd[300]: Failed password for alice from 203.0.113.7 port 4711 ssh2"
    log.write_text("".join(f"{at.isoformat()} {said}\n" for at in times))
    past = read_by_fail2ban(log, tmp_path / "fail2ban", START)
    expected = [Ban("203.0.113.7", times[-1].timestamp(), count)] if banned else []
    assert past == Past(lines=count, failures=count, bans=expected)


def test_of_a_week_exactly_the_attackers_are_banned(tmp_path) -> None:
    written = generated(tmp_path, 7 * 24, ATTACKS + OTHERS)
    episodes = Counter(record["type"] for record in written.records)
    assert set(episodes) == {each["type"] for each in ATTACKS + OTHERS}
    assert len(written.lines) > 120_000
    assert len(written.attackers) == sum(episodes[each] for each in BANNED_FOR) > 80
    [past] = received(tmp_path, written, logs=["since Debian 12"]).values()
    assert past.lines == len(written.lines)
    assert past.banned == written.attackers


def test_where_nobody_guesses_passwords_nobody_is_banned_though_people_fail(tmp_path) -> None:
    written = generated(tmp_path, 48, OTHERS)
    for past in received(tmp_path, written).values():
        assert past.banned == set()
        assert past.failures > 300


def test_with_every_line_that_the_programs_write_they_are_the_same(tmp_path) -> None:
    written = generated(tmp_path, 24, ATTACKS + OTHERS, "SyslogFull")
    assert len(written.attackers) >= 10
    for past in received(tmp_path, written).values():
        assert past.banned == written.attackers
