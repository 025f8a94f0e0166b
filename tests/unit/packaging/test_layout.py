"""The tree: the folder `operator/` must never become a package, and the version is written once."""

import subprocess
import sys
import zipfile
from pathlib import Path

import yaml

import audit_event_operator
from audit_event_operator.files.samples import list_samples

ROOT = Path(__file__).parents[3]


def test_the_folder_operator_is_no_package():
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_the_standard_library_keeps_its_operator_when_python_runs_in_the_checkout():
    program = "import operator; print(operator.__file__); operator.itemgetter(0)"
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert str(ROOT) not in shown


def test_the_wheel_brings_the_samples_and_the_status_page_along(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    samples = {f"audit_event_operator/samples/{name}.yaml" for name in list_samples()}
    assert {name for name in names if "/samples/" in name} == samples
    assert {f"audit_event_operator/web/page/status.{kind}" for kind in ("html", "css", "js")} <= names
    assert "operator/__init__.py" not in names


def test_the_manifests_name_the_image_of_this_version():
    base = yaml.safe_load((ROOT / "manifests/base/kustomization.yaml").read_text())
    assert base["images"] == [{"name": "audit-event-operator", "newTag": audit_event_operator.__version__}]
