"""Addresses of a list of networks, numbered in an order that follows from a seed. Nothing is stored for each."""

import ipaddress
from collections.abc import Sequence
from typing import Final

_STEP: Final = 0x9E3779B1  # prime, so that it reaches every address of a network whose size it does not divide


class Addresses:
    """The IPv4 addresses of some networks, without those that name a network or all its hosts.

    `cidrs`: such as `10.0.0.0/8`. Overlaps count once, and `10.0.0.1/8` means the same network, as everywhere in Kubernetes.
    """

    def __init__(self, cidrs: Sequence[str], salt: int) -> None:
        networks = ipaddress.collapse_addresses(ipaddress.IPv4Network(cidr, strict=False) for cidr in cidrs)
        self._ranges: list[tuple[int, int]] = []
        for network in networks:
            size = network.num_addresses
            first = int(network.network_address) + (1 if size > 2 else 0)
            self._ranges.append((first, size - 2 if size > 2 else size))
        self.count = sum(size for _, size in self._ranges)
        """How many there are."""
        self._salt = salt % self.count

    def __getitem__(self, number: int) -> str:
        """The address of a number from 0; different numbers below `count` have different ones."""
        left = (number * _STEP + self._salt) % self.count
        for first, size in self._ranges:
            if left < size:
                return str(ipaddress.IPv4Address(first + left))
            left -= size
        raise AssertionError("unreachable: left is below the sum of all sizes")
