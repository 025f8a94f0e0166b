"""The lines in syslog of every built-in kind, word by word as the programs of Debian 12 wrote them."""

import re

import pytest

from audit_event_operator.events.canonical import Pattern, Variable
from audit_event_operator.events.catalogue import SCRIPTED, built_in
from audit_event_operator.events.syslog_lines import LINES, SYSLOG_VARIABLES, pid_of, render, text_of
from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES

ALL = [(name, line) for name, lines in LINES.items() for line in lines]
LOCAL = {"client_ip": "127.0.0.1", "host": "prod-web-01", "tty": "pts/0"}
ALICE = {**LOCAL, "user": "alice", "uid": 1001}
BOB = {**LOCAL, "user": "bob", "uid": 1002}

WRITTEN = {
    "user_login_failure": (
        {**ALICE, "port": 38008},
        25663,
        (
            "<85>sshd[25663]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
            "rhost=127.0.0.1  user=alice"
        ),
        "<38>sshd[25663]: Failed password for alice from 127.0.0.1 port 38008 ssh2",
        "<38>sshd[25663]: Connection closed by authenticating user alice 127.0.0.1 port 38008 [preauth]",
    ),
    "user_login_success": (
        {**ALICE, "port": 49382},
        26603,
        "<38>sshd[26603]: Accepted password for alice from 127.0.0.1 port 49382 ssh2",
        "<86>sshd[26603]: pam_unix(sshd:session): session opened for user alice(uid=1001) by (uid=0)",
    ),
    "sudo_command": (
        {**ALICE, "command": "/usr/bin/tail -n 1 /var/log/apt/history.log"},
        1,
        (
            "<85>sudo:    alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/tail -n 1 "
            "/var/log/apt/history.log"
        ),
        "<86>sudo: pam_unix(sudo:session): session opened for user root(uid=0) by (uid=1001)",
        "<86>sudo: pam_unix(sudo:session): session closed for user root",
    ),
    "user_logout": (
        {**ALICE, "port": 49382},
        26603,
        "<38>sshd[26609]: Received disconnect from 127.0.0.1 port 49382:11: disconnected by user",
        "<38>sshd[26609]: Disconnected from user alice 127.0.0.1 port 49382",
        "<86>sshd[26603]: pam_unix(sshd:session): session closed for user alice",
    ),
    "login_publickey": (
        {**ALICE, "port": 49406, "fingerprint": "pytyQHcJeycUWv/zLDDB9nq51/MI4pGqIvYkWAq/1XA"},
        26634,
        (
            "<38>sshd[26634]: Accepted publickey for alice from 127.0.0.1 port 49406 ssh2: ED25519 "
            "SHA256:pytyQHcJeycUWv/zLDDB9nq51/MI4pGqIvYkWAq/1XA"
        ),
        "<86>sshd[26634]: pam_unix(sshd:session): session opened for user alice(uid=1001) by (uid=0)",
    ),
    "login_unknown_user": (
        {**LOCAL, "user": "oracle", "port": 38016},
        25720,
        "<38>sshd[25720]: Invalid user oracle from 127.0.0.1 port 38016",
        "<85>sshd[25720]: pam_unix(sshd:auth): check pass; user unknown",
        (
            "<85>sshd[25720]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
            "rhost=127.0.0.1 "
        ),
        "<38>sshd[25720]: Failed password for invalid user oracle from 127.0.0.1 port 38016 ssh2",
        "<38>sshd[25720]: Connection closed by invalid user oracle 127.0.0.1 port 38016 [preauth]",
    ),
    "login_too_many": (
        {**BOB, "port": 58242},
        26164,
        (
            "<85>sshd[26164]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
            "rhost=127.0.0.1  user=bob"
        ),
        *["<38>sshd[26164]: Failed password for bob from 127.0.0.1 port 58242 ssh2"] * 6,
        (
            "<35>sshd[26164]: error: maximum authentication attempts exceeded for bob from 127.0.0.1 port 58242 ssh2 "
            "[preauth]"
        ),
        (
            "<38>sshd[26164]: Disconnecting authenticating user bob 127.0.0.1 port 58242: Too many authentication failures "
            "[preauth]"
        ),
        (
            "<85>sshd[26164]: PAM 5 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=127.0.0.1  "
            "user=bob"
        ),
        "<85>sshd[26164]: PAM service(sshd) ignoring max retries; 6 > 3",
    ),
    "connection_probe": (
        {**LOCAL, "port": 49428},
        26649,
        "<35>sshd[26649]: error: kex_exchange_identification: Connection closed by remote host",
        "<38>sshd[26649]: Connection closed by 127.0.0.1 port 49428",
    ),
    "password_changed": (
        {**LOCAL, "user": "newuser"},
        26885,
        "<85>passwd[26885]: pam_unix(passwd:chauthtok): password changed for newuser",
    ),
    "account_locked": ({"account": "newuser"}, 26891, "<86>usermod[26891]: lock user 'newuser' password"),
    "account_deleted": (
        {"account": "newuser"},
        26906,
        "<86>userdel[26906]: delete user 'newuser'",
        "<86>userdel[26906]: removed group 'newuser' owned by 'newuser'",
        "<86>userdel[26906]: removed shadow group 'newuser' owned by 'newuser'",
    ),
    "shell_changed": (
        {"account": "newuser", "shell": "/usr/sbin/nologin"},
        26898,
        "<86>usermod[26898]: change user 'newuser' shell from '/bin/sh' to '/usr/sbin/nologin'",
    ),
    "expiry_changed": ({"account": "newuser"}, 26887, "<86>chage[26887]: changed password expiry for newuser"),
    "group_created": (
        {"team": "devops", "gid": 1001},
        25614,
        "<86>groupadd[25614]: group added to /etc/group: name=devops, GID=1001",
        "<86>groupadd[25614]: group added to /etc/gshadow: name=devops",
        "<86>groupadd[25614]: new group: name=devops, GID=1001",
    ),
    "group_deleted": (
        {"team": "ops"},
        26919,
        "<86>groupdel[26919]: group 'ops' removed from /etc/group",
        "<86>groupdel[26919]: group 'ops' removed from /etc/gshadow",
        "<86>groupdel[26919]: group 'ops' removed",
    ),
    "group_member_added": (
        {"account": "bob", "group": "sudo"},
        26925,
        "<86>gpasswd[26925]: user bob added by root to group sudo",
    ),
    "group_member_removed": (
        {"account": "bob", "group": "sudo"},
        26931,
        "<86>gpasswd[26931]: user bob removed by root from group sudo",
    ),
}
"""Values, the process, and what a Debian 12 wrote to syslog then (the time and host are left out)."""

