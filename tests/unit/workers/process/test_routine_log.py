"""What is routine is INFO, by its cause; all other lines of the same loggers stay as they are."""

import inspect
import logging
import time
from collections.abc import Iterator
from importlib import import_module

import pytest
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    IllegalGenerationError,
    KafkaConnectionError,
    LeaderNotAvailableError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
    RebalanceInProgressError,
)

from workers.process.routine_log import START_SECONDS, RoutineFilter, log_routine_as_info

FETCHER, GROUP, SENDER, CLUSTER, CONNECTION, TIMERS, APP, SERVER = (
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.producer.sender",
    "aiokafka.cluster",
    "aiokafka.conn",
    "mode.timers",
    "workers.worker.app",
    "aiohttp.server",
)
COORDINATOR = "Group Coordinator Request failed: %s"
REFUSED_BATCH = "Got error produce response on topic-partition %s, retrying. Error: %s"
HEARTBEAT = "Heartbeat failed for group %s because it is rebalancing"
NO_LEADER_YET = "Topic %s is not available during auto-create initialization"
DEAD_COORDINATOR = "Marking the coordinator dead (node %s)for group %s."
NO_COORDINATOR_YET = (
    "Heartbeat failed for group %s: coordinator (node %s) is either not started or not valid"
)
IN_THE_CLEAR = "Sending username and password in the clear"
UNMEASURED = "Missing sensor state for rebalance #%s"
UNMEASURED_END = "Missing sensor state for rebalance end #%s"
OVERLAPPING = "Timer %s is overlapping (interval=%r runtime=%r)"
REFUSED_COMMIT = "OffsetCommit failed for group %s due to group error (%s), will rejoin"

ROUTINE_AT_THE_START = [
    (GROUP, COORDINATOR, (GroupCoordinatorNotAvailableError(),)),
    (SENDER, REFUSED_BATCH, ("inbox.relay-0", NotLeaderForPartitionError)),
    (SENDER, REFUSED_BATCH, ("inbox.relay-0", LeaderNotAvailableError)),
    (FETCHER, "Failed fetch offsets from %s: %s", (1, NotLeaderForPartitionError("relay-0"))),
    (GROUP, DEAD_COORDINATOR, (1, "inbox")),
    (GROUP, NO_COORDINATOR_YET, ("inbox", 1)),
    (CLUSTER, NO_LEADER_YET, ("inbox.relay",)),
]
ALWAYS_ROUTINE = [
    (GROUP, HEARTBEAT, ("inbox",)),
    (GROUP, REFUSED_COMMIT, ("inbox", RebalanceInProgressError("inbox"))),
    (TIMERS, OVERLAPPING, ("commit", 1.0, 1.5)),
    (APP, UNMEASURED, (3,)),
    (APP, UNMEASURED_END, (3,)),
    (CONNECTION, IN_THE_CLEAR, ()),
]
TROUBLE = [
    (GROUP, COORDINATOR, (KafkaConnectionError("no broker"),)),
    (GROUP, "Heartbeat session expired - marking coordinator dead", ()),
    (GROUP, "Heartbeat send request failed: %s. Will retry.", (KafkaConnectionError("away"),)),
    (GROUP, REFUSED_COMMIT, ("inbox", IllegalGenerationError("inbox"))),
    (SENDER, REFUSED_BATCH, ("inbox.relay-0", NotEnoughReplicasError)),
    (FETCHER, "Failed fetch offsets from %s: %s", (1, KafkaConnectionError("away"))),
    (CLUSTER, "Topic %s not found in cluster metadata", ("inbox.relay",)),
    (CLUSTER, "Topic %s is not authorized for this client", ("inbox.relay",)),
    (TIMERS, OVERLAPPING, ("livelock", 1.0, 1.5)),
    (APP, "Consumer error callback raised: %r", (ValueError("a bug"),)),
    (CONNECTION, "Unexpected exception in AIOKafkaConnection", ()),
    ("aiokafka.client", 'Unable connect to "%s:%s": %s', ("kafka", 9092, "refused")),
]

Given = tuple[str, str, tuple[object, ...]]


@pytest.fixture(autouse=True)
def loggers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loggers without the filters of other tests, and filters that begin now."""
    for name in (FETCHER, GROUP, SENDER, CLUSTER, CONNECTION, TIMERS, APP, SERVER):
        monkeypatch.setattr(logging.getLogger(name), "filters", [])
    log_routine_as_info()
    yield


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the start be over."""
    now = time.time() + START_SECONDS
    monkeypatch.setattr(time, "time", lambda: now)


@pytest.mark.parametrize("given", ROUTINE_AT_THE_START + ALWAYS_ROUTINE)
def test_what_is_routine_is_info(given: Given, caplog: pytest.LogCaptureFixture) -> None:
    assert levels_of(given, caplog) == ["INFO"]


@pytest.mark.parametrize("given", ALWAYS_ROUTINE)
def test_members_come_and_go_at_any_time(
    given: Given, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    assert levels_of(given, caplog) == ["INFO"]


@pytest.mark.parametrize("given", ROUTINE_AT_THE_START)
def test_what_is_routine_at_the_start_is_trouble_later(
    given: Given, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    assert levels_of(given, caplog) == ["WARNING"]


@pytest.mark.parametrize("given", TROUBLE)
def test_all_else_stays_as_it_is(given: Given, caplog: pytest.LogCaptureFixture) -> None:
    assert levels_of(given, caplog) == ["WARNING"]


@pytest.mark.parametrize("given", ALWAYS_ROUTINE)
def test_where_info_is_not_logged_neither_is_what_is_routine(
    given: Given, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, given[0])
    assert levels_of(given, caplog, at=None) == []


@pytest.mark.parametrize(("name", "message", "_"), ROUTINE_AT_THE_START + ALWAYS_ROUTINE)
def test_the_libraries_say_it_in_these_words(name: str, message: str, _: object) -> None:
    source = inspect.getsource(import_module("faust.app.base" if name == APP else name))
    # Long literals are divided in the source.
    assert "".join(message.split()) in "".join(source.replace('"\\n', "").split()).replace('""', "")


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (BadHttpMessage("Hello"), "INFO"),
        (web.RequestPayloadError("Hello"), "INFO"),
        (ValueError("a bug"), "ERROR"),
    ],
)
def test_what_is_no_http_is_info_and_not_quoted(
    error: Exception, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, SERVER)
    logging.getLogger(SERVER).error("Error handling request from %s", "192.0.2.1", exc_info=error)
    assert [record.levelname for record in caplog.records] == [level]
    assert ("Hello" in caplog.text, "a bug" in caplog.text) == (False, level == "ERROR")


def levels_of(
    given: Given, caplog: pytest.LogCaptureFixture, at: int | None = logging.INFO
) -> list[str]:
    """Log a warning, and return the levels of what is logged."""
    name, message, arguments = given
    if at is not None:
        caplog.set_level(at, name)
    logging.getLogger(name).warning(message, *arguments)
    return [record.levelname for record in caplog.records]


def test_lines_of_info_pass_whatever_the_rules_say() -> None:
    record = logging.makeLogRecord({"levelno": logging.INFO})
    assert RoutineFilter(lambda _: True).filter(record)
    assert record.levelno == logging.INFO
