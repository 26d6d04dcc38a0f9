"""Lanes: several partitions at once, each in order, never more than there are places."""

import asyncio
from collections import defaultdict

from workers.lanes import Lanes


async def test_items_of_a_lane_run_in_order_and_lanes_run_at_once() -> None:
    order: dict[str, list[int]] = defaultdict(list)
    running: set[str] = set()
    seen_together: set[frozenset[str]] = set()

    async def run(item: tuple[str, int]) -> None:
        lane, number = item
        assert lane not in running, "two items of one lane at once"
        running.add(lane)
        seen_together.add(frozenset(running))
        await asyncio.sleep(0)
        order[lane].append(number)
        running.discard(lane)

    async with asyncio.TaskGroup() as tasks:
        lanes: Lanes[str, tuple[str, int]] = Lanes(3, run, tasks)
        for number in range(20):
            for lane in ("a", "b", "c"):
                await lanes.add(lane, (lane, number))
    assert order == {lane: list(range(20)) for lane in "abc"}
    assert any(len(together) > 1 for together in seen_together)


async def test_there_are_never_more_items_than_places() -> None:
    running = most = 0
    full, go = asyncio.Event(), asyncio.Event()

    async def run(_item: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 4:
            full.set()
        await go.wait()
        running -= 1

    async with asyncio.TaskGroup() as tasks:
        lanes: Lanes[int, int] = Lanes(4, run, tasks)
        adding = asyncio.create_task(_add_all(lanes, 10))
        await full.wait()
        assert not adding.done()
        go.set()
        await adding
    assert most == 4


async def _add_all(lanes: Lanes[int, int], count: int) -> None:
    for number in range(count):
        await lanes.add(number, number)
