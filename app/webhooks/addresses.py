"""Which addresses a webhook may reach: public ones, so that no user reaches what only this service should.

The rule is applied to what a connection is made to, at each attempt. So a name that changes its answer gains nothing,
and it does not matter how an address is spelt.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from app.webhooks.lookup import LookUps

URL_CHARACTERS = 2_000
HTTPS_PORT, HTTP_PORT = 443, 80

# The space of which public addresses are assigned (IANA), without what leads elsewhere: protocol assignments with
# Teredo, documentation, and 6to4. Some versions of Python call those of IPv4 global.
_ASSIGNED = IPv6Network("2000::/3")
_NOT_PUBLIC = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
)
# A translator's prefix (RFC 6052): the last 32 bits are an IPv4 address.
_TRANSLATED = IPv6Network("64:ff9b::/96")

_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")
_PLAIN = re.compile(r"[!-~]+")


class NotReachable(Exception):
    """A webhook's receiver cannot, or must not, be reached. The text is for its user."""


class Target(NamedTuple):
    """Where a webhook's requests go."""

    is_https: bool
    # Without brackets, and without a dot at the end.
    host: str
    port: int
    # Path and query.
    path: str

    @property
    def authority(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (HTTPS_PORT if self.is_https else HTTP_PORT) else f"{host}:{self.port}"


def read_target(url: str, allow_private: bool) -> Target:
    """Return where a URL leads; raise NotReachable with what is wrong with it."""
    if not _PLAIN.fullmatch(url) or "\\" in url:
        raise NotReachable("Must have ASCII characters only. Percent-encode others, and write the host's name as xn--.")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
        is_numeric = ":" in host and bool(IPv6Address(host).packed)
    except ValueError as error:
        raise NotReachable("Must be a URL with a host, and if it names a port, one from 1 to 65535.") from error
    if parts.scheme not in (("https", "http") if allow_private else ("https",)):
        raise NotReachable("Must begin with https://.")
    if "@" in parts.netloc or parts.fragment or url.endswith("#"):
        raise NotReachable("Must have no user, no password, and no fragment.")
    if port == 0 or "%" in host or not (is_numeric or _HOST.fullmatch(host)):
        raise NotReachable("Must be a URL with a host, and if it names a port, one from 1 to 65535.")
    is_https = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_https, host.rstrip("."), port or (HTTPS_PORT if is_https else HTTP_PORT), path)


def addresses_of(target: Target, allow_private: bool, look_ups: LookUps, seconds: float) -> Sequence[str]:
    """Look up a target's addresses. Raise NotReachable if there are none in time, or if one of them is not public."""
    try:
        found = look_ups.find(target.host, target.port, seconds)
    except (OSError, UnicodeError):
        found = []
    if not found or not (allow_private or all(map(is_public, found))):
        # The same text for both, so that no user learns which names a private network has.
        raise NotReachable("Its host has no address, or not only public ones.")
    return found


def is_public(address: str) -> bool:
    """Return whether an address belongs to the public Internet."""
    try:
        ip = ip_address(address)
    except ValueError:
        # It names an interface of this machine, too.
        return False
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _TRANSLATED else ip)
    is_assigned = ip in _ASSIGNED if isinstance(ip, IPv6Address) else ip.is_global and not ip.is_multicast
    return is_assigned and not any(ip in network for network in _NOT_PUBLIC)
