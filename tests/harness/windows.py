"""For tests of window warnings: messages of a while ago, and time that passes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.harness.inbox import Inbox
from tests.harness.input_events import Event, channel, message, user
from tests.harness.topics import ReadRecord
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.settings import Settings

SENDER, MARIA, JONAS = "whatsapp:+14155238886", "whatsapp:+4911", "whatsapp:+4922"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


async def opened(inbox: Inbox) -> Inbox:
    """Add a user to an inbox, and a channel that she installed. A worker must run."""
    await inbox.apply(user("ana"), channel(SENDER, installed_by="ana"))
    return inbox


@asynccontextmanager
async def working(settings: Settings, log: Path) -> AsyncIterator[Worker]:
    """A worker with a web port of its own, stopped at the end."""
    worker = Worker(replace(settings, web_port=free_port()), log)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


def written(contact: str = MARIA, body: str = "Hello", ago: timedelta = MINUTE, **of: Any) -> Event:
    """A message that a contact wrote a while ago."""
    return message(contact, body, **{"sent_at": datetime.now(UTC) - ago} | of)


async def pass_time(inbox: Inbox, passed: timedelta) -> None:
    """Make all windows, and their checks, earlier by so much time."""
    async with inbox.owner.transaction():
        for statement in (
            "UPDATE inbox.conversations SET window_until = window_until - $1::interval",
            "UPDATE inbox.windows SET check_at = check_at - $1::interval",
        ):
            await inbox.owner.execute(statement, passed)


async def count(inbox: Inbox, condition: str = "true") -> int:
    """How many rows `windows` has."""
    found: int = await inbox.owner.fetchval(
        f"SELECT count(*) FROM inbox.windows WHERE {condition}"  # noqa: S608  # our own words
    )
    return found


async def warnings(inbox: Inbox) -> list[ReadRecord]:
    """Wait until no check is due; all warnings."""

    async def nothing_is_due() -> bool:
        return await count(inbox, "check_at <= clock_timestamp()") == 0

    await until(nothing_is_due, "the checks of all windows")
    watched = "SELECT count(*) FROM inbox.conversations WHERE window_watched"
    assert await count(inbox) == await inbox.owner.fetchval(watched)
    return [read for read in await inbox.read("notifications") if is_warning(read)]


def is_warning(read: ReadRecord) -> bool:
    """Whether a notification is about a window that is about to close."""
    kind: str = read.data["kind"]
    return kind == "window_closing"
