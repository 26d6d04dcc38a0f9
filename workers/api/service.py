"""The parts of the API: what its operations work with."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from workers.api.access.admission import Admission
from workers.api.api_pool import ApiPool
from workers.api.commands.gateway import Commands
from workers.api.entity_search import EntitySearch
from workers.api.events.feeds import TOPICS, Feeds
from workers.api.media.fetcher import MediaFetcher
from workers.api.topic_follower import Listener, TopicFollower
from workers.settings import Settings, required

CONNECTIONS_MAX = 8


class Api:
    """All parts of the API of one process."""

    def __init__(self, settings: Settings, checked: asyncio.Event) -> None:
        """The pool connects when first used, so the API starts without Postgres.

        Nothing is published before `checked` is set: the database may be of other topics.
        """
        self.settings = settings
        url = required(settings.api_database_url, "INBOX_API_DATABASE_URL")
        self.pool = ApiPool(url, CONNECTIONS_MAX)
        self.pool_of_watch = ApiPool(url, 1)
        """Of the watch on Postgres, which must not wait for requests."""
        self.admission = Admission(settings, self.pool)
        self.commands = Commands(settings, self.pool, checked)
        self.events = Feeds(settings, self.pool, self.commands.directory_positions)
        listeners: dict[str, Listener] = dict.fromkeys(TOPICS, self.events)
        listeners |= dict.fromkeys(self.commands.listener.topics, self.commands.listener)
        self.follower = TopicFollower(settings, listeners, self.commands.positions_of_commands)
        self.media = MediaFetcher(settings)
        self.entities = EntitySearch(settings.crm_search_url)
        self._checked = checked

    async def start(self) -> None:
        """Start what needs neither Kafka nor Postgres to answer."""
        await self.pool.open()
        await self.pool_of_watch.open()
        await self.media.start()
        await self.entities.start()
        self.commands.start()

    def work(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What runs for as long as the worker does, and must never fail."""
        return (self.commands.run(), self.events.run(), self._follow())

    async def _follow(self) -> None:
        await self._checked.wait()
        await self.follower.run()

    async def stop(self) -> None:
        """Begin nothing more, and end the streams."""
        self.events.stop()

    async def close(self) -> None:
        """Release everything."""
        await self.commands.close()
        await self.media.close()
        await self.entities.close()
        self.events.close()
        self.pool.close()
        self.pool_of_watch.close()
