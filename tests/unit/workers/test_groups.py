"""Groups: several partitions at once, each in order, never more than there are places."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from workers.groups import Groups

Item = tuple[str, int]


async def test_items_of_a_lane_run_in_order_and_never_together() -> None:
    order: dict[str, list[int]] = defaultdict(list)
    running: set[str] = set()
    seen_together: set[frozenset[str]] = set()

    async def run(items: Sequence[Item]) -> None:
        lanes = {lane for lane, _ in items}
        assert len(lanes) == len(items)
        assert not lanes & running
        running.update(lanes)
        seen_together.add(frozenset(running))
        await asyncio.sleep(0)
        for lane, number in items:
            order[lane].append(number)
        running.difference_update(lanes)

    async with asyncio.TaskGroup() as tasks:
        groups: Groups[str, Item] = Groups(2, 100, run, tasks.create_task)
        for number in range(20):
            for lane in ("a", "b", "c"):
                await groups.add(lane, 1, (lane, number))
    assert order == {lane: list(range(20)) for lane in "abc"}
    assert frozenset("abc") in seen_together


class Held:
    """Runs groups that end when they are let go."""

    def __init__(self) -> None:
        self.begun: list[Sequence[int]] = []
        self._go = asyncio.Event()

    async def run(self, items: Sequence[int]) -> None:
        self.begun.append(items)
        await self._go.wait()

    def let_go(self) -> None:
        self._go.set()


async def test_what_waits_for_a_place_goes_together_as_far_as_there_is_room() -> None:
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        groups: Groups[int, int] = Groups(1, 10, held.run, tasks.create_task)
        for number, size in enumerate((1, 4, 5, 3)):
            await groups.add(number, size, number)
        await asyncio.sleep(0)
        assert held.begun == [[0]]
        held.let_go()
    assert held.begun == [[0], [1, 2], [3]]


async def test_what_is_larger_than_a_group_goes_alone() -> None:
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        groups: Groups[int, int] = Groups(2, 10, held.run, tasks.create_task)
        for number in range(2):
            await groups.add(number, 50, number)
        held.let_go()
    assert held.begun == [[0], [1]]


async def test_no_more_waits_than_one_group_holds() -> None:
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        groups: Groups[int, int] = Groups(1, 10, held.run, tasks.create_task)
        for number in range(3):
            await groups.add(number, 5, number)
        adding = asyncio.create_task(groups.add(3, 5, 3))
        same_lane = asyncio.create_task(groups.add(2, 5, 4))
        await asyncio.sleep(0)
        assert not adding.done()
        assert not same_lane.done()
        held.let_go()
        await asyncio.gather(adding, same_lane)
    assert held.begun[:2] == [[0], [1, 2]]
    assert sorted(number for group in held.begun[2:] for number in group) == [3, 4]
