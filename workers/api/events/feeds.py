"""All feeds of this process: which account a record belongs to, and which streams there are."""

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic

from msgspec import DecodeError, Struct
from msgspec.json import Decoder

from schemas.catalog import INBOUND, OUTBOUND
from schemas.cloudevents import Decoders
from schemas.errors import InvalidRecord
from schemas.fields import AccountId, UserId
from workers.api.api_pool import ApiPool
from workers.api.caller import Caller
from workers.api.events.feed import Feed
from workers.api.events.frames import HEARTBEAT, frame, payload, retry
from workers.api.events.ids import parse_event_id
from workers.api.events.recent import RECENT_SECONDS
from workers.api.events.stream import Stream
from workers.api.events.user_watch import AskPositions, UserWatch
from workers.api.problem import Problem
from workers.kafka.records import KafkaRecord
from workers.process import metrics
from workers.settings import Settings

log = logging.getLogger(__name__)

CHANGED_TOPICS = ("conversations", "messages.sent", "notifications")
DIRECTORY = "directory"
TOPICS = (*CHANGED_TOPICS, DIRECTORY)

ACCOUNT_STREAMS_MAX = 8000
"""Streams of one account in a process. Each costs about 30 KB. One user may have all of them: it
may stand for a program that runs many times."""

FEEDS_AT_ONCE = 4
"""So many feeds use Postgres at once: half of the connections."""

HEARTBEAT_SECONDS = 15.0
SWEEP_SECONDS = 1.0
RETRY_MILLISECONDS = 2000
STOP_RETRY_MILLISECONDS = (1000, 10_000)
"""When this process stops, each client comes back at a random time in between."""

RECENT_BYTES_MAX, RECENT_BYTES_TOTAL = 8 * 1024 * 1024, 64 * 1024 * 1024
"""What is kept for the clients that come back: of one account, and of all."""


class _Account(Struct):
    account_id: AccountId
    conversation_id: str = ""
    version: int = 0


class _Peek(Struct):
    """As much of an event of ours as tells whom it concerns."""

    data: _Account


_PEEK = Decoder(_Peek)


