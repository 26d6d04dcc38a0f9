"""Turns: so many at once, so many of one account, and so many of one user."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from schemas.fields import AccountId, UserId
from workers.api.media.turns import WAITING_FACTOR, TooManyWait, Turns

ACME = AccountId("acme")
ANA, BO, CY = UserId("ana"), UserId("bo"), UserId("cy")


async def test_one_user_gets_some_of_the_turns_and_others_the_rest() -> None:
    turns = Turns(3, 3, 2)
    async with AsyncExitStack() as held:
        for user in ("ana", "ana"):
            await held.enter_async_context(turns.turn(ACME, UserId(user), 1))
        with pytest.raises(TimeoutError):
            await held.enter_async_context(turns.turn(ACME, ANA, 0))
        await held.enter_async_context(turns.turn(ACME, BO, 1))
        with pytest.raises(TimeoutError):
            await held.enter_async_context(turns.turn(ACME, CY, 0))
    async with turns.turn(ACME, ANA, 1), turns.turn(ACME, ANA, 1), turns.turn(ACME, CY, 1):
        pass


async def test_the_users_of_an_account_leave_turns_for_others() -> None:
    turns = Turns(4, 2, 1)
    async with AsyncExitStack() as held:
        for user in ("ana", "bo"):
            await held.enter_async_context(turns.turn(ACME, UserId(user), 1))
        with pytest.raises(TimeoutError):
            await held.enter_async_context(turns.turn(ACME, UserId("cy"), 0))
        # A user of another account with the same id is another user.
        await held.enter_async_context(turns.turn(AccountId("rival"), UserId("ana"), 1))
    async with turns.turn(ACME, UserId("cy"), 1):
        pass


async def test_the_users_of_an_account_leave_room_to_wait_for_others() -> None:
    turns = Turns(2, 1, 1)
    async with asyncio.TaskGroup() as group, turns.turn(ACME, ANA, 1):

        async def wait(account: str, user: str) -> None:
            async with turns.turn(AccountId(account), UserId(user), 60):
                pass

        for number in range(WAITING_FACTOR - 1):
            group.create_task(wait("acme", f"user {number}"))
        await asyncio.sleep(0)
        with pytest.raises(TooManyWait):
            await wait("acme", "cy")
        await wait("rival", "ana")


async def test_who_waits_gets_the_turn_that_becomes_free() -> None:
    turns = Turns(1, 1, 1)
    waits = asyncio.Event()

    async def wait() -> str:
        waits.set()
        async with turns.turn(ACME, BO, 60):
            return "had it"

    async with turns.turn(ACME, ANA, 1):
        waiting = asyncio.create_task(wait())
        await waits.wait()
    assert await waiting == "had it"


async def test_so_many_wait_and_no_more() -> None:
    turns = Turns(2, 2, 1)
    async with asyncio.TaskGroup() as group, turns.turn(ACME, ANA, 1):

        async def wait(user: str) -> None:
            async with turns.turn(ACME, UserId(user), 60):
                pass

        waiting = [group.create_task(wait("ana")) for _ in range(WAITING_FACTOR - 1)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyWait):
            await wait("ana")
        waiting += [group.create_task(wait(f"user {number}")) for number in range(WAITING_FACTOR)]
        await asyncio.gather(*waiting[WAITING_FACTOR - 1 :])
    await wait("ana")
