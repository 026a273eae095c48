"""Who is calling before any token is looked at: the client's address, and how often it may call."""

import ipaddress
import re

from flask import current_app, request

from app.auth.attempts import count_request

# A host has 64 bits of addresses to itself (RFC 4291, section 2.5.4).
IPV6_HOST_BITS = 64

_PORT = re.compile(r"^(?:\[(.*)\]|([0-9.]+))(?::[0-9]+)?$")


def limit_client() -> None:
    """A blueprint's `before_request`: raise RateLimited for a client address that calls too often."""
    count_request(client_network(), current_app.extensions["settings"].auth_rate_limit)


def client_network() -> str:
    """The client's address; of an IPv6 one the part that a host cannot choose."""
    try:
        # Some proxies add the client's port.
        address = ipaddress.ip_address(_PORT.sub(r"\1\2", request.remote_addr or ""))
    except ValueError:
        # A unix socket has none.
        return request.remote_addr or "local"
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    bits = IPV6_HOST_BITS if address.version == 6 else 32
    return str(ipaddress.ip_network((address, bits), strict=False))
