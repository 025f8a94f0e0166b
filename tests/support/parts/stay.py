"""`make control-plane`: a real API server and a real RabbitMQ on loopback, with CRD and RBAC, until Ctrl-C.

For trying the operator by hand, on the same parts and with the same rights as the tests.
"""

import argparse
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.parts import install
from support.parts.build import BuildError, build
from support.parts.controlplane import CRD_FILE, OPERATOR, OVERLAY, REPOSITORY, ControlPlane
from support.parts.processes import PartError
from support.parts.rabbitmq import RabbitMQ


def main(arguments: list[str] | None = None) -> int:
    """Start, print how to get in, stay. Exit code 0 after Ctrl-C or SIGTERM, 1 when something could not start or died."""
    parser = argparse.ArgumentParser(prog="make control-plane", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, help="keep data and logs here (must not exist); else they go away in the end"
    )
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: it is ignored in a job of a script
        signal.signal(number, signal.default_int_handler)
    try:
        if failed := install.main():
            return failed
        binaries = build()
        with _folder(options.folder) as folder:
            _run(folder, binaries)
    except KeyboardInterrupt:
        _say("\nEnded.")
        return 0
    except (BuildError, PartError, AssertionError, FileExistsError) as error:
        _say(str(error))
        return 1
    return 0


def _run(folder: Path, binaries: Path) -> None:
    kubernetes, rabbitmq = folder / "kubernetes", folder / "rabbitmq"
    kubernetes.mkdir()
    rabbitmq.mkdir()
    _say("Starting etcd, kube-apiserver, kube-controller-manager ...")
    with ControlPlane(kubernetes, controller_manager=True) as control_plane:
        _say("Starting RabbitMQ ...")
        with RabbitMQ(rabbitmq) as broker:
            if CRD_FILE.exists():
                control_plane.install_crd()
            if OVERLAY.exists():
                control_plane.install_rbac()
            print(_how_to_get_in(control_plane, broker, binaries), flush=True)
            _stay(control_plane, broker)


def _how_to_get_in(control_plane: ControlPlane, broker: RabbitMQ, binaries: Path) -> str:
    operator = {"KUBECONFIG": str(control_plane.operator_kubeconfig())} if OVERLAY.exists() else {}
    operator |= broker.environment() | {"AEG_LEASE_NAMESPACE": OPERATOR}
    path = "" if shutil.which("kubectl") else f"export PATH={shlex.quote(str(binaries))}:$PATH   # has kubectl\n"
    return "\n".join(
        [
            "",
            "# You, as administrator:",
            f"export KUBECONFIG={shlex.quote(str(control_plane.kubeconfig))}",
            f"{path}",
            f"# RabbitMQ: {broker.url}",
            f"# with TLS: port {broker.tls_port}, CA {broker.ca_file}",
            "",
            "# The operator, as its ServiceAccount, in another terminal:",
            *(f"export {name}={shlex.quote(value)}" for name, value in operator.items()),
            f"{_relative(Path(sys.executable).parent)}/audit-event-operator run",
            "",
            "# Then: kubectl apply -f manifests/samples/01-minimal.yaml",
            f"# Logs: {control_plane.folder.parent}   Ctrl-C here ends everything.",
        ]
    )


def _stay(control_plane: ControlPlane, broker: RabbitMQ) -> None:
    while True:
        for part in (control_plane.etcd, control_plane.apiserver, control_plane.controller_manager, broker.server):
            part.must_run()
        time.sleep(1)


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        wanted.mkdir(parents=True)
        yield wanted.resolve()
    else:
        with tempfile.TemporaryDirectory(prefix="audit-event-operator-") as folder:
            yield Path(folder)


def _relative(path: Path) -> Path:
    return path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
