"""docs/reference/event-types.md is generated from the catalogue; this file, run as a program, writes it."""

from pathlib import Path

from audit_event_operator.events.canonical import Pattern, Variable
from audit_event_operator.events.catalogue import CATALOGUE, Need
from audit_event_operator.resource.templates import ALIASES, BUILT_IN_TEMPLATES, SESSIONS_MIX

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "event-types.md"

HEAD = """# Event types

The templates that `spec.eventMix` may name without defining them, generated from the catalogue. The first seven are the seed
service's, and the mix of a stream that names none. *Needs* says what has to be so before it happens with `activity: Sessions`
([what makes a stream believable](../believable-streams.md)), *weight* is its weight in the default mix there. With
`Independent` nothing is needed. The data source is ATT&CK's.

| template | event_type | severity | action_result | details | needs | weight | data source |
|---|---|---|---|---|---|---|---|
"""

TAIL = """
With `Sessions`, what needs a session also carries `session_id` and `ip_address`, a logout carries `duration_seconds`, and the
severity of `file_modified` is INFO or WARNING, as the file deserves.
"""

NEEDS = {
    Need.LOGIN: "opens a session",
    Need.FAILED_LOGIN: "a user who has not failed lately",
    Need.SESSION: "a session",
    Need.LOGOUT: "a session, and ends it",
    Need.STOPPED_SERVICE: "a service that stopped",
    Need.RUNNING_SERVICE: "a service that runs",
    Need.ADMINISTRATOR: "an administrator",
    Need.MADE_ACCOUNT: "an administrator, an account that was created",
    Need.MADE_GROUP: "an administrator, a group that was created",
    Need.AUTOMATION: "a service account",
}


def code(value):
    if isinstance(value, Variable):
        return "number"
    text = "".join("…" if isinstance(piece, Variable) else piece for piece in value.pieces)
    return "…" if text == "…" else text


def render():
    text = HEAD
    for name in BUILT_IN_TEMPLATES:
        kind = CATALOGUE[name]
        event = kind.event
        details = ", ".join(f"{key}: {code(value)}" for key, value in event.details.items())
        weight = SESSIONS_MIX.get(name, "")
        text += (
            f"| `{name}` | {event.event_type} | {event.severity} | {event.action_result} | {details} | {NEEDS[kind.need]} "
            f"| {weight} | {kind.data_source} |\n"
        )
    text += "\nThree names stand for several templates, among which their weight is split evenly:\n\n"
    for alias, templates in ALIASES.items():
        text += f"- `{alias}`: {', '.join(f'`{template}`' for template in templates)}\n"
    return text + TAIL


def test_the_page_is_up_to_date_with_the_catalogue():
    assert PAGE.read_text(encoding="utf-8") == render()


def test_every_kind_has_texts_and_an_attack_data_source():
    for name in BUILT_IN_TEMPLATES:
        kind = CATALOGUE[name]
        assert all(isinstance(value, Pattern | Variable) for value in kind.event.details.values()), name
        assert kind.data_source.count(": ") == 1, name


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
