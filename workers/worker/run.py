"""Runs a worker until it is told to stop."""

import asyncio
import gc
import resource
import sys
from collections.abc import Collection

import faust
import uvloop

from workers.api.access.trust import check_trust
from workers.process.routine_log import log_routine_as_info
from workers.settings import Role, Settings, SettingsError
from workers.webhooks.spool.usable import unusable
from workers.worker.app import InboxApp
from workers.worker.listening import check_listening


class Worker(faust.Worker):
    """Ends as soon as all has stopped. Faust's sleeps for a second more, to no purpose."""

    async def _sentinel_task(self) -> None:
        await asyncio.sleep(0)


def open_as_many_files_as_allowed() -> None:
    """Raise this process's limit of open files to the most that it may have.

    Each stream of events is one. Many systems start programs with a limit of 1,024.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run(settings: Settings, roles: Collection[Role]) -> None:
    """Run a worker in this process; SIGTERM or SIGINT stops it within ten seconds.

    Ends in SystemExit. Raises SettingsError, and CommandFailed if its web server cannot listen.
    """
    if "web" in roles and (trouble := unusable(settings.data_dir / "spool")):
        raise SettingsError(
            f"INBOX_DATA_DIR: {trouble}; webhooks are kept there in an outage, so mount a volume "
            "that this user may write, or give it the directory with `chown -R`"
        )
    if "api" in roles:
        check_trust(settings)
        open_as_many_files_as_allowed()
    uvloop.install()
    # Batches make many objects and no cycles: collecting seldom spares a fifth of the time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    # The consumer's thread must not wait its 5 ms for every step of a fetch.
    sys.setswitchinterval(0.0005)
    log_routine_as_info()
    app = InboxApp(settings, roles)
    check_listening(settings)
    Worker(app, loglevel=settings.log_level, quiet=False).execute_from_commandline()
