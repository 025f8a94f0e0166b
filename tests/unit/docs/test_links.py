"""Links between the pages lead to files and headings that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = [
    *(page for folder in ("docs", "manifests", "tests") for page in (ROOT / folder).rglob("*.md")),
    *ROOT.glob("*.md"),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def links(page):
    found = LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    return [target for target in found if "://" not in target and not target.startswith("mailto:")]


def anchors(page):
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def leads_somewhere(page, target):
    path, _, anchor = target.partition("#")
    found = page.parent / path if path else page
    return found.exists() and (not anchor or anchor in anchors(found))


def test_every_link_between_the_pages_leads_somewhere():
    dead = [
        f"{page.relative_to(ROOT)}: {each}" for page in PAGES for each in links(page) if not leads_somewhere(page, each)
    ]
    assert not dead
