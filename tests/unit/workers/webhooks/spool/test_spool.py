"""The spool on a real disk: every record that it confirmed is there, in order, until drained."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.harness.waiting import until
from workers.webhooks.spool.frames import RECORD_BYTES_MAX
from workers.webhooks.spool.segment import SpoolRecord
from workers.webhooks.spool.spool import Spool, SpoolRefused

MEBIBYTE = 2**20


class Judge:
    """Says of the slots without a prefix what a test has it say."""

    def __init__(self, answer: bool | None) -> None:
        self.answer = answer
        self.asked: list[list[bytes]] = []

    async def __call__(self, records: list[SpoolRecord]) -> bool | None:
        self.asked.append([record.data for record in records])
        return self.answer


@asynccontextmanager
async def opened(
    directory: Path,
    bytes_max: int = MEBIBYTE,
    prefix: str = "inbox.",
    judge: Judge | None = None,
) -> AsyncIterator[Spool]:
    """A spool that writes."""
    spool = Spool(directory, bytes_max, prefix, judge or Judge(None))
    await spool.open()
    task = asyncio.create_task(spool.write())
    try:
        yield spool
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        spool.close()


def files(directory: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in directory.glob(pattern))


async def drained(spool: Spool, count: int) -> list[bytes]:
    """The next records, so many of them, drained."""
    found: list[bytes] = []
    while len(found) < count:
        chunk = await asyncio.wait_for(spool.next_chunk(), 30)
        found += [record.data for record in chunk.records]
        await spool.drained(chunk)
    return found


async def test_records_are_drained_in_the_order_they_were_put(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        assert spool.empty
        records = [b"%d" % number for number in range(1000)]
        futures = [spool.put(record) for record in records]
        assert not spool.empty
        await asyncio.gather(*futures)
        assert not spool.empty
        assert await drained(spool, 1000) == records
        assert spool.empty
        assert files(tmp_path, "slot-*/*.segment") == []


async def test_it_is_never_empty_between_being_put_and_being_drained(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        for number in range(100):
            future = spool.put(b"%d" % number)
            while not future.done():
                assert not spool.empty
                await asyncio.sleep(0)
            chunk = await spool.next_chunk()
            draining = asyncio.ensure_future(spool.drained(chunk))
            again = spool.put(b"another")
            while not (draining.done() and again.done()):
                assert not spool.empty
                await asyncio.sleep(0)
            await drained(spool, 1)
            assert spool.empty


async def test_who_waits_for_records_is_woken_by_the_next(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        waiting = asyncio.ensure_future(drained(spool, 2))
        await spool.put(b"one")

        async def empty() -> bool:
            return spool.empty

        await until(empty, "the first one drained")
        await spool.put(b"two")
        assert await waiting == [b"one", b"two"]


async def test_above_its_size_it_refuses_until_it_is_drained(tmp_path: Path) -> None:
    record = b"x" * 10_000
    async with opened(tmp_path, bytes_max=65536) as spool:
        taken = []
        with pytest.raises(SpoolRefused, match="full"):
            while True:
                taken.append(spool.put(record))
        assert len(taken) == 6
        await asyncio.gather(*taken)
        with pytest.raises(SpoolRefused, match="full"):
            spool.put(record)
        await drained(spool, 6)
        await spool.put(record)


async def test_what_does_not_fit_into_a_record_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        for size in (0, RECORD_BYTES_MAX + 1):
            with pytest.raises(SpoolRefused, match="bytes"):
                spool.put(b"x" * size)


async def test_a_directory_that_cannot_be_used_refuses_and_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    async with opened(tmp_path / "data" / "spool") as spool:
        with pytest.raises(SpoolRefused):
            await spool.put(b"one")
        assert spool.empty
        (tmp_path / "data").unlink()
        await spool.open()
        await spool.put(b"two")
        assert await drained(spool, 1) == [b"two"]


async def test_a_closed_spool_refuses(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.put(b"one")
    with pytest.raises(SpoolRefused):
        spool.put(b"two")
    async with opened(tmp_path) as spool:
        assert await drained(spool, 1) == [b"one"]


async def test_nobody_needs_to_wait_for_what_was_put(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        spool.put(b"one").cancel()
        await spool.put(b"two")
        assert await drained(spool, 2) == [b"one", b"two"]


async def test_of_two_in_one_directory_the_living_takes_over_from_the_dead(tmp_path: Path) -> None:
    async with opened(tmp_path) as living:
        async with opened(tmp_path) as dying:
            await dying.put(b"of the dead, which are older")
            await living.open()
            assert living.empty

        async def taken_over() -> bool:
            await living.open()
            return not living.empty

        await until(taken_over, "the other's slot")
        await living.put(b"of the living")
        assert await drained(living, 2) == [b"of the dead, which are older", b"of the living"]
        assert living.empty
        # The slot is free for the next process.
        async with opened(tmp_path) as next_one:
            await next_one.put(b"of the next")
        assert files(tmp_path, "*") == ["slot-0", "slot-1"]


async def left(directory: Path, prefix: str) -> None:
    """Leave a record in a slot, as a worker that died."""
    async with opened(directory, prefix=prefix) as dead:
        await dead.put(b"left")


async def test_webhooks_of_another_prefix_are_left_alone_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await left(tmp_path, "theirs.")
    async with opened(tmp_path, judge=Judge(True)) as spool:
        for _ in range(3):
            await spool.open()
        assert spool.empty
    [said] = [record for record in caplog.records if "left alone" in record.message]
    assert str(tmp_path / "slot-0") in said.message
    assert "theirs." in said.message
    async with opened(tmp_path, prefix="theirs.") as again:
        assert await drained(again, 1) == [b"left"]


async def test_webhooks_without_a_prefix_are_taken_by_who_knows_their_channels(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await left(tmp_path, "any.")
    (tmp_path / "slot-0" / "prefix").unlink()
    judge = Judge(None)
    async with opened(tmp_path, judge=judge) as spool:
        await spool.open()
        # While it cannot tell, it asks again each time.
        assert spool.empty
        assert judge.asked == [[b"left"]] * 2
        assert caplog.records == []
        judge.answer = True
        await spool.open()
        assert await drained(spool, 1) == [b"left"]
    assert (tmp_path / "slot-0" / "prefix").read_text() == "inbox."


async def test_webhooks_without_a_prefix_to_channels_that_nobody_knows_are_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await left(tmp_path, "any.")
    (tmp_path / "slot-0" / "prefix").unlink()
    judge = Judge(False)
    async with opened(tmp_path, judge=judge) as spool:
        for _ in range(3):
            await spool.open()
        assert spool.empty
        # It is not read again every few seconds.
        assert len(judge.asked) == 1
    [said] = [record for record in caplog.records if "left alone" in record.message]
    label = tmp_path / "slot-0" / "prefix"
    assert f"write inbox. into {label}" in said.message
    assert not label.exists()


WRITER = """
import asyncio, sys
from pathlib import Path
from workers.webhooks.spool.spool import Spool

