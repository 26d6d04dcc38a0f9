"""How many streams there may be in a process."""

import asyncio
from typing import Any

import pytest

from schemas.fields import AccountId
from tests.unit.workers.api.events.given import ACCOUNT, ANA, BO, Connection, caller
from workers.api.caller import Caller
from workers.api.events.feeds import ACCOUNT_STREAMS_MAX, Feeds
from workers.api.events.stream import Stream
from workers.api.problem import Problem
from workers.settings import Settings

NO_POOL: Any = None
NO_POSITIONS: Any = None


async def test_an_account_has_a_limited_number_of_streams_of_whichever_users() -> None:
    feeds = Feeds(Settings.from_environment({}), NO_POOL, NO_POSITIONS)
    of_ana, of_bo = caller(ACCOUNT, ANA), caller(ACCOUNT, BO)

    def opened(by: Caller) -> Stream:
        feeds.check_room(by)
        return feeds.open(by, Connection(reads=True), None, is_chunked=True)

    streams = [opened(of_ana) for _ in range(ACCOUNT_STREAMS_MAX - 1)]
    await asyncio.sleep(0)  # these become members, the next one is about to
    streams.append(opened(of_bo))
    for by in (of_ana, of_bo):
        with pytest.raises(Problem, match="too_many_requests") as refused:
            opened(by)
        assert "Retry-After" in refused.value.headers
    opened(caller(AccountId("other"), ANA))
    for left in (streams[0], streams[-1]):
        feeds.leave(left)
        opened(of_bo)
        with pytest.raises(Problem, match="too_many_requests"):
            opened(of_bo)
    feeds.close()
