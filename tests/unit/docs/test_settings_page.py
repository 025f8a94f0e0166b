"""docs/settings.md is what the settings say of themselves. Write it anew: `python tests/unit/docs/test_settings_page.py`."""

from pathlib import Path

from pydantic import SecretStr

from audit_event_operator.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"

HEAD = """# Settings

Environment variables of `audit-event-operator run`, `standalone` and `demo`. Times are in seconds unless they say otherwise.
`standalone` and `demo` also read a `.env` file in the current folder; the environment wins over it.
An empty variable counts as unset. A value that cannot be is refused at start with the variable's name.
"""

PARTS = (
    ("The seed service's variables, and the default broker", lambda name: not name.startswith("AEG_")),
    (
        "Ours",
        lambda name: name.startswith("AEG_") and (not name.endswith("_SECONDS") and name != "AEG_HEARTBEAT_SECONDS"),
    ),
    (
        "Time constants",
        lambda name: name.startswith("AEG_") and name.endswith("_SECONDS"),
    ),
)


def shown(value: object) -> str:
    if value is None or value == ():
        return "unset"
    if isinstance(value, SecretStr):
        return f"`{value.get_secret_value()}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def render() -> str:
    text = HEAD
    for title, belongs in PARTS:
        text += f"\n## {title}\n\n| variable | default | what it is |\n|---|---|---|\n"
        for field in Settings.model_fields.values():
            name = str(field.alias)
            if belongs(name):
                description = (field.description or "").replace("|", "\\|")
                text += f"| `{name}` | {shown(field.default)} | {description} |\n"
    return text


def test_the_page_tells_what_the_settings_are():
    assert PAGE.read_text(encoding="utf-8") == render()


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
