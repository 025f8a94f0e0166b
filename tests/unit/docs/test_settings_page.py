"""docs/settings.md is generated from the settings: `python tests/unit/docs/test_settings_page.py` rewrites it."""

import ast
import inspect
from itertools import pairwise
from pathlib import Path

from pydantic import SecretStr

from audit_event_operator.settings import Settings, variables

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"

HEAD = """# Settings

Environment variables of `audit-event-operator run`, `standalone` and `demo`. Times are in seconds unless stated
otherwise. `standalone` and `demo` also read a `.env` file in the current folder; the environment overrides it. An empty
variable counts as unset. With an invalid value, the operator refuses to start and names the variable. The same goes for
a variable that begins with `AEG_` and is none of these: it names the one that was probably meant. What Kubernetes sets
for a Service named `aeg` or `aeg-…`, and the variables of the test suite, are ignored.
"""

PARTS = (
    ("The seed service's variables, and the default broker", lambda name: not name.startswith("AEG_")),
    ("The operator's own", lambda name: name.startswith("AEG_") and not name.endswith("_SECONDS")),
    ("Time constants", lambda name: name.startswith("AEG_") and name.endswith("_SECONDS")),
)


def shown(value):
    if value is None or value == ():
        return "unset"
    if isinstance(value, SecretStr):
        return f"`{value.get_secret_value()}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def texts_below_fields(kind):
    (definition,) = ast.parse(inspect.getsource(kind)).body
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr)
    }


def render():
    text = HEAD
    for title, belongs in PARTS:
        text += f"\n## {title}\n\n| variable | default | description |\n|---|---|---|\n"
        for name, (*group, field) in variables().items():
            if belongs(name):
                owner = getattr(Settings(), group[0]) if group else Settings()
                description = texts_below_fields(type(owner))[field].replace("|", "\\|")
                text += f"| `{name}` | {shown(getattr(owner, field))} | {description} |\n"
    return text


def test_the_page_is_up_to_date_with_the_settings():
    assert PAGE.read_text(encoding="utf-8") == render()


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