ON_A_TERMINAL = {
    "sudo_failed": (
        {**ALICE, "command": "/usr/bin/apt update"},
        (
            "<85>sudo: pam_unix(sudo:auth): authentication failure; logname= uid=1001 euid=0 tty= ruser=alice rhost=  "
            "user=alice"
        ),
        "<81>sudo:    alice : 3 incorrect password attempts ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/apt update",
    ),
    "sudo_denied": (
        {**BOB, "command": "/bin/cat /etc/shadow"},
        "<81>sudo:      bob : user NOT in sudoers ; PWD=/home/bob ; USER=root ; COMMAND=/bin/cat /etc/shadow",
    ),
    "su_failure": (
        ALICE,
        "<85>su: pam_unix(su:auth): authentication failure; logname= uid=1001 euid=0 tty= ruser=alice rhost=  user=root",
        "<37>su[26785]: FAILED SU (to root) alice on none",
    ),
}
"""What Debian 12 wrote where there was no terminal; the catalogue's users have one."""


def rendered(name, values, pid):
    return [render(line, values, pid) for line in LINES[name]]


def variables(line):
    return {piece.name for piece in line.text.pieces if isinstance(piece, Variable)}


def own_variables(name):
    event = built_in(name).event
    texts = [event.user_id, *event.details.values()]
    pieces = [piece for text in texts for piece in (text.pieces if isinstance(text, Pattern) else (text,))]
    return {piece.name for piece in pieces if isinstance(piece, Variable)}


