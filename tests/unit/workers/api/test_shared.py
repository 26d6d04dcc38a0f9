"""Questions that many share."""

import asyncio
from collections.abc import Collection

import pytest

from workers.api.shared import Shared, SharedByKey


class Server:
    """Answers when it is told to, with the number of the question."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def ask(self) -> int:
        self.asked += 1
        number = self.asked
        await self.may_answer.wait()
        return number


async def begun(shared: Shared[int], count: int) -> "list[asyncio.Task[int]]":
    tasks = [asyncio.create_task(shared.get()) for _ in range(count)]
    for _ in range(5):
        await asyncio.sleep(0)  # each begins to wait
    return tasks


async def test_who_comes_while_a_question_is_under_way_shares_the_next() -> None:
    server = Server()
    shared = Shared(server.ask)
    first, second = await begun(shared, 1), await begun(shared, 3)
    assert server.asked == 1
    server.may_answer.set()
    assert await asyncio.gather(*first, *second) == [1, 2, 2, 2]


async def test_who_gives_up_does_not_end_the_question_of_others() -> None:
    server = Server()
    shared = Shared(server.ask)
    impatient, patient = await begun(shared, 2)
    impatient.cancel()
    server.may_answer.set()
    assert await patient == 1


async def test_all_get_an_error_and_the_next_question_is_asked() -> None:
    answers = iter([OSError("away"), 2])

    async def ask() -> int:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return int(str(answer))

    shared = Shared(ask)
    failed = await asyncio.gather(shared.get(), shared.get(), return_exceptions=True)
    assert [type(each) for each in failed] == [OSError, OSError]
    assert await shared.get() == 2


@pytest.mark.parametrize("count", [1, 4])
async def test_who_asks_later_gets_a_later_answer(count: int) -> None:
    server = Server()
    server.may_answer.set()
    shared = Shared(server.ask)
    assert [await shared.get() for _ in range(count)] == list(range(1, count + 1))


async def test_keys_that_come_while_a_question_is_under_way_share_the_next() -> None:
    asked: list[set[str]] = []
    may_answer = asyncio.Event()

    async def ask(keys: Collection[str]) -> dict[str, str]:
        asked.append(set(keys))
        await may_answer.wait()
        return {key: key.upper() for key in keys if key != "nobody"}

    shared = SharedByKey(ask)
    tasks = [asyncio.create_task(shared.get("a"))]
    for _ in range(5):
        await asyncio.sleep(0)  # the question for `a` is under way
    tasks += [asyncio.create_task(shared.get(key)) for key in ("b", "c", "b", "a", "nobody")]
    for _ in range(5):
        await asyncio.sleep(0)
    may_answer.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C", "B", "A", None]
    assert asked == [{"a"}, {"a", "b", "c", "nobody"}]
