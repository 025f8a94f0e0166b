"""Which hosts a Secret may name, so that no Secret makes the operator connect to its own pod or node.

Pure: a name and the address it resolved to in, yes or no out. The caller must dial exactly the address that was checked here.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from audit_event_operator.resource.problems import shown

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LABEL: Final = r"\w(?:[\w-]{0,61}\w)?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def is_host(text: str) -> bool:
    """Whether it is a host name or an IP address, rather than a URL or a host with its port."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _is_name(text.removesuffix("."))
    return True


def _is_name(text: str) -> bool:
    return len(text) <= 253 and _NAME.fullmatch(text) is not None


def _is_suffix(text: str) -> bool:
    """Whether names may end so; digits at the end are a mistyped address, such as 10.0.0.256 or 10.0.0."""
    return _is_name(text) and not text.rpartition(".")[2].isdigit()


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """What is allowed.

    `suffixes` None means any name. `networks` are allowed whatever the name is. `guard_local` refuses loopback, link-local
    and unspecified addresses that no network names.
    """

    suffixes: tuple[str, ...] | None
    networks: tuple[Network, ...]
    guard_local: bool

    @classmethod
    def of(cls, allowed: Iterable[str] | None, in_pod: bool) -> Self:
        """Read the setting: host suffixes (`example.org` also means its subdomains), CIDRs and addresses; None: no list.

        `in_pod`: this process runs in a pod, and users must not reach its loopback and link-local neighbours.

        Raises:
            ValueError: an entry is none of them; a sentence without its subject.
        """
        if allowed is None:
            return cls(None, (), in_pod)
        suffixes: list[str] = []
        networks: list[Network] = []
        for entry in (item.strip().lower() for item in allowed):
            try:
                networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
            except ValueError:
                suffix = entry.removeprefix("*.").strip(".")
                if not _is_suffix(suffix):
                    raise ValueError(
                        f"must list host suffixes, addresses and networks such as example.org,10.0.0.0/8, and "
                        f"{shown(repr(entry))} is none of these"
                    ) from None
                suffixes.append(suffix)
        return cls(tuple(suffixes), tuple(networks), in_pod)

    def __call__(self, name: str, address: str) -> bool:
        """Whether `name`, which resolved to `address`, may be dialled at that address."""
        try:
            ip = _plain(address)
        except ValueError:
            return False
        if any(ip.version == network.version and ip in network for network in self.networks):
            return True
        if self.guard_local and (ip.is_loopback or ip.is_link_local or ip.is_unspecified):
            return False
        if self.suffixes is None:
            return True
        plain_name = name.lower().rstrip(".")
        return any(plain_name == suffix or plain_name.endswith(f".{suffix}") for suffix in self.suffixes)


def _plain(address: str) -> Address:
    """The address without its zone; an IPv4-mapped IPv6 address as IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip
