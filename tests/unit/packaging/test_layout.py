"""The tree: the folder `operator/` must never become a package, and the version is written once."""

import subprocess
import sys
from pathlib import Path

import yaml

import audit_event_operator

ROOT = Path(__file__).parents[3]


def test_the_folder_operator_is_no_package() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_the_standard_library_keeps_its_operator_when_python_runs_in_the_checkout() -> None:
    program = "import operator; print(operator.__file__); operator.itemgetter(0)"
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert str(ROOT) not in shown


def test_the_manifests_name_the_image_of_this_version() -> None:
    base = yaml.safe_load((ROOT / "manifests/base/kustomization.yaml").read_text())
    assert base["images"] == [{"name": "audit-event-operator", "newTag": audit_event_operator.__version__}]
