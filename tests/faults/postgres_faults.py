"""Faults of Postgres: stopped, killed, frozen, cut off, full."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.faults.pulse import AWAY
from tests.faults.scene import NotPossibleHere, Scene, Strike
from tests.harness.waiting import until

BALLAST_BYTES = 1024 * 1024
SPARE_MEGABYTES = 24


async def stop_immediately(scene: Scene) -> int:
    """`pg_ctl -m immediate stop`, and start: it has to recover from its log."""
    hit = await scene.until_work()
    postgres = scene.servers.postgres
    os.kill(postgres.pid, signal.SIGQUIT)

    async def ended() -> bool:
        return not postgres.running

    await until(ended, "Postgres ends")
    await scene.pulse.forget()
    await asyncio.sleep(scene.pace.outage_seconds)
    await asyncio.to_thread(postgres.start)
    return hit


async def kill_backend_in_commit(scene: Scene) -> int:
    """SIGKILL to a backend while it commits: Postgres restarts all of them."""
    await _until_back(scene)
    async with _slow_commits(scene):
        pid = await until(lambda: _committing(scene), "a backend in COMMIT")
        os.kill(pid, signal.SIGKILL)
        await _until_back(scene)
    return 1


@asynccontextmanager
async def _slow_commits(scene: Scene) -> AsyncIterator[None]:
    """Each commit waits a tenth of a second before its log is flushed."""
    await _configure(scene, {"commit_delay": "100000", "commit_siblings": "0"})
    try:
        yield
    finally:
        await _configure(scene, {"commit_delay": "0", "commit_siblings": "5"})


async def _configure(scene: Scene, settings: dict[str, str]) -> None:
    database = await scene.pulse.database()
    for name, value in settings.items():
        await database.execute(f"ALTER SYSTEM SET {name} = {value}")
    await database.execute("SELECT pg_reload_conf()")


async def _committing(scene: Scene) -> int:
    database = await scene.pulse.database()
    pid = await database.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'inbox worker'"
        " AND state = 'active' AND query = 'COMMIT;' LIMIT 1"
    )
    return int(pid or 0)


async def _until_back(scene: Scene) -> None:
    await scene.pulse.forget()

    async def answers() -> bool:
        try:
            await (await scene.pulse.database()).execute("SELECT 1")
        except AWAY:
            return False
        return True

    await until(answers, "Postgres is back")


async def terminate_backends(scene: Scene) -> int:
    """`pg_terminate_backend` of all that are in the middle of something."""

    async def ask() -> int:
        database = await scene.pulse.database()
        rows = await database.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'inbox worker' AND state <> 'idle'"
        )
        return len(rows)

    return await until(ask, "backends at work")


async def freeze(scene: Scene) -> int:
    """SIGSTOP to all of its processes."""
    hit = await scene.until_work()
    postgres = scene.servers.postgres
    await asyncio.to_thread(postgres.pause)
    try:
        await asyncio.sleep(scene.pace.freeze_seconds)
    finally:
        await asyncio.to_thread(postgres.resume)
    await _until_back(scene)
    return hit


async def cut_connections(scene: Scene) -> int:
    """All connections of workers are reset."""
    await scene.until_work()
    return scene.servers.postgres_proxy.cut()


async def lose_commit_answers(scene: Scene) -> int:
    """A transaction is committed, and its worker never hears so."""
    proxy, unknown = scene.servers.postgres_proxy, scene.seen("inbox_unknown_commits")
    lost = proxy.lost

    async def found_out() -> bool:
        # Not every COMMIT is the batch loop's.
        if scene.seen("inbox_unknown_commits") > unknown:
            return True
        proxy.lose("commit")
        return False

    try:
        await until(found_out, "a commit of unknown outcome")
    finally:
        proxy.heal()
    return proxy.lost - lost


async def fill_disk(scene: Scene) -> int:
    """The disk that holds the messages is full for a while."""
    await _until_back(scene)
    full = scene.seen("inbox_retries", "DiskFullError")
    async with _small_disk(scene) as disk:
        ballast = disk / "ballast"
        try:
            await asyncio.to_thread(_fill, ballast)
            await scene.until_seen("inbox_retries", full, label="DiskFullError")
            await asyncio.sleep(scene.pace.outage_seconds)
        finally:
            ballast.unlink()
        return scene.seen("inbox_retries", "DiskFullError") - full


def _fill(ballast: Path) -> None:
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        size = BALLAST_BYTES
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2


@asynccontextmanager
async def _small_disk(scene: Scene) -> AsyncIterator[Path]:
    """A file system of its own that the messages are moved to meanwhile, indexes apart."""
    database = await scene.pulse.database()
    used = await database.fetchval("SELECT pg_table_size('inbox.messages')") // 2**20
    mount = scene.directory / "small-disk"
    _mount(mount, int(used) + SPARE_MEGABYTES)
    space = mount / "tablespace"
    try:
        space.mkdir()
        for path in (mount, space):
            os.chown(path, *(scene.servers.postgres.account or (-1, -1)))
        await database.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        await _move_messages(scene, "small")
        try:
            yield mount
        finally:
            await _move_messages(scene, "pg_default")
            await (await scene.pulse.database()).execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=False)  # noqa: S607, ASYNC221


async def _move_messages(scene: Scene, tablespace: str) -> None:
    database = await scene.pulse.database()
    # It has to wait for all who use the table, and all others for it.
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


POSTGRES_FAULTS: dict[str, Strike] = {
    "postgres: stopped at once": stop_immediately,
    "postgres: backend kill -9 in COMMIT": kill_backend_in_commit,
    "postgres: backends terminated": terminate_backends,
    "postgres: frozen": freeze,
    "postgres: connections cut": cut_connections,
    "postgres: answer to COMMIT lost": lose_commit_answers,
    "postgres: disk full": fill_disk,
}
"""Each kind of fault, by its name in reports."""
