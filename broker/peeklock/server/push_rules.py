"""Where webhooks of this broker may lead: its operator says so, not who makes a subscription.

Whoever may make a subscription could else have the broker ask what only the broker can reach:
this machine, the network behind it, a cloud's metadata service.
"""

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from pathlib import Path
from typing import Final, TypeAlias

from peeklock.entities.push import origin_of

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
TRANSLATED: Final = ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are of IPv4


class Forbidden(OSError):
    """The broker may not connect to this address."""


@dataclass(frozen=True)
class PushRules:
    """See `PushConfig`."""

    origin: str  # by which receivers know this broker
    callback_url: str  # where they reach it; "": nowhere
    networks: tuple[Network, ...]  # besides public addresses
    trusted: frozenset[str]  # origins that are not asked for leave
    authorities: Path | None  # beside the system's

    def asks(self, url: str) -> bool:
        """Does this receiver have to give leave?"""
        return origin_of(url) not in self.trusted

    def check_address(self, text: str, *, is_tls: bool) -> None:
        """Raises `Forbidden`, saying what would allow it."""
        address = meant(ip_address(text.partition("%")[0]))
        if any(address in network for network in self.networks):
            return
        if not address.is_global or address.is_multicast:
            raise Forbidden(f"{address} is not public, and no network of push.networks has it")
        if not is_tls:
            raise Forbidden(
                f"http:// to {address}: without TLS only to a network of push.networks"
            )


def meant(address: Address) -> Address:
    """Of an IPv6 address that stands for one of IPv4, that one."""
    if isinstance(address, IPv4Address):
        return address
    if address in TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
