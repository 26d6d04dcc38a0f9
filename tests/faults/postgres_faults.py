"""Faults of Postgres: it is stopped, killed, frozen, or cut off, or its disk is full."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.faults.fault_context import FaultContext, InjectFault, NotPossibleHere
from tests.faults.monitor import AWAY
from tests.harness.waiting import until

BALLAST_BYTES = 1024 * 1024
SPARE_MEGABYTES = 24


async def stop_immediately(context: FaultContext) -> int:
    """Stop Postgres (as `pg_ctl -m immediate stop`), and start it: it recovers from its log."""
    hit = await context.until_work()
    postgres = context.servers.postgres
    os.kill(postgres.pid, signal.SIGQUIT)

    async def ended() -> bool:
        return not postgres.running

    await until(ended, "Postgres ends")
    await context.monitor.disconnect()
    await asyncio.sleep(context.timing.outage_seconds)
    await asyncio.to_thread(postgres.start)
    return hit


async def kill_backend_in_commit(context: FaultContext) -> int:
    """Kill a backend while it commits (SIGKILL): Postgres restarts all of them."""
    await _until_back(context)
    async with _slow_commits(context):
        pid = await until(lambda: _committing(context), "a backend in COMMIT")
        os.kill(pid, signal.SIGKILL)
        await _until_back(context)
    return 1


@asynccontextmanager
async def _slow_commits(context: FaultContext) -> AsyncIterator[None]:
    """Make each commit wait a tenth of a second before its log is flushed."""
    await _configure(context, {"commit_delay": "100000", "commit_siblings": "0"})
    try:
        yield
    finally:
        await _configure(context, {"commit_delay": "0", "commit_siblings": "5"})


async def _configure(context: FaultContext, settings: dict[str, str]) -> None:
    database = await context.monitor.database()
    for name, value in settings.items():
        await database.execute(f"ALTER SYSTEM SET {name} = {value}")
    await database.execute("SELECT pg_reload_conf()")


async def _committing(context: FaultContext) -> int:
    database = await context.monitor.database()
    pid = await database.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'inbox worker'"
        " AND state = 'active' AND query = 'COMMIT;' LIMIT 1"
    )
    return int(pid or 0)


async def _until_back(context: FaultContext) -> None:
    await context.monitor.disconnect()

    async def answers() -> bool:
        try:
            await (await context.monitor.database()).execute("SELECT 1")
        except AWAY:
            return False
        return True

    await until(answers, "Postgres is back")


async def terminate_backends(context: FaultContext) -> int:
    """End all backends of workers that are not idle (`pg_terminate_backend`)."""

    async def terminated() -> int:
        database = await context.monitor.database()
        rows = await database.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'inbox worker' AND state <> 'idle'"
        )
        return len(rows)

    return await until(terminated, "backends at work")


async def freeze(context: FaultContext) -> int:
    """Freeze all processes of Postgres (SIGSTOP)."""
    hit = await context.until_work()
    postgres = context.servers.postgres
    await asyncio.to_thread(postgres.pause)
    try:
        await asyncio.sleep(context.timing.freeze_seconds)
    finally:
        await asyncio.to_thread(postgres.resume)
    await _until_back(context)
    return hit


async def cut_connections(context: FaultContext) -> int:
    """Reset all connections of workers."""
    await context.until_work()
    return context.servers.postgres_proxy.cut()


async def lose_commit_answers(context: FaultContext) -> int:
    """Lose the answer to a COMMIT: the worker does not know whether it is committed."""
    proxy, unknown = context.servers.postgres_proxy, context.observed("inbox_unknown_commits")
    lost = proxy.lost

    async def found_out() -> bool:
        # Other parts of a worker commit too.
        if context.observed("inbox_unknown_commits") > unknown:
            return True
        proxy.lose("commit")
        return False

    try:
        await until(found_out, "a commit of unknown outcome")
    finally:
        proxy.heal()
    return proxy.lost - lost


async def fill_disk(context: FaultContext) -> int:
    """Fill the disk of the table of messages for a while."""
    await _until_back(context)
    full = context.observed("inbox_retries", "DiskFullError")
    async with _small_disk(context) as disk:
        ballast = disk / "ballast"
        try:
            await asyncio.to_thread(_fill, ballast)
            await context.until_observed("inbox_retries", full, label="DiskFullError")
            await asyncio.sleep(context.timing.outage_seconds)
        finally:
            ballast.unlink()
        return context.observed("inbox_retries", "DiskFullError") - full


def _fill(ballast: Path) -> None:
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        size = BALLAST_BYTES
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2


@asynccontextmanager
async def _small_disk(context: FaultContext) -> AsyncIterator[Path]:
    """Move the table of messages, without its indexes, to a small file system meanwhile."""
    database = await context.monitor.database()
    used = await database.fetchval("SELECT pg_table_size('inbox.messages')") // 2**20
    mount = context.directory / "small-disk"
    _mount(mount, int(used) + SPARE_MEGABYTES)
    space = mount / "tablespace"
    try:
        space.mkdir()
        for path in (mount, space):
            os.chown(path, *(context.servers.postgres.account or (-1, -1)))
        await database.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        await _move_messages(context, "small")
        try:
            yield mount
        finally:
            await _move_messages(context, "pg_default")
            await (await context.monitor.database()).execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=False)  # noqa: S607, ASYNC221


async def _move_messages(context: FaultContext, tablespace: str) -> None:
    database = await context.monitor.database()
    # The statement locks the table, and so waits for all transactions that use it.
    await database.execute(f"ALTER TABLE inbox.messages SET TABLESPACE {tablespace}", timeout=60)


def _mount(mount: Path, megabytes: int) -> None:
    mount.mkdir(exist_ok=True)
    options = f"size={megabytes}m,mode=0755"
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(mount)],  # noqa: S607
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotPossibleHere(f"no file system can be mounted here: {error}") from error


POSTGRES_FAULTS: dict[str, InjectFault] = {
    "postgres: stopped at once": stop_immediately,
    "postgres: backend kill -9 in COMMIT": kill_backend_in_commit,
    "postgres: backends terminated": terminate_backends,
    "postgres: frozen": freeze,
    "postgres: connections cut": cut_connections,
    "postgres: answer to COMMIT lost": lose_commit_answers,
    "postgres: disk full": fill_disk,
}
"""The faults by their names in reports."""