async def main():
    spool = Spool(Path(sys.argv[1]), 2**30, "inbox.", None)
    await spool.open()
    writing = asyncio.create_task(spool.write())
    async def put(number):
        await spool.put(b"%d" % number + b"x" * 500)
        print(number, flush=True)
    for start in range(0, 10**9, 20):
        await asyncio.gather(*(put(number) for number in range(start, start + 20)))

asyncio.run(main())
"""


def confirmed_by_killed_writer(directory: Path) -> list[int]:
    """The records that a process had on disk, as it printed them until it was killed."""
    command = [sys.executable, "-c", WRITER, str(directory)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(300)]
    writer.kill()
    rest, _ = writer.communicate()
    return [int(line) for line in b"".join([*lines, rest]).split()]


async def test_what_a_killed_process_had_on_disk_is_all_there(tmp_path: Path) -> None:
    confirmed = [number for _ in range(3) for number in confirmed_by_killed_writer(tmp_path)]
    async with opened(tmp_path) as spool:
        found: list[int] = []
        while not spool.empty:
            chunk = await spool.next_chunk()
            found += [int(record.data.rstrip(b"x")) for record in chunk.records]
            await spool.drained(chunk)
    # In order, process by process. The last ones of a process may not have been confirmed.
    expected = iter(found)
    assert all(number in expected for number in confirmed)
    assert len(confirmed) >= 900
