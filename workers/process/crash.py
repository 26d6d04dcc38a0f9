"""Ends the process when work fails that must never fail."""

import logging
import os
import sys
from collections.abc import Awaitable
from typing import TypeVar

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

EXIT_SOFTWARE = 70
"""sysexits.h: an internal error. A supervisor starts the worker again."""


async def end_process_on_error(work: Awaitable[ResultT]) -> ResultT:
    """Await work that must not fail. If it raises, end this process at once with status 70.

    The state of a process with a bug is not to be trusted, and Faust would restart the failed
    part alone. Everything that counts is in Postgres and Kafka, so nothing is lost.
    """
    try:
        return await work
    except Exception:
        log.critical("this worker cannot go on", exc_info=True)
        logging.shutdown()
        sys.stderr.flush()
        os._exit(EXIT_SOFTWARE)
