"""A certificate authority for one test run, made with the openssl command, so that clients verify what they talk to."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

DAYS = 30
_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Pair:
    """A certificate with its private key, both PEM files."""

    certificate: Path
    key: Path


def make_key(path: Path) -> Path:
    """A private key alone (P-256), for signing tokens."""
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path))
    return path


def make_authority(folder: Path, name: str = "audit-event-operator-tests") -> Pair:
    """A self-signed authority in folder/ca.crt and folder/ca.key."""
    pair = Pair(folder / "ca.crt", folder / "ca.key")
    # Python ≥ 3.13 verifies strictly: key usage and key identifiers must be there.
    config = _config(
        folder / "ca.cnf",
        name,
        "basicConstraints = critical, CA:TRUE",
        "keyUsage = critical, keyCertSign, cRLSign",
        "subjectKeyIdentifier = hash",
    )
    options = ["-days", str(DAYS), "-config", str(config), "-extensions", "extensions"]
    _openssl("req", "-x509", *_CURVE, "-keyout", str(pair.key), "-out", str(pair.certificate), *options)
    return pair


def issue(authority: Pair, folder: Path, name: str, hosts: Iterable[str] = (), *, days: int = DAYS) -> Pair:
    """A certificate by the authority, in folder/NAME.crt and .key: a server's for these hosts, a client's without any.

    Args:
        authority: who signs it.
        folder: where its files go; must exist.
        name: of the files, and in the subject.
        hosts: names and addresses.
        days: how long it is valid from now on; a negative number makes one that has expired.
    """
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    names = [f"{'IP' if _is_address(host) else 'DNS'}:{host}" for host in hosts]
    config = _config(
        folder / f"{name}.cnf",
        name,
        "basicConstraints = critical, CA:FALSE",
        "keyUsage = critical, digitalSignature",
        f"extendedKeyUsage = {'serverAuth' if names else 'clientAuth'}",
        "subjectKeyIdentifier = hash",
        "authorityKeyIdentifier = keyid",
        *([f"subjectAltName = {', '.join(names)}"] if names else []),
    )
    request = folder / f"{name}.csr"
    _openssl("req", *_CURVE, "-keyout", str(pair.key), "-out", str(request), "-config", str(config))
    signer = ["-CA", str(authority.certificate), "-CAkey", str(authority.key), "-CAcreateserial", "-days", str(days)]
    options = ["-extfile", str(config), "-extensions", "extensions"]
    _openssl("x509", "-req", "-in", str(request), "-out", str(pair.certificate), *signer, *options)
    return pair


def _config(path: Path, name: str, *extensions: str) -> Path:
    head = ["[req]", "distinguished_name = name", "prompt = no", "[name]", f"CN = {name}", "[extensions]"]
    path.write_text("\n".join([*head, *extensions, ""]))
    return path


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr}")
