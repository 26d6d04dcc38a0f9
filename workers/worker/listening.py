"""Whether the worker's web server can listen on its address: asked before anything starts."""

import socket

from workers.process.errors import CommandFailed
from workers.settings import Settings


def check_listening(settings: Settings) -> None:
    """Raise CommandFailed where this machine lacks the address, or another program has the port.

    Faust would report it with a traceback, when half of the worker has started.
    """
    host, port = settings.web_host, settings.web_port
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                # As the server does: it ignores connections of a server that has ended.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except (OSError, UnicodeError) as error:
        # A UnicodeError is what Python's resolver says of a name that no host can have.
        reason = error.strerror if isinstance(error, OSError) else "there can be no such host"
        raise CommandFailed(
            f"the web server cannot listen on INBOX_WEB_HOST {host}, INBOX_WEB_PORT {port}: "
            f"{reason}"
        ) from None
