"""Pauses double up to a limit and never overflow; errors that are not transient are raised."""

import asyncio
import contextlib

import pytest

from db.errors import LoginRefused, TakesNoWrites
from workers.process.retries import (
    LONGEST_SECONDS,
    doubled_seconds,
    end_if_cancelled,
    pause_seconds,
    until_done,
)


def test_a_pause_doubles_with_each_failure_up_to_a_limit() -> None:
    assert [doubled_seconds(failures, 0.5, 3) for failures in (1, 2, 3, 4, 5)] == [0.5, 1, 2, 3, 3]


@pytest.mark.parametrize("failures", [1, 5, 1100, 10**6])
def test_a_pause_is_spread_and_has_a_limit_after_any_number_of_failures(failures: int) -> None:
    limit = min(LONGEST_SECONDS, 0.1 * 2.0 ** min(failures - 1, 20))
    pauses = [pause_seconds(failures) for _ in range(100)]
    assert all(limit / 2 <= seconds <= limit for seconds in pauses)
    assert len(set(pauses)) > 1


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes any time."""
    made: list[float] = []

    async def at_once(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", at_once)
    return made


async def test_work_is_repeated_until_the_database_is_back(pauses: list[float]) -> None:
    failures = iter([ConnectionRefusedError(), TimeoutError()])
    signs_of_life: list[int] = []

    async def work() -> str:
        if (failure := next(failures, None)) is not None:
            raise failure
        return "done"

    assert await until_done("test", work, lambda: signs_of_life.append(1)) == "done"
    assert len(pauses) == len(signs_of_life) == 2


async def test_what_does_not_pass_by_itself_is_raised_at_once(pauses: list[float]) -> None:
    async def work() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await until_done("test", work, lambda: None)
    assert pauses == []


async def test_a_refused_login_is_waited_for_unless_the_caller_says_otherwise(
    pauses: list[float],
) -> None:
    failures = iter([LoginRefused("wrong password"), LoginRefused("wrong password")])

    async def work() -> str:
        if (failure := next(failures, None)) is not None:
            raise failure
        return "done"

    with pytest.raises(LoginRefused):
        await until_done("test", work, lambda: None, waits_for_login=False)
    assert pauses == []
    assert await until_done("test", work, lambda: None) == "done"
    assert len(pauses) == 1


async def test_a_standby_is_waited_for_even_where_a_refused_login_is_not(
    pauses: list[float],
) -> None:
    failures = iter([TakesNoWrites("a standby"), TakesNoWrites("a standby")])

    async def work() -> str:
        if (failure := next(failures, None)) is not None:
            raise failure
        return "done"

    assert await until_done("test", work, lambda: None, waits_for_login=False) == "done"
    assert len(pauses) == 2


async def test_a_task_that_lost_its_cancellation_ends_at_the_next_check() -> None:
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        end_if_cancelled()
        raise AssertionError("it went on")

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_nobody_cancelled_goes_on() -> None:
    end_if_cancelled()
