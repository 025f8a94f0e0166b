"""docs/formats.md is generated from the layouts; this file, run as a program, writes it."""

import json
from pathlib import Path

from audit_event_operator.events.catalogue import CATALOGUE, in_session
from audit_event_operator.events.compiled import variables_of
from audit_event_operator.events.drawn import DRAWN, Hex
from audit_event_operator.events.factory import Slot
from audit_event_operator.events.layouts.chosen import layout_of, source_of
from audit_event_operator.events.occurrences import Occurrence, OccurrenceWriter
from audit_event_operator.resource.formats import Format
from audit_event_operator.resource.spec import parse_spec

PAGE = Path(__file__).parents[3] / "docs" / "formats.md"

HEAD = """# Formats

`spec.format` says how events are written. All formats are renderings of the same events: users, hosts, times, ids,
scenarios and their ground truth do not depend on it. A change takes effect with the next event; nobody is logged out, and
the sequence goes on. `POST /generate_event?generator=namespace/name` writes in the format of that generator.

| format | follows | content type |
|---|---|---|
| Json | the seed service | {Json} |
| CloudEvents | CloudEvents 1.0, structured mode, JSON | {CloudEvents} |
| ECS | Elastic Common Schema 9.0 | {ECS} |
| OCSF | Open Cybersecurity Schema Framework 1.3 with its host profile | {OCSF} |
| CEF | ArcSight Common Event Format, CEF:0 | {CEF} |
| Syslog | RFC 5424, the one line that detectors read | {Syslog} |
| SyslogFull | RFC 5424, every line that the program writes, joined by LF | {SyslogFull} |

The AMQP properties stay what they are: `message_id` is the event's id, `type` its event_type. The header `x-aeg-truth` is
the same in all formats.

Every built-in event type has a mapping of its own. Your own event types (`spec.eventTypes`) and posted events have a
generic one, whatever they are called: the base class of OCSF (class 0), ECS without a category, event_type as the signature
of CEF, and in syslog the tag `audit` with the seed's JSON as the message. An action result that is none of the usual words
has the outcome `unknown` in ECS, status 99 in OCSF and no `outcome` in CEF.

## What is lost

- **Json, CloudEvents:** nothing.
- **ECS:** details without a field of their own become `labels`, as texts: numbers lose their type, dots in names become
  `_`, lists and objects become JSON. `event.severity` is 21, 47, 73 or 99, as Elastic's rules have it.
- **OCSF:** times have milliseconds. Details without an attribute are in `unmapped`. `device.hostname` has no `_`;
  `device.name` is exact. A process number that the class asks for is made up.
- **CEF:** times have milliseconds. Details without a key of the dictionary go to `cs1` to `cs5` and `cn1` to `cn3` with
  their labels, then to keys that begin with `auditflow`; the name of such a key has letters and digits only. `cs6` is the
  session. Lists and objects become JSON. Names longer than CEF's dictionary suggests are not cut.
- **Syslog, SyslogFull:** what the program does not write: event id, session, checksums, sizes, and why somebody failed. The
  event id is in `message_id`. Control characters become `#012` and the like, as rsyslog writes them. Host names are
  printable ASCII, with `_` for the rest. Texts are UTF-8 without a byte order mark. All lines of one event have the same
  time. A login at the console is written as sshd's. Ports, process numbers and user numbers are made up: the same for the
  same session, event or name.

In SyslogFull some detectors count a failed login two or three times, because sshd and PAM both say it. The numbers in
[scenarios](scenarios.md) are for Json, and for one line an event.

A receiver of syslog takes the lines as they are; each line of SyslogFull is a message. rsyslog cuts messages at 8 KiB
unless its `maxMessageSize` says otherwise: only event types of your own with long details come so far. Into its files
rsyslog writes no colon after the tag, and one leading space less; that is what fail2ban reads.
[On a laptop](how-to/detection-rules-on-a-laptop.md) you can try a detection rule on such lines.

Tests hold every event type in every format against its judge: OCSF's schemas, ECS's list of fields, the schema and the SDK
of CloudEvents, a grammar of CEF, and for syslog a real rsyslog, which has to read every byte as it was meant. A real
fail2ban reads a week of 200 users in rsyslog's files, and has to ban the attackers of the ground truth and nobody else
([decision 0018](decisions/0018-formats.md)). The examples below are generated: one for each event_type, and `payment`, an
event type of one's own.
"""

OWN = {
    "name": "payment", "severity": "WARNING", "actionResult": "FAILURE", "resource": "checkout",
    "details": {"ip_address": "${client_ip}", "customer": "${user}", "order": "order-${sequence}"},
}  # fmt: skip
SESSION = {
    "session_id": "4f1c2a9be07d", "client_ip": "10.4.7.21", "protocol": "ssh", "tty": "pts/1", "file": "/etc/nginx/nginx.conf",
    "severity": "WARNING", "command": "/usr/bin/systemctl status nginx",
}  # fmt: skip
AT_NS = 1_767_604_200_123_456_000


def kinds():
    """One for each event_type."""
    found = {}
    for name, kind in CATALOGUE.items():
        found.setdefault(kind.event.event_type, name)
    return [*found.values(), OWN["name"]]


def values_of(name):
    if name == OWN["name"]:
        return {"client_ip": SESSION["client_ip"]}
    return {
        each: SESSION.get(each, first_of(DRAWN[each]) if each in DRAWN else "")
        for each in variables_of(in_session(name))
    }


def first_of(choices):
    return f"{2**31 // 3:08x}"[: choices.digits] if isinstance(choices, Hex) else choices[0]


def example(chosen, name, number):
    layout = layout_of(chosen, source_of("team-a", "logins"))
    own = parse_spec({"eventTypes": [OWN]}).event_types
    writer = OccurrenceWriter(own, layout=layout, entropy=lambda count: bytes([number + 1]) * count)
    happened = Occurrence(name, "alice", "prod-web-01", "generated", values_of(name))
    (event,) = writer.write([Slot(number, AT_NS)], [happened])
    return event


def render():
    content_types = {chosen.value: f"`{example(chosen, 'user_logout', 0).content_type}`" for chosen in Format}
    text = HEAD.format(**content_types)
    for chosen in Format:
        text += f"\n## {chosen.value}\n"
        in_json = chosen not in (Format.CEF, Format.SYSLOG, Format.SYSLOG_FULL)
        bodies = [example(chosen, name, number).body.decode() for number, name in enumerate(kinds())]
        if in_json:
            text += f"\n```json\n{json.dumps(json.loads(bodies[0]), indent=2)}\n```\n\nThe others, one a line:\n"
            bodies = bodies[1:]
        text += f"\n```{'json' if in_json else 'text'}\n" + "\n".join(bodies) + "\n```\n"
    return text


def test_the_page_is_up_to_date_with_the_layouts():
    assert PAGE.read_text(encoding="utf-8") == render()


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
