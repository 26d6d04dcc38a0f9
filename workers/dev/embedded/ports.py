"""Chooses the local ports of the embedded servers."""

import fcntl
import os
import secrets
import socket
import tempfile
from functools import cache
from pathlib import Path

HOST = "127.0.0.1"
# Below the ports that Linux (32768 up) and macOS (49152 up) give to outgoing connections. A server
# that is down for a while, in a test of faults, would else lose its port to a client that retries:
# such a client can be given that very port, and then connects to itself.
FIRST_PORT, LAST_PORT = 20_000, 32_000
ATTEMPTS_LIMIT = 100


def port_is_free(port: int) -> bool:
    """Says whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As servers do: connections that linger from a server that has ended don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True


def free_port() -> int:
    """Chooses a free port, which is then this process's: no other of its user chooses it.

    Raises OSError where there is none.
    """
    for _ in range(ATTEMPTS_LIMIT):
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        if _reserve(port) and port_is_free(port):
            return port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT}")


def _reserve(port: int) -> bool:
    """Keeps a port from other processes until this one ends; false where one of them has it.

    A port is free until a server listens on it, and while that server is down for a while: a look
    at the port alone would give it to a second process. Each port is a byte of one file, locked.
    """
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):  # by POSIX it may be either
        return False
    return True


@cache
def _reservations() -> int:
    # Never closed: closing any descriptor of a file ends all locks that a process has on it.
    file = Path(tempfile.gettempdir()) / f"inbox-ports-of-{os.getuid()}"
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