def test_every_built_in_kind_has_lines_and_no_other_has():
    assert tuple(LINES) == (*BUILT_IN_TEMPLATES, *SCRIPTED)
    assert all(LINES.values())


@pytest.mark.parametrize("name", BUILT_IN_TEMPLATES)
def test_detectors_read_exactly_one_line_of_a_kind(name):
    assert [line.detected for line in LINES[name]].count(True) == 1


@pytest.mark.parametrize("name", WRITTEN)
def test_the_lines_are_those_that_the_programs_wrote(name):
    values, pid, *expected = WRITTEN[name]
    assert rendered(name, values, pid) == expected


@pytest.mark.parametrize("name", ON_A_TERMINAL)
def test_the_terminal_is_all_that_differs_from_what_the_programs_wrote_without_one(name):
    values, *expected = ON_A_TERMINAL[name]
    without = [
        line.replace("TTY=pts/0 ; ", "").replace("tty=/dev/pts/0", "tty=").replace(" on pts/0", " on none")
        for line in rendered(name, values, 26785)
    ]
    assert without == expected


def test_an_account_is_made_in_the_words_of_useradd():
    values = {"suffix": "0a1b2c", "uid": 1001, "gid": 1002, "group": "sudo"}
    named_alice = [line.replace("new_user_0a1b2c", "alice") for line in rendered("user_account_created", values, 25620)]
    assert named_alice == [
        "<86>useradd[25620]: new group: name=alice, GID=1002",
        "<86>useradd[25620]: new user: name=alice, UID=1001, GID=1002, home=/home/alice, shell=/bin/sh, from=none",
        "<86>useradd[25620]: add 'alice' to group 'sudo'",
        "<86>useradd[25620]: add 'alice' to shadow group 'sudo'",
    ]


def test_the_shell_that_an_account_had_is_the_one_that_it_was_made_with():
    made, changed = LINES["user_account_created"][1], LINES["shell_changed"][0]
    assert "shell=/bin/sh," in "".join(map(str, made.text.pieces))
    assert "from '/bin/sh' to" in "".join(map(str, changed.text.pieces))


def test_becoming_root_names_who_did_it_and_where():
    assert rendered("su_success", BOB, 26860) == [
        "<37>su[26860]: (to root) bob on pts/0",
        "<86>su[26860]: pam_unix(su:session): session opened for user root(uid=0) by (uid=1002)",
    ]


def test_services_are_systemds_whose_process_is_always_the_first():
    service = {"service": "nginx.service"}
    assert rendered("service_started", service, 4711) == [
        "<30>systemd[1]: Starting nginx.service...",
        "<30>systemd[1]: Started nginx.service.",
    ]
    assert rendered("service_stopped", service, 4711) == [
        "<30>systemd[1]: Stopping nginx.service...",
        "<30>systemd[1]: nginx.service: Deactivated successfully.",
        "<30>systemd[1]: Stopped nginx.service.",
    ]
    assert rendered("service_failed", service, 4711) == [
        "<29>systemd[1]: nginx.service: Main process exited, code=exited, status=1/FAILURE",
        "<28>systemd[1]: nginx.service: Failed with result 'exit-code'.",
    ]


def test_the_child_of_cron_says_what_it_runs():
    assert rendered("cron_job", {"user": "backup", "uid": 1034, "job": "/usr/bin/certbot -q renew"}, 700) == [
        "<86>CRON[700]: pam_unix(cron:session): session opened for user backup(uid=1034) by (uid=0)",
        "<78>CRON[701]: (backup) CMD (/usr/bin/certbot -q renew)",
        "<86>CRON[700]: pam_unix(cron:session): session closed for user backup",
    ]


