"""Lines of the system log: each kind has them, and they are those that the real programs wrote."""

import re

import pytest

from audit_event_operator.events.canonical import Variable
from audit_event_operator.events.catalogue import CATALOGUE
from audit_event_operator.events.compiled import variables_of
from audit_event_operator.events.syslog_lines import LINES, OWN_VARIABLES, render
from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES

VALUES = {
    "user": "alice", "user_in_8_columns": f"{'alice':>8}", "host": "web", "client_ip": "127.0.0.1", "port": 38008, "uid": 1001,
    "gid": 1004, "tty": "pts/0", "unknown_user": "oracle", "command": "/usr/bin/id", "account": "newuser", "team": "ops",
    "group": "sudo", "shell": "/usr/sbin/nologin", "fingerprint": "pytyQHcJeycUWv/zLDDB9nq51/MI4pGqIvYkWAq/1XA",
}  # fmt: skip

REFUSED = (
    "<85>sshd[7]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=127.0.0.1"
)

REAL = {
    "user_login_failure": [
        f"{REFUSED}  user=alice",
        "<38>sshd[7]: Failed password for alice from 127.0.0.1 port 38008 ssh2",
        "<38>sshd[7]: Connection closed by authenticating user alice 127.0.0.1 port 38008 [preauth]",
    ],
    "user_login_success": [
        "<38>sshd[7]: Accepted password for alice from 127.0.0.1 port 38008 ssh2",
        "<86>sshd[7]: pam_unix(sshd:session): session opened for user alice(uid=1001) by (uid=0)",
    ],
    "login_unknown_user": [
        "<38>sshd[7]: Invalid user oracle from 127.0.0.1 port 38008",
        "<85>sshd[7]: pam_unix(sshd:auth): check pass; user unknown",
        f"{REFUSED} ",
        "<38>sshd[7]: Failed password for invalid user oracle from 127.0.0.1 port 38008 ssh2",
        "<38>sshd[7]: Connection closed by invalid user oracle 127.0.0.1 port 38008 [preauth]",
    ],
    "login_too_many": [
        "<35>sshd[7]: error: maximum authentication attempts exceeded for alice from 127.0.0.1 port 38008 ssh2 [preauth]",
        "<38>sshd[7]: Disconnecting authenticating user alice 127.0.0.1 port 38008: Too many authentication failures [preauth]",
    ],
    "login_publickey": [
        f"<38>sshd[7]: Accepted publickey for alice from 127.0.0.1 port 38008 ssh2: ED25519 SHA256:{VALUES['fingerprint']}",
        "<86>sshd[7]: pam_unix(sshd:session): session opened for user alice(uid=1001) by (uid=0)",
    ],
    "user_logout": [
        "<38>sshd[7]: Received disconnect from 127.0.0.1 port 38008:11: disconnected by user",
        "<38>sshd[7]: Disconnected from user alice 127.0.0.1 port 38008",
        "<86>sshd[7]: pam_unix(sshd:session): session closed for user alice",
    ],
    "connection_probe": [
        "<35>sshd[7]: error: kex_exchange_identification: Connection closed by remote host",
        "<38>sshd[7]: Connection closed by 127.0.0.1 port 38008",
    ],
    "sudo_command": [
        "<85>sudo:    alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id",
        "<86>sudo: pam_unix(sudo:session): session opened for user root(uid=0) by (uid=1001)",
        "<86>sudo: pam_unix(sudo:session): session closed for user root",
    ],
    "sudo_denied": [
        "<81>sudo:    alice : user NOT in sudoers ; TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id",
    ],
    "password_changed": ["<85>passwd[7]: pam_unix(passwd:chauthtok): password changed for alice"],
    "account_locked": ["<86>usermod[7]: lock user 'newuser' password"],
    "account_deleted": [
        "<86>userdel[7]: delete user 'newuser'",
        "<86>userdel[7]: removed group 'newuser' owned by 'newuser'",
        "<86>userdel[7]: removed shadow group 'newuser' owned by 'newuser'",
    ],
    "shell_changed": ["<86>usermod[7]: change user 'newuser' shell from '/bin/sh' to '/usr/sbin/nologin'"],
    "expiry_changed": ["<86>chage[7]: changed password expiry for newuser"],
    "group_created": [
        "<86>groupadd[7]: group added to /etc/group: name=ops, GID=1004",
        "<86>groupadd[7]: group added to /etc/gshadow: name=ops",
        "<86>groupadd[7]: new group: name=ops, GID=1004",
    ],
    "group_deleted": [
        "<86>groupdel[7]: group 'ops' removed from /etc/group",
        "<86>groupdel[7]: group 'ops' removed from /etc/gshadow",
        "<86>groupdel[7]: group 'ops' removed",
    ],
    "group_member_added": ["<86>gpasswd[7]: user newuser added by root to group sudo"],
    "group_member_removed": ["<86>gpasswd[7]: user newuser removed by root from group sudo"],
}


@pytest.mark.parametrize("name", REAL)
def test_the_lines_are_those_of_the_real_programs(name):
    assert [render(line, VALUES, 7) for line in LINES[name]] == REAL[name]


@pytest.mark.parametrize("name", BUILT_IN_TEMPLATES)
def test_every_kind_has_lines_of_which_detectors_read_one(name):
    assert sum(line.detected for line in LINES[name]) == 1
    known = {*variables_of(CATALOGUE[name].event), *OWN_VARIABLES}
    for line in LINES[name]:
        assert {piece.name for piece in line.text.pieces if isinstance(piece, Variable)} <= known
        texts = "".join(piece for piece in line.text.pieces if isinstance(piece, str))
        assert not re.search(r"[\x00-\x1f$]", texts)
        assert 0 <= line.priority < 192


def test_there_are_lines_for_nothing_else():
    assert tuple(LINES) == BUILT_IN_TEMPLATES


def test_a_missing_value_is_named():
    with pytest.raises(KeyError, match="client_ip"):
        render(LINES["user_logout"][0], {"port": 1}, 7)
