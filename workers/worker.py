"""Runs a worker until it is told to stop."""

from collections.abc import Collection

import faust
import uvloop

from workers.app import InboxApp
from workers.settings import Role, Settings


def run(settings: Settings, roles: Collection[Role]) -> None:
    """Run a worker in this process; SIGTERM or SIGINT stops it within ten seconds.

    Ends in SystemExit. Raises SettingsError.
    """
    uvloop.install()
    app = InboxApp(settings, roles)
    faust.Worker(app, loglevel=settings.log_level, quiet=False).execute_from_commandline()
