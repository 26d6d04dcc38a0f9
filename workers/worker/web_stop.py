"""How the web server stops: soon, whatever its clients do."""

from faust.types.web import Web

STOP_SECONDS = 4.0
"""Longer than a webhook waits for its answer (workers/webhooks/receiver.py), and well within the
watchdog's limit of a stop."""


def limit_stop(web: Web) -> None:
    """Close what connections there are after so long.

    aiohttp would give them a minute, and needs it: it ignores what comes through a connection that
    was opened at the moment of the stop, and waits for a request of it all the same.
    """
    web._runner._shutdown_timeout = STOP_SECONDS  # type: ignore[attr-defined]  # aiohttp's runner
