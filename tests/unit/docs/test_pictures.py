"""The pictures of the concepts are drawn from the code that makes the streams: `python docs/images/render.py` writes them."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "docs" / "images"


@pytest.fixture(scope="module")
def pictures() -> dict[str, str]:
    drawn: dict[str, str] = runpy.run_path(str(FOLDER / "render.py"))["pictures"]()
    return drawn


def test_every_picture_shows_what_the_code_does_now(pictures):
    for name, content in pictures.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == content, f"{name} is stale; run docs/images/render.py"


def test_no_picture_loads_or_runs_anything(pictures):
    for content in pictures.values():
        assert "<script" not in content
        assert content.count("http") == 1  # the name of SVG itself