class Feeds:
    """The live events of every account that has a stream in this process."""

    def __init__(
        self,
        settings: Settings,
        pool: ApiPool,
        positions: AskPositions,
        recent_seconds: float = RECENT_SECONDS,
    ) -> None:
        """`positions` asks up to where the directory is applied. `recent_seconds` is for how long
        a client may be away and go on."""
        self._pool = pool
        self._positions = positions
        self._directory = settings.topic(DIRECTORY)
        self._decoders = {topic: Decoders(OUTBOUND[topic]) for topic in CHANGED_TOPICS}
        self._directory_decoders = Decoders(INBOUND[DIRECTORY])
        self._recent_seconds = recent_seconds
        self._feeds: dict[AccountId, Feed] = {}
        self._tasks: dict[AccountId, asyncio.Task[None]] = {}
        self._left_at: dict[AccountId, float] = {}
        """Since when each feed has no stream."""
        self._at_once = asyncio.Semaphore(FEEDS_AT_ONCE)
        self._is_stopping = False

    def take(self, topic: str, records: Sequence[KafkaRecord]) -> None:
        """Hand records to the feeds of their accounts. Other accounts' are not even decoded."""
        if not self._feeds:
            return
        take = self._take_directory if topic == DIRECTORY else self._take_event
        for record in records:
            take(topic, record)

    def placed(self) -> None:
        """Note that records may have been missed: all clients are to fetch again."""
        for feed in self._feeds.values():
            feed.lose()

    def _take_event(self, topic: str, record: KafkaRecord) -> None:
        value = record.value or b""
        try:
            about = _PEEK.decode(value).data
        except (DecodeError, UnicodeDecodeError):
            return  # nothing of ours
        feed = self._feeds.get(about.account_id)
        if feed is None:
            return
        try:
            event = self._decoders[topic].decode(value, record.headers, record.timestamp, _NEVER)
        except InvalidRecord:
            # Of a newer program: the conversation has changed, whatever it was.
            if topic == "conversations":
                feed.note_version(about.conversation_id, about.version)
            return
        feed.note(event.data)

    def _take_directory(self, _topic: str, record: KafkaRecord) -> None:
        try:
            event = self._directory_decoders.decode(
                record.value, record.headers, record.timestamp, _NEVER
            )
        except InvalidRecord:
            return  # a dead letter, which changes nothing
        feed = self._feeds.get(event.data.account_id)
        user_id: UserId | None = getattr(event.data, "user_id", None)
        if feed is not None and user_id is not None:
            feed.note_user(user_id, record.partition, record.offset)

    def check_room(self, caller: Caller) -> None:
        """Raise Problem if there may be no further stream of this account."""
        if self._is_stopping:
            raise Problem("unavailable", "this worker stops", {"Retry-After": "1"})
        feed = self._feeds.get(caller.account_id)
        if feed is not None and feed.streams_count >= ACCOUNT_STREAMS_MAX:
            raise Problem("too_many_requests", "too many streams", {"Retry-After": "10"})

    def open(
        self,
        caller: Caller,
        transport: asyncio.Transport,
        last_event_id: str | None,
        *,
        is_chunked: bool,
    ) -> Stream:
        """Returns a new stream, which has said hello. It joins its account's feed."""
        feed = self._feed_of(caller.account_id)
        stream = Stream(caller, transport, is_chunked=is_chunked)
        last = parse_event_id(last_event_id)
        resumes = feed.journal.after(last) is not None
        epoch, time = feed.journal.present.epoch, datetime.now(UTC)
        # The id of a client that fetches only now lets nobody go on: `reset` has one that does.
        id_ = last if last is not None and resumes else feed.journal.nothing
        hello = frame("hello", str(id_), {"epoch": epoch, "time": time})
        stream.send(payload([retry(RETRY_MILLISECONDS), hello]))
        feed.join(stream, caller.user, last)
        metrics.API_STREAMS.inc()
        if self._is_stopping:
            self._dismiss(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        """Forget a stream. Its feed stays for a while, for a client that comes back."""
        metrics.API_STREAMS.dec()
        feed = self._feeds.get(stream.account_id)
        if feed is not None:
            feed.leave(stream)
            if not feed.streams_count:
                self._left_at[stream.account_id] = monotonic()

    def _feed_of(self, account_id: AccountId) -> Feed:
        self._left_at.pop(account_id, None)
        feed = self._feeds.get(account_id)
        if feed is None:
            feed = self._feeds[account_id] = Feed(
                account_id,
                self._pool,
                UserWatch(account_id, self._directory, self._positions),
                self._at_once,
                self._recent_seconds,
            )
            self._tasks[account_id] = asyncio.create_task(feed.run())
        return feed

    async def run(self) -> None:
        """Look at all streams and feeds each second: for ever."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for feed in self._feeds.values():
                self._sweep(feed)
            self._drop_feeds()

    def _sweep(self, feed: Feed) -> None:
        now, moment = monotonic(), datetime.now(UTC)
        for stream in feed.streams:
            if stream.expires_at is not None and stream.expires_at <= moment:
                stream.end("expired")
            elif stream.is_open and now - stream.written_at >= HEARTBEAT_SECONDS:
                stream.send(HEARTBEAT)
        feed.journal.prune(min(RECENT_BYTES_MAX, RECENT_BYTES_TOTAL // len(self._feeds)))

    def _drop_feeds(self) -> None:
        """Drop the feeds to which no client can come back."""
        for account_id, left_at in list(self._left_at.items()):
            if monotonic() - left_at > self._recent_seconds:
                del self._left_at[account_id], self._feeds[account_id]
                self._tasks.pop(account_id).cancel()

    def stop(self) -> None:
        """End all streams, and take no more. The clients come back at different times."""
        self._is_stopping = True
        for feed in self._feeds.values():
            for stream in feed.streams:
                self._dismiss(stream)

    def _dismiss(self, stream: Stream) -> None:
        milliseconds = random.randint(*STOP_RETRY_MILLISECONDS)  # noqa: S311  # spreads load
        stream.end("stopped", payload([retry(milliseconds)]))

    def close(self) -> None:
        """Stop all feeds."""
        for task in self._tasks.values():
            task.cancel()


_NEVER = datetime.min.replace(tzinfo=UTC)
"""Nobody asks for the time of these events."""
