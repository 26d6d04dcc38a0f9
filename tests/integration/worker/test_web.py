"""The web server takes many connections at once, and stops in time, whoever is connected."""

import asyncio
import os
import resource
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from tests.harness.api import trusting
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


WITH_FEW_FILES = """
import resource
from workers.settings import Settings
from workers.worker.run import run

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (600, most))
run(Settings.from_environment(), ["api"])
"""


async def test_an_api_takes_many_connections_at_once(settings: Settings, tmp_path: Path) -> None:
    settings = trusting(settings)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WITH_FEW_FILES, env=os.environ | settings.environment()
    )
    page = Worker(settings, tmp_path / "unused.log")

    async def listens() -> bool:
        return await page.get_status("/healthz") == 200

    try:
        await until(listens, "an API that listens")
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        assert soft == hard == resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        process.send_signal(signal.SIGSTOP)
        async with AsyncExitStack() as connections:
            readers = []
            # Far more than 128: the system would not even answer the others.
            for _ in range(700):
                reader, writer = await asyncio.wait_for(
                    asyncio.open_connection(settings.web_host, settings.web_port), 10
                )
                connections.callback(writer.close)
                writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
                readers.append(reader)
            process.send_signal(signal.SIGCONT)
            answers = [await asyncio.wait_for(reader.readline(), 30) for reader in readers]
        assert {line.split()[1] for line in answers} == {b"200"}
    finally:
        process.kill()
        await process.wait()
