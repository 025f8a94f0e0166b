"""The control plane of other Kubernetes versions, for `make test-kubernetes VERSION=1.31`: built like the usual one, beside it.

Nothing is checked in for them but a line here: each version's own go.mod says what it is made of, its etcd too.
By hand: `PYTHONPATH=tests python -m support.parts.kubernetes_versions 1.31`.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from support.parts.build import (
    MODULE,
    BuildError,
    build_programs,
    built_folder,
    cache_folder,
    find_go,
    go_environment,
    kubernetes_version,
)

# docs/reference/kubernetes-versions.md tells what ran on which.
VERSIONS = {
    "1.31": "v1.31.14",
    "1.32": "v1.32.13",
    "1.33": "v1.33.13",
    "1.34": "v1.34.4",
    "1.35": "v1.35.4",
    "1.36": "v1.36.3",
    "1.37": "v1.37.2",
}
# Module proxies that keep only what somebody asked for lack these; an earlier patch stands in.
STAND_INS = {
    "v1.31.14": {
        "k8s.io/endpointslice": "v0.31.13",
        "k8s.io/kube-controller-manager": "v0.31.13",
        "k8s.io/kube-scheduler": "v0.31.13",
    },
    "v1.32.13": {"k8s.io/endpointslice": "v0.32.12", "k8s.io/sample-apiserver": "v0.32.3"},
}


def build_minor(minor: str) -> Path:
    """Build the programs of a minor version, for example "1.31", where they are missing; return their folder."""
    if not (version := VERSIONS.get(minor)):
        raise BuildError(f"VERSION={minor} is not a version to test on; take one of {', '.join(VERSIONS)}.")
    if version == kubernetes_version():
        return build_programs(built_folder(), version, MODULE)
    if (target := cache_folder() / f"kubernetes-{version}").exists():
        return target
    with tempfile.TemporaryDirectory(prefix="kubernetes-") as folder:
        (Path(folder) / "go.mod").write_text(module_for(version, _own_module(version)))
        return build_programs(target, version, Path(folder), mod="mod")


def module_for(version: str, own: str) -> str:
    """The go.mod of a module that requires Kubernetes and all that it is made of, from Kubernetes' own go.mod.

    Its staging modules, which are folders of its repository, become the published ones of the same version.
    """
    stand_ins, usual = STAND_INS.get(version, {}), f"v0.{version.removeprefix('v1.')}"

    def published(found: re.Match[str]) -> str:
        return f"=> {found[1]} {stand_ins.get(found[1], usual)}"

    module = re.sub(r"^module k8s\.io/kubernetes$", "module controlplane", own, flags=re.MULTILINE)
    module = re.sub(r"=> \./staging/src/(\S+)", published, module)
    return f"{module}\nrequire k8s.io/kubernetes {version}\n"


def _own_module(version: str) -> str:
    command = [str(find_go()), "mod", "download", "-json", f"k8s.io/kubernetes@{version}"]
    done = subprocess.run(command, cwd="/", env=go_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"Go cannot get k8s.io/kubernetes {version}: {done.stdout}{done.stderr}")
    return Path(json.loads(done.stdout)["GoMod"]).read_text()


def main(minor: str) -> int:
    """Build the minor version that is named, print the folder on stdout."""
    try:
        print(build_minor(minor))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(next(iter(sys.argv[1:]), "")))
