"""Whether this machine has the IPv6 loopback. Containers often have none."""

import socket


def _can_listen() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


HAS_IPV6 = _can_listen()
"""Tests that need it are collected only where it is there."""
