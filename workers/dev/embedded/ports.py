"""Chooses the local ports of the embedded servers."""

import fcntl
import os
import secrets
import socket
import tempfile
from functools import cache
from pathlib import Path

HOST = "127.0.0.1"
# Below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections. While
# a server is down, in a test of faults, one of its clients that retries could otherwise be given
# the server's port for its own end, and then connect to itself.
FIRST_PORT, LAST_PORT = 20_000, 32_000
ATTEMPTS_LIMIT = 100


def port_is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do: it ignores connections that remain from a server that has ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True


def free_port() -> int:
    """Choose a free port, and reserve it for this process among all processes of its user.

    Raises OSError when none is found.
    """
    for _ in range(ATTEMPTS_LIMIT):
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        if _reserve(port) and port_is_free(port):
            return port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT}")


def _reserve(port: int) -> bool:
    """Reserve a port until this process ends; False when another process has reserved it.

    A port looks free until a server listens on it, and again while that server is down. Without a
    reservation a second process could choose it. Each port is one locked byte of a file.
    """
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):  # POSIX allows either
        return False
    return True


@cache
def _reservations() -> int:
    # Never closed: closing any descriptor of a file ends all locks of this process on the file.
    file = Path(tempfile.gettempdir()) / f"inbox-ports-of-{os.getuid()}"
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