@pytest.mark.parametrize(
    "name, values, expected",
    [
        (
            "file_modified",
            {"file": "/etc/motd"},
            (
                "<132>ossec: Alert Level: 7; Rule: 550 - Integrity checksum changed.; Location: prod-web-01->syscheck; "
                "classification: ossec,syscheck,; Integrity checksum changed for: '/etc/motd'"
            ),
        ),
        (
            "log_cleared",
            {"log": "/var/log/syslog"},
            (
                "<132>ossec: Alert Level: 8; Rule: 592 - Log file size reduced.; Location: prod-web-01->ossec-logcollector; "
                "classification: ossec,attacks,; ossec: File size reduced (inode remained): '/var/log/syslog'."
            ),
        ),
        (
            "key_added",
            {},
            (
                "<132>ossec: Alert Level: 7; Rule: 550 - Integrity checksum changed.; Location: prod-web-01->syscheck; "
                "classification: ossec,syscheck,; Integrity checksum changed for: '/home/alice/.ssh/authorized_keys'"
            ),
        ),
        (
            "firewall_changed",
            {"rule": "deny in 23/tcp"},
            "<85>sudo:    alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/sbin/ufw deny in 23/tcp",
        ),
        ("package_installed", {"package": "jq"}, "<133>apt: Commandline: apt-get install -y jq"),
        (
            "database_export",
            {"database": "payroll"},
            "<134>postgres[9]: [4-1] LOG:  connection authorized: user=alice database=payroll application_name=pg_dump",
        ),
        (
            "backup_finished",
            {"backup": "etc"},
            "<14>borgmatic: INFO /etc/borgmatic.d/etc.yaml: Successfully ran configuration file",
        ),
    ],
)
def test_what_no_program_of_a_plain_debian_says_is_in_the_words_of_a_real_tool(name, values, expected):
    [detected] = [line for line in LINES[name] if line.detected]
    assert render(detected, ALICE | values, 9) == expected


@pytest.mark.parametrize("name, line", ALL)
def test_a_text_has_no_control_character_and_no_variable_that_nobody_knows(name, line):
    fixed = [piece for piece in line.text.pieces if isinstance(piece, str)]
    assert all(piece.isascii() and piece.isprintable() and "$" not in piece for piece in fixed)
    assert variables(line) <= own_variables(name) | SYSLOG_VARIABLES


@pytest.mark.parametrize("name, line", ALL)
def test_tags_and_priorities_are_such_as_syslog_knows(name, line):
    assert re.fullmatch("[A-Za-z][A-Za-z-]*", line.program)
    assert line.program != "sshd-session"
    assert 0 <= line.priority <= 191
    assert line.pid or not line.child


def test_the_one_trailing_space_is_that_of_pam_for_an_unknown_user():
    values = dict.fromkeys(set().union(*(variables(line) for _, line in ALL)) | {"user"}, "x")
    trailing = [(name, text_of(line, values)) for name, line in ALL if text_of(line, values).endswith(" ")]
    assert [name for name, _ in trailing] == ["login_unknown_user"]
    assert trailing[0][1].endswith("ruser= rhost=x ")


def test_pam_writes_two_spaces_before_the_user_who_failed():
    failures = [line for _, line in ALL if "authentication failure" in str(line.text) and "rhost" in str(line.text)]
    texts = [text_of(line, {**ALICE, "port": 1024}) for line in failures]
    assert len([text for text in texts if re.search(r"rhost=\S*  user=\S+$", text)]) == len(texts) - 1


@pytest.mark.parametrize(
    "user, written",
    [("bob", "     bob"), ("engineer", "engineer"), ("devops_admin", "devops_admin")],
)
def test_sudo_aligns_users_to_eight_columns(user, written):
    line = LINES["sudo_denied"][0]
    assert text_of(line, {**ALICE, "user": user, "command": "/usr/bin/id"}).startswith(f"{written} : user NOT")


def test_sudo_bears_no_process_number():
    [line] = LINES["sudo_denied"]
    assert pid_of(line, 77) is None
    assert render(line, {**ALICE, "command": "/usr/bin/id"}, 77).startswith("<81>sudo: ")


@pytest.mark.parametrize("missing, kind", [("port", "user_login_failure"), ("user", "sudo_command")])
def test_a_value_that_is_missing_is_named(missing, kind):
    values = {**ALICE, "port": 1024, "command": "/usr/bin/id"}
    del values[missing]
    line = next(line for line in LINES[kind] if line.detected)
    with pytest.raises(KeyError, match=f"needs a value for '{missing}'"):
        render(line, values, 1)


def test_a_kind_that_is_not_built_in_has_no_lines():
    with pytest.raises(KeyError):
        LINES["my_own"]
