"""Lanes: several at once, each in order, never more groups at once than are allowed."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from workers.ingest.lanes import FULL_ENOUGH, LaneGroups

Item = tuple[str, int]

SIZE_MAX = 100
LARGE = int(FULL_ENOUGH * SIZE_MAX)
"""The smallest size that is worth running beside others."""


async def test_items_of_a_lane_run_in_order_and_groups_of_a_lane_never_together() -> None:
    order: dict[str, list[int]] = defaultdict(list)
    running: set[str] = set()
    seen_together: set[frozenset[str]] = set()

    async def run(items: Sequence[Item]) -> bool:
        lanes = {lane for lane, _ in items}
        assert not lanes & running
        running.update(lanes)
        seen_together.add(frozenset(running))
        await asyncio.sleep(0)
        for lane, number in items:
            order[lane].append(number)
        running.difference_update(lanes)
        return True

    async with asyncio.TaskGroup() as tasks:
        groups: LaneGroups[str, Item] = LaneGroups(2, SIZE_MAX, run, tasks.create_task)
        for number in range(20):
            for lane in ("a", "b", "c"):
                await groups.add(lane, LARGE + number, (lane, number))
    assert order == {lane: list(range(20)) for lane in "abc"}
    assert frozenset("abc") in seen_together


class Held:
    """Runs groups that end when they are let go."""

    def __init__(self) -> None:
        self.begun: list[Sequence[int]] = []
        self._go = asyncio.Event()

    async def run(self, items: Sequence[int]) -> bool:
        self.begun.append(items)
        await self._go.wait()
        return True

    def let_go(self) -> None:
        self._go.set()


async def test_what_waits_for_a_place_goes_together_as_far_as_there_is_room() -> None:
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        groups: LaneGroups[int, int] = LaneGroups(1, 10, held.run, tasks.create_task)
        for number, size in enumerate((1, 4, 5, 3)):
            await groups.add(number, size, number)
        await asyncio.sleep(0)
        assert held.begun == [[0]]
        held.let_go()
    assert held.begun == [[0], [1, 2], [3]]


async def test_items_of_one_lane_share_a_group_in_order() -> None:
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        groups: LaneGroups[str, int] = LaneGroups(1, 10, held.run, tasks.create_task)
        for number, lane in enumerate("aababa"):
            await groups.add(lane, 2, number)
        held.let_go()
    assert held.begun == [[0], [1, 2, 3, 4, 5]]


async def test_what_has_no_room_goes_before_whatever_follows_it_in_its_lane() -> None:
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        groups: LaneGroups[str, int] = LaneGroups(1, 10, held.run, tasks.create_task)
        for number, (lane, size) in enumerate((("c", 1), ("a", 4), ("b", 1), ("b", 9))):
            await groups.add(lane, size, number)
        following = asyncio.create_task(groups.add("b", 1, 4))
        held.let_go()
        await following
    assert held.begun == [[0], [1, 2], [3, 4]]


async def test_a_small_group_waits_while_another_runs_and_a_large_one_does_not() -> None:
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        groups: LaneGroups[int, int] = LaneGroups(3, SIZE_MAX, held.run, tasks.create_task)
        await groups.add(0, 1, 0)
        await groups.add(1, LARGE - 1, 1)
        await asyncio.sleep(0)
        assert held.begun == [[0]]
        await groups.add(2, 1, 2)
        await asyncio.sleep(0)
        assert held.begun == [[0], [1, 2]]
        await groups.add(3, LARGE - 1, 3)
        await asyncio.sleep(0)
        assert held.begun == [[0], [1, 2]]
        held.let_go()
    assert held.begun == [[0], [1, 2], [3]]


async def test_what_waits_for_its_own_lane_does_not_make_a_group_large() -> None:
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        groups: LaneGroups[str, int] = LaneGroups(2, SIZE_MAX, held.run, tasks.create_task)
        for number, (lane, size) in enumerate((("a", 1), ("a", LARGE), ("b", 1))):
            await groups.add(lane, size, number)
        await asyncio.sleep(0)
        assert held.begun == [[0]]
        held.let_go()
    assert held.begun == [[0], [1, 2]]


async def test_what_is_larger_than_a_group_goes_alone() -> None:
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        groups: LaneGroups[int, int] = LaneGroups(2, 10, held.run, tasks.create_task)
        for number in range(2):
            await groups.add(number, 50, number)
        held.let_go()
    assert held.begun == [[0], [1]]


async def test_no_more_waits_than_one_group_holds() -> None:
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        groups: LaneGroups[int, int] = LaneGroups(1, 10, held.run, tasks.create_task)
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


async def test_what_cannot_run_together_runs_lane_by_lane_before_anything_later() -> None:
    begun: list[Sequence[Item]] = []

    async def run(items: Sequence[Item]) -> bool:
        begun.append(items)
        await asyncio.sleep(0)
        return len({lane for lane, _ in items}) == 1

    async with asyncio.TaskGroup() as tasks:
        groups: LaneGroups[str, Item] = LaneGroups(1, 10, run, tasks.create_task)
        for number, lane in enumerate("aabaabb"):
            await groups.add(lane, 1, (lane, number))
    assert begun[1] == [(lane, number) for number, lane in enumerate("aabaabb")][1:]
    assert begun[2:] == [[("a", 1), ("a", 3), ("a", 4)], [("b", 2), ("b", 5), ("b", 6)]]


async def test_one_lane_that_is_held_up_holds_up_no_other() -> None:
    held, done = asyncio.Event(), asyncio.Queue[Sequence[Item]]()

    async def run(items: Sequence[Item]) -> bool:
        if len({lane for lane, _ in items}) > 1:
            return False
        if items[0][0] == "held":
            await held.wait()
        done.put_nowait(items)
        return True

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        groups: LaneGroups[str, Item] = LaneGroups(2, SIZE_MAX, run, tasks.create_task)
        await groups.add("first", 1, ("first", 0))
        for number, lane in enumerate(("held", "free", "held"), start=1):
            await groups.add(lane, 1, (lane, number))
        assert [await done.get() for _ in range(2)] == [[("first", 0)], [("free", 2)]]
        # Small, and beside what is held up: it goes all the same, a little later.
        await groups.add("late", 1, ("late", 4))
        assert await done.get() == [("late", 4)]
        held.set()
        assert await done.get() == [("held", 1), ("held", 3)]
