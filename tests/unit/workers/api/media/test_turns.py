"""Turns: so many at once, and so many of one user."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from workers.api.media.turns import WAITING_FACTOR, TooManyWait, Turns


async def test_one_user_gets_some_of_the_turns_and_others_the_rest() -> None:
    turns = Turns(3, 2)
    async with AsyncExitStack() as held:
        for user in ("ana", "ana"):
            await held.enter_async_context(turns.turn(user, 1))
        with pytest.raises(TimeoutError):
            await held.enter_async_context(turns.turn("ana", 0))
        await held.enter_async_context(turns.turn("bo", 1))
        with pytest.raises(TimeoutError):
            await held.enter_async_context(turns.turn("cy", 0))
    async with turns.turn("ana", 1), turns.turn("ana", 1), turns.turn("cy", 1):
        pass


async def test_who_waits_gets_the_turn_that_becomes_free() -> None:
    turns = Turns(1, 1)
    waits = asyncio.Event()

    async def wait() -> str:
        waits.set()
        async with turns.turn("bo", 60):
            return "had it"

    async with turns.turn("ana", 1):
        waiting = asyncio.create_task(wait())
        await waits.wait()
    assert await waiting == "had it"


async def test_so_many_wait_and_no_more() -> None:
    turns = Turns(2, 1)
    async with asyncio.TaskGroup() as group, turns.turn("ana", 1):

        async def wait(user: str) -> None:
            async with turns.turn(user, 60):
                pass

        waiting = [group.create_task(wait("ana")) for _ in range(WAITING_FACTOR - 1)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyWait):
            await wait("ana")
        waiting += [group.create_task(wait(f"user {number}")) for number in range(WAITING_FACTOR)]
        await asyncio.gather(*waiting[WAITING_FACTOR - 1 :])
    await wait("ana")
