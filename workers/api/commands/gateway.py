"""The way of what the API changes: published to Kafka, and then waited for."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from db.commands import CommandKey, Outcome, applied_commands, load_outcome
from db.conversations import has_conversation
from db.errors import is_transient
from db.positions import Partition, stored_positions
from schemas.cloudevents import CloudEvent
from schemas.fields import AccountId, Command, ConversationId, EventData
from schemas.messages import MessageSend
from workers.api.api_pool import ApiPool
from workers.api.commands.held_addresses import HeldAddresses
from workers.api.commands.listener import COMMAND_TOPICS, CommandsListener
from workers.api.commands.publishing import PUBLISH_SECONDS, Publishing
from workers.api.commands.unapplied import UnappliedCommands
from workers.api.commands.waiting import WaitingRequests
from workers.api.problem import not_found
from workers.api.shared import Shared
from workers.api.topic_follower import TopicFollower
from workers.settings import Settings

SOURCE = "/inbox/api"
"""The `source` of everything that the API publishes."""

RESULT_SECONDS = 2.0
"""How long a request waits for the result of its command, once Kafka has the command."""

POLL_SECONDS = 0.25
OVERDUE_SECONDS = 0.5
"""A result that did not come within this time from Kafka is looked for in Postgres: the command may
be a repeat, which has none, or the follower may have missed it."""

APPLIED_PAUSE_SECONDS = 0.03
"""How long to wait before the position of the directory is read again."""


class Commands:
    """Publishes commands and changes of the directory, and knows what became of them."""

    def __init__(self, settings: Settings, pool: ApiPool, checked: asyncio.Event) -> None:
        """Nothing is published before `checked` is set: the database may be of other topics."""
        self._settings = settings
        self._pool = pool
        self._publishing = Publishing(settings, checked)
        self._waiting = WaitingRequests()
        self._unapplied = UnappliedCommands()
        self.listener = CommandsListener(self._waiting, self._unapplied)
        """What a follower of its topics has to tell. It begins at `positions_of_commands`."""
        self.addresses = HeldAddresses()
        """Those to which channels are being connected."""
        self._directory_topic = settings.topic("directory")
        self._directory = Shared(self._load_directory_positions)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to publish and to follow, as soon as Kafka and Postgres answer."""
        work = (self._publishing.run, self._poll)
        self._tasks = [asyncio.create_task(each(), name=each.__qualname__) for each in work]

    async def run(self) -> None:
        """Wait, for ever unless a task that `start` began ends. Raises the error that ended it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def close(self) -> None:
        """Publish and follow no more. Until then requests under way are answered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def submit(self, command: Command, command_id: str) -> Outcome | None:
        """Publish a command, unless it is applied already. Returns its outcome.

        None: there was none within RESULT_SECONDS. Raises Problem, and KafkaError and TimeoutError
        when Kafka may have the command or not.
        """
        key = (command.account_id, command_id)
        # Before anything is read or published: no result can come in unnoticed.
        with self._waiting.result_of(key) as result:
            known = await self._known_outcome(command, key)
            if known is not None:
                return known
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self.listener.ready.wait()
            subject = str(command.conversation_id)
            await self._publishing.publish(_event(command, command_id, subject=subject))
            await asyncio.wait([result], timeout=RESULT_SECONDS)
            return result.result() if result.done() else None

    async def _known_outcome(self, command: Command, key: CommandKey) -> Outcome | None:
        """Returns the outcome of a command that is applied already.

        Raises Problem if neither the command nor its conversation is known.
        """
        account_id, conversation_id = command.account_id, str(command.conversation_id)
        async with self._pool.acquire() as connection:
            # In this order: the deletion itself may be what is asked for again.
            exists = await has_conversation(connection, account_id, ConversationId(conversation_id))
            # The message of a reply answers a repeat of the reply alone.
            is_reply = isinstance(command, MessageSend)
            outcome = await load_outcome(connection, *key, by_message=is_reply)
        if not exists and outcome is None:
            raise not_found()
        return outcome

    async def outcome_of(
        self, account_id: AccountId, command_id: str, follower: TopicFollower
    ) -> Outcome | None:
        """Returns the outcome of a command; None if it has none yet, or may not have been sent.

        `follower` is the one that tells the listener. Raises Problem if the account surely never
        sent the command.
        """
        key = (account_id, command_id)
        sent, outcome = await self._look_up(key)
        if sent or outcome is not None:
            return outcome
        read_all = await follower.has_taken_all(COMMAND_TOPICS)
        sent, outcome = await self._look_up(key)
        if not sent and outcome is None and read_all and self._unapplied.is_whole:
            raise not_found()
        return outcome

    async def _look_up(self, key: CommandKey) -> tuple[bool, Outcome | None]:
        """Returns whether a command is known to be sent and not applied, and its outcome."""
        # In this order: a command that is not in the set any more has its outcome by now.
        sent = key in self._unapplied
        async with self._pool.acquire() as connection:
            # What is not applied yet may have the id of a reply whose own command is pruned.
            return sent, await load_outcome(connection, *key, by_message=not sent)

    async def change_directory(self, change: EventData, event_id: str) -> bool:
        """Publish a change of the directory. Returns whether Postgres shows it within
        RESULT_SECONDS. Raises as `submit`."""
        with self._waiting.result_of((change.account_id, event_id)):
            sent = await self._publishing.publish(_event(change, event_id))
            # After some failures Kafka acknowledges without an offset.
            return sent.offset >= 0 and await self._is_applied(sent.partition, sent.offset)

    async def _is_applied(self, partition: int, offset: int) -> bool:
        try:
            async with asyncio.timeout(RESULT_SECONDS):
                while await self._position(partition) <= offset:  # noqa: ASYNC110  # no signal
                    await asyncio.sleep(APPLIED_PAUSE_SECONDS)
        except Exception as error:
            if not is_transient(error):
                raise
            return False
        return True

    async def _position(self, partition: int) -> int:
        positions = await self.directory_positions()
        return positions.get((self._directory_topic, partition), 0)

    async def directory_positions(self) -> Mapping[Partition, int]:
        """Returns up to where the directory is applied. Many may ask at the same time."""
        return await self._directory.get()

    async def _load_directory_positions(self) -> dict[Partition, int]:
        async with self._pool.acquire() as connection:
            return await stored_positions(connection, [self._directory_topic])

    async def _poll(self) -> None:
        """Look for results in Postgres, and forget commands that are applied, for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._find_overdue()
                await self._forget_applied()
            except Exception as error:
                if not is_transient(error):
                    raise

    async def _find_overdue(self) -> None:
        overdue = self._waiting.longer_than(OVERDUE_SECONDS)
        if not overdue:
            return
        async with self._pool.acquire() as connection:
            for key in await applied_commands(connection, overdue):
                outcome = await load_outcome(connection, *key)
                if outcome is not None:
                    self._waiting.resolve(key, outcome)

    async def _forget_applied(self) -> None:
        if not self._unapplied and self._unapplied.is_whole:
            return
        self._unapplied.forget_applied(await self.positions_of_commands())

    async def positions_of_commands(self) -> dict[Partition, int]:
        """Returns up to where commands are applied, for each partition of their topics."""
        topics = [self._settings.topic(name) for name in COMMAND_TOPICS]
        numbers = range(self._settings.partitions)
        none = dict.fromkeys(((topic, number) for topic in topics for number in numbers), 0)
        async with self._pool.acquire() as connection:
            return none | await stored_positions(connection, topics)


def _event(data: EventData, event_id: str, **attributes: Any) -> CloudEvent:
    return CloudEvent(event_id, data.TYPE, datetime.now(UTC), data, source=SOURCE, **attributes)
