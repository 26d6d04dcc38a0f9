"""The web server stops in time, whoever is connected to it."""

import asyncio
import os
import sys
from pathlib import Path

from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.settings import Settings

STARTS_LATE = """
import asyncio, pathlib, sys
from aiohttp.web_protocol import RequestHandler
from workers.settings import Settings
from workers.worker.run import run

late, opened = map(pathlib.Path, sys.argv[1:])
start, close = RequestHandler.start, RequestHandler.close
closing = asyncio.Event()

async def start_late(handler):
    if late.exists():
        # A connection that is there, and whose task has not begun when the server stops.
        opened.touch()
        await closing.wait()
    await start(handler)

def note_close(handler):
    closing.set()
    close(handler)

RequestHandler.close = note_close
RequestHandler.start = start_late
run(Settings.from_environment(), ["web"])
"""


async def test_a_connection_that_is_opened_at_the_moment_of_the_stop(
    settings: Settings, tmp_path: Path
) -> None:
    late, opened = tmp_path / "late", tmp_path / "opened"
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        STARTS_LATE,
        str(late),
        str(opened),
        env=os.environ | settings.environment(),
    )
    page = Worker(settings, tmp_path / "unused.log")

    async def ready() -> bool:
        return await page.get_status("/readyz") == 200

    async def is_opened() -> bool:
        return opened.exists()

    try:
        await until(ready, "a ready worker")
        late.touch()
        _, connection = await asyncio.open_connection(settings.web_host, settings.web_port)
        await until(is_opened, "a connection")
        worker.terminate()
        assert await asyncio.wait_for(worker.wait(), 60) == 0
        connection.close()
    finally:
        if worker.returncode is None:
            worker.kill()
