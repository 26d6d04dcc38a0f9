"""Chooses the local ports of the embedded servers."""

import secrets
import socket

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
    """Chooses a free port at random, so that two processes hardly ever choose the same one."""
    for _ in range(ATTEMPTS_LIMIT):
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        if port_is_free(port):
            return port
    raise OSError(f"no free port between {FIRST_PORT} and {LAST_PORT}")
