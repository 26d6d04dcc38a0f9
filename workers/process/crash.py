"""Ends the process when work fails that must never fail."""

import logging
import os
import sys
from collections.abc import Awaitable
from typing import TypeVar

from db.errors import LoginRefused, SchemaMismatch, UnfitDatabase, UnfitUrl, of_a_pooler
from workers.process.errors import WorkerStop

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

EXIT_FAILURE = 1
"""The worker could not start, and a person can repair the cause."""

EXIT_SETTING = 2
"""A setting is wrong, as of a command."""

EXIT_SOFTWARE = 70
"""sysexits.h: an internal error. A supervisor starts the worker again."""


_STATUSES: dict[type[Exception], int] = {
    LoginRefused: EXIT_FAILURE,
    SchemaMismatch: EXIT_FAILURE,
    UnfitDatabase: EXIT_FAILURE,
    UnfitUrl: EXIT_SETTING,
}
"""The exit status of each error that says all in one line."""


async def end_process_on_error(work: Awaitable[ResultT]) -> ResultT:
    """Await work that must not fail. If it raises, end this process at once.

    The status is 70 after a bug, and the log has its traceback. What a person can repair is one
    line, with a status of its own; that of a WorkerStop is 70, too.

    The state of a process with a bug is not to be trusted, and Faust would restart the failed
    part alone. Everything that counts is in Postgres and Kafka, so nothing is lost.
    """
    try:
        return await work
    except Exception as error:
        said = of_a_pooler(error) or error
        stop = isinstance(said, WorkerStop)
        status = EXIT_SOFTWARE if stop else _STATUSES.get(type(said))
        if status is None:
            log.critical("this worker cannot go on", exc_info=True)
        else:
            variable = "INBOX_DATABASE_URL: " if status == EXIT_SETTING else ""
            log.critical("this worker cannot go on: %s%s", variable, said)
        logging.shutdown()
        sys.stderr.flush()
        os._exit(EXIT_SOFTWARE if status is None else status)
