"""Webhooks at a steady rate, and their order on the topic."""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence

import aiohttp

from tests.harness.topics import ReadRecord
from tests.harness.twilio import Twilio, form
from tests.harness.waiting import until


def contacts(count: int) -> list[str]:
    """Addresses of contacts."""
    return [f"whatsapp:+4930{number:06d}" for number in range(count)]


class WebhookStream:
    """Posts messages at a steady rate.

    Each contact writes the next message when the last one was answered. A message that a dead
    worker does not answer is posted again, as Twilio does.
    """

    def __init__(self, twilio: Twilio, per_second: float) -> None:
        self._twilio = twilio
        self._pause_seconds = 1 / per_second
        # So many that one contact is free even if every answer takes three seconds.
        self._free = deque(contacts(int(4 * per_second)))
        self._posting: set[asyncio.Task[None]] = set()
        self._number = 0
        self.answered: dict[str, list[str]] = defaultdict(list)
        """By contact: the ids of the messages, in the order in which they were answered 204."""
        self.statuses: Counter[int] = Counter()
        self.slowest_seconds = 0.0

    @property
    def count(self) -> int:
        """Messages answered 204."""
        return self.statuses[204]

    async def run(self, seconds: float) -> None:
        """Post for so long, and wait until every message is answered."""
        began = time.monotonic()
        due = began
        while due < began + seconds:
            await asyncio.sleep(due - time.monotonic())
            due += self._pause_seconds
            task = asyncio.create_task(self._post(self._free.popleft()))
            self._posting.add(task)
            task.add_done_callback(self._posting.discard)
        await asyncio.gather(*self._posting)

    async def _post(self, contact: str) -> None:
        self._number += 1
        sid = f"SM{self._number:032d}"
        body = form(MessageSid=sid, From=contact, Body=f"message {self._number}")
        status = await until(lambda: self._status(body), "an answer")
        self.statuses[status] += 1
        if status == 204:
            self.answered[contact].append(sid)
        self._free.append(contact)

    async def _status(self, body: str) -> int:
        """Post a form; the status of the answer, or 0 when nobody answers."""
        began = time.monotonic()
        try:
            status = await self._twilio.post(body)
        except aiohttp.ClientError:
            return 0
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
        return status


def first_of_each(records: Iterable[ReadRecord]) -> dict[str, list[str]]:
    """By contact: the ids of the messages, in the order of their first records on a topic."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for record in records:
        data = record.data
        found[data["contact"]["address"]][data["provider_message_id"]] = None
    return {contact: list(ids) for contact, ids in found.items()}


def has_all(records: Sequence[ReadRecord], answered: dict[str, list[str]]) -> bool:
    """Whether records have every message that was answered."""
    found = first_of_each(records)
    return all(set(ids) <= set(found.get(contact, ())) for contact, ids in answered.items())
