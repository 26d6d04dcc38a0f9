"""Logs as INFO, in one line, what libraries log as a warning or an error although it is routine.

Each rule knows the logger and the cause of a line, not only its level. Whatever else a library logs
stays as it is.
"""

import logging
import time
from collections.abc import Callable, Mapping

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    LeaderNotAvailableError,
    NotLeaderForPartitionError,
    RebalanceInProgressError,
)

START_SECONDS = 30.0
"""How long after the start of this process a new Kafka may still be making what it needs."""

IsRoutine = Callable[[logging.LogRecord], bool]
"""Whether the cause of a line is routine."""


class RoutineFilter(logging.Filter):
    """Makes lines INFO whose cause is routine, and drops them where INFO is not logged."""

    def __init__(self, *rules: IsRoutine) -> None:
        super().__init__()
        self._rules = rules

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log a line."""
        if record.levelno <= logging.INFO or not any(rule(record) for rule in self._rules):
            return True
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        record.exc_info = None
        return logging.getLogger(record.name).isEnabledFor(logging.INFO)


def is_rebalance(record: logging.LogRecord) -> bool:
    """Members join or leave the group: each one is told so when it sends a heartbeat or a commit.

    The commits of offsets are for lag tools only, so it does no harm when one is refused.
    """
    return record.msg == _REBALANCING or _names(record, RebalanceInProgressError)


def is_late_commit(record: logging.LogRecord) -> bool:
    """A commit of offsets takes longer than the time to the next one, as during a rebalance."""
    return record.msg == _OVERLAPPING and isinstance(record.args, tuple) and "commit" in record.args


def is_interrupted_rebalance(record: logging.LogRecord) -> bool:
    """Faust measures how long a rebalance takes, but not of one that the next one interrupts."""
    return _UNMEASURED in str(record.msg)


def is_password_in_the_clear(record: logging.LogRecord) -> bool:
    """The settings ask for PLAIN without TLS, so each new connection says so again."""
    return record.msg == _IN_THE_CLEAR


def is_no_http(record: logging.LogRecord) -> bool:
    """A stranger, or a load balancer that tries HTTP/2, sends what is no HTTP/1: it gets a 400.

    The error would quote what was sent, which may be the text of a contact. Of a body that is not
    encoded as its headers say, aiohttp may find that out when the request is answered already.
    """
    return record.exc_info is not None and isinstance(
        record.exc_info[1], HttpProcessingError | web.RequestPayloadError
    )


class Start:
    """A new Kafka still makes its topic for offsets, or has no leaders yet of new topics.

    The client asks again. When this takes longer, or happens later, it is trouble.
    """

    ERRORS = (
        GroupCoordinatorNotAvailableError,
        LeaderNotAvailableError,
        NotLeaderForPartitionError,
    )

    def __init__(self) -> None:
        self._end = time.time() + START_SECONDS

    def __call__(self, record: logging.LogRecord) -> bool:
        """Whether a line is of the start of this process."""
        return record.created < self._end and (
            record.msg in _NOT_YET or _names(record, *self.ERRORS)
        )


_REBALANCING = "Heartbeat failed for group %s because it is rebalancing"
_NOT_YET = (
    "Topic %s is not available during auto-create initialization",
    "Marking the coordinator dead (node %s)for group %s.",
    "Heartbeat failed for group %s: coordinator (node %s) is either not started or not valid",
)
_IN_THE_CLEAR = "Sending username and password in the clear"
_UNMEASURED = "Missing sensor state for rebalance"
_OVERLAPPING = "Timer %s is overlapping (interval=%r runtime=%r)"


def _names(record: logging.LogRecord, *errors: type[Exception]) -> bool:
    """Whether the arguments of a line have one of these errors, or its class."""
    given = record.args if isinstance(record.args, tuple) else ()
    return any(each in errors or isinstance(each, errors) for each in given)


def log_routine_as_info() -> None:
    """Begin to do so. Call it once, at the start of the process."""
    start = Start()
    rules: Mapping[str, tuple[IsRoutine, ...]] = {
        "aiohttp.server": (is_no_http,),
        "aiokafka.cluster": (start,),
        "aiokafka.conn": (is_password_in_the_clear,),
        "aiokafka.consumer.fetcher": (start,),
        "aiokafka.consumer.group_coordinator": (start, is_rebalance),
        "aiokafka.producer.sender": (start,),
        "mode.timers": (is_late_commit,),
        # Faust logs what it says about an app by the app's module.
        "workers.worker.app": (is_interrupted_rebalance,),
    }
    for name, those in rules.items():
        logging.getLogger(name).addFilter(RoutineFilter(*those))
