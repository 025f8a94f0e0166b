"""The version is written once, every other place agrees with it, and a release is refused when they do not."""

import re
import subprocess
from pathlib import Path

import pytest

from audit_event_operator import __version__

ROOT = Path(__file__).parents[3]
IMAGE_TAG = re.compile(r"audit-event-operator:v?(\d+\.\d+\.\d+\S*?)(?=[\s`'\"@]|$)", re.MULTILINE)
NEW_TAG = re.compile(r"newTag: [\"']?(\d+\.\d+\.\d+)")


def make(*arguments, folder=ROOT):
    return subprocess.run(["make", "-s", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_every_tag_of_our_image_is_this_version():
    files = [path for place in ("docs/**/*", "manifests/**/*", "README.md") for path in ROOT.glob(place)]
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in files if path.suffix in {".md", ".yaml"}}
    named = {(place, tag) for place, text in texts.items() for tag in IMAGE_TAG.findall(text) + NEW_TAG.findall(text)}
    assert {"README.md", "manifests/base/kustomization.yaml", "manifests/install.yaml"} <= {place for place, _ in named}
    assert {tag for _, tag in named} == {__version__}, named


def test_the_image_carries_version_and_commit_of_its_build():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert 'org.opencontainers.image.version="${VERSION}"' in dockerfile
    assert 'org.opencontainers.image.revision="${COMMIT}"' in dockerfile
    assert "AEG_COMMIT=${COMMIT}" in dockerfile
    assert __version__ not in dockerfile
    assert __version__ not in (ROOT / "pyproject.toml").read_text().split("[tool.", maxsplit=1)[0]


@pytest.mark.parametrize("tag", ["", "v9.9.9", __version__, f"v{__version__}0"])
def test_a_tag_that_is_not_the_version_is_refused(tag):
    done = make("check-release", f"TAG={tag}")
    assert done.returncode != 0
    assert f"is not v{__version__}" in done.stderr


def test_a_release_without_its_section_in_the_changelog_is_refused(tmp_path):
    (tmp_path / "operator/audit_event_operator").mkdir(parents=True)
    (tmp_path / "operator/audit_event_operator/__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.2] - 2026-11-01\n")
    refused = make("check-release", "TAG=v1.2.3", folder=tmp_path)
    assert refused.returncode != 0
    assert "no section [1.2.3]" in refused.stderr
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.3] - 2026-11-24\n")
    assert make("check-release", "TAG=v1.2.3", folder=tmp_path).returncode == 0


def test_the_security_page_says_how_to_report_what_is_supported_and_what_is_in_scope():
    text = (ROOT / "SECURITY.md").read_text()
    for heading in ("## Reporting", "## Supported versions", "## In scope", "## Out of scope"):
        assert heading in text
