"""The versions of Kubernetes that are tested on: what the pages and the chart say is what `make test-kubernetes` can build."""

import re
from pathlib import Path

import pytest
import yaml

from support.parts.build import BuildError, kubernetes_version
from support.parts.kubernetes_versions import STAND_INS, VERSIONS, build_minor, module_for

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/kubernetes-versions.md").read_text()
OLDEST, *_, NEWEST = VERSIONS
OWN = """\
module k8s.io/kubernetes

go 1.22.0

require (
\tgo.etcd.io/etcd/api/v3 v3.5.14
\tk8s.io/api v0.0.0
\tk8s.io/endpointslice v0.0.0
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/endpointslice => ./staging/src/k8s.io/endpointslice
)
"""


def test_the_page_has_every_version_that_can_be_built():
    assert dict(re.findall(r"^\| (1\.\d+) \| (v\S+) \|", PAGE, re.MULTILINE)) == VERSIONS


def test_each_minor_version_has_a_patch_of_its_own_and_none_is_left_out():
    assert [version.removeprefix("v").rsplit(".", 1)[0] for version in VERSIONS.values()] == list(VERSIONS)
    minors = [int(minor.removeprefix("1.")) for minor in VERSIONS]
    assert minors == list(range(minors[0], minors[-1] + 1))


def test_the_version_of_every_test_run_is_one_of_them():
    assert kubernetes_version() in VERSIONS.values()


def test_the_chart_wants_the_oldest_and_its_page_names_both_ends():
    chart = yaml.safe_load((ROOT / "charts/audit-event-operator/Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={OLDEST}.0-0"
    assert f"[Kubernetes {OLDEST} to {NEWEST}]" in (ROOT / "docs/how-to/helm.md").read_text()


def test_make_help_names_both_ends():
    assert f"VERSION={OLDEST} to {NEWEST}" in (ROOT / "Makefile").read_text()


def test_the_parts_of_kubernetes_become_the_published_ones_of_its_version():
    assert (
        module_for("v1.35.4", OWN)
        == """\
module controlplane

go 1.22.0

require (
\tgo.etcd.io/etcd/api/v3 v3.5.14
\tk8s.io/api v0.0.0
\tk8s.io/endpointslice v0.0.0
)

replace (
\tk8s.io/api => k8s.io/api v0.35.4
\tk8s.io/endpointslice => k8s.io/endpointslice v0.35.4
)

require k8s.io/kubernetes v1.35.4
"""
    )


def test_a_part_that_is_not_published_for_a_patch_is_an_earlier_one():
    module = module_for("v1.31.14", OWN)
    assert "k8s.io/api => k8s.io/api v0.31.14\n" in module
    assert "k8s.io/endpointslice => k8s.io/endpointslice v0.31.13\n" in module
    assert STAND_INS.keys() <= set(VERSIONS.values())


@pytest.mark.parametrize("minor", ["1.30", "0.1.0", "v1.31", ""])
def test_a_version_that_is_not_in_the_table_is_refused_with_those_that_are(minor):
    with pytest.raises(BuildError, match=r"take one of 1\.31, 1\.32,"):
        build_minor(minor)
