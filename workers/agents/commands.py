"""The agent of every topic of commands: each command is applied once, with one result."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from db.commands import CommandKey, applied_commands, record_commands
from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.directory import ChannelKey, channels_by_id
from db.links import RequestKey
from db.messages import MessageKey, latest_messages, record_messages, recorded_messages
from db.sends import insert_sends
from domain.commands import decide_command
from domain.decision import Message, Outgoing
from domain.directory import Channel, Directory
from domain.linking import request_id
from domain.notes import FIRST_MESSAGES_MAX
from domain.sending import Send
from schemas.cloudevents import Incoming
from schemas.commands import ConversationDelete
from schemas.fields import AccountId, ChannelId, Command, ConversationId
from schemas.ids import reply_message_id
from schemas.links import ConversationLink
from schemas.messages import MessageSend
from schemas.notes import NoteMessage
from workers.agents.conversation_states import Threads
from workers.agents.directory_cache import Directories
from workers.process import metrics


class Commands:
    """One batch of commands."""

    def __init__(self, topic: str, directories: Directories, app_url: str) -> None:
        self._topic = topic
        self._cache = directories
        self._app_url = app_url
        self._threads = Threads()
        self._applied: set[CommandKey] = set()
        self._recorded: set[MessageKey] = set()
        self._directories: dict[AccountId, Directory] = {}
        self._channels: dict[ChannelKey, Channel] = {}
        self._latest: dict[ConversationKey, tuple[NoteMessage, ...]] = {}
        self._answered: list[CommandKey] = []
        self._messages: list[Message] = []
        self._sends: list[Send] = []

    async def load(self, connection: AnyConnection, events: Sequence[Incoming[Command]]) -> None:
        """Lock the threads; read which commands are answered, and what their rules ask for."""
        keys = {_key(event) for event in events}
        await self._threads.load(connection, keys, _requests(events))
        self._applied = await applied_commands(
            connection, {(event.data.account_id, event.id) for event in events}
        )
        replies = {_reply(event) for event in events if isinstance(event.data, MessageSend)}
        self._recorded = await recorded_messages(connection, replies, "outbound")
        accounts = {account_id for account_id, _ in keys}
        self._directories = await self._cache.load(connection, accounts)
        channels = self._channel_keys(events)
        self._channels = {
            (channel.account_id, channel.channel_id): channel
            for channel in await channels_by_id(connection, channels)
        }
        linked = {_key(event) for event in events if isinstance(event.data, ConversationLink)}
        self._latest = await latest_messages(
            connection,
            [key for key in linked if self._threads[key].conversation],
            FIRST_MESSAGES_MAX,
        )

    def _channel_keys(self, events: Iterable[Incoming[Command]]) -> set[ChannelKey]:
        """The channels of those conversations whose commands' rules ask for it."""
        keys = set()
        for event in events:
            if isinstance(event.data, ConversationDelete | MessageSend):
                conversation = self._threads[_key(event)].conversation
                if conversation is not None:
                    keys.add((conversation.account_id, conversation.channel_id))
        return keys

    def decide(self, event: Incoming[Command], now: datetime) -> Iterable[Outgoing]:
        """Answer a command; a repeat changes nothing and emits nothing."""
        account_id, key = event.data.account_id, _key(event)
        command = (account_id, event.id)
        # A reply is known by its message for longer than by its command: never is it sent again.
        if command in self._applied or _reply(event) in self._recorded:
            metrics.DUPLICATES.labels(self._topic).inc()
            return ()
        self._applied.add(command)
        self._answered.append(command)
        thread = self._threads[key]
        channel_id = thread.conversation.channel_id if thread.conversation else ChannelId("")
        decision = decide_command(
            thread,
            event,
            now,
            self._directories[account_id],
            self._app_url,
            channel=self._channels.get((account_id, channel_id)),
            latest=self._latest.get(key, ()),
        )
        if decision.thread is not thread:
            self._threads[key] = decision.thread
        if decision.message is not None:
            self._messages.append(decision.message)
            self._sends += decision.sends
        return decision.outgoing

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write what changed, and remember the commands."""
        await self._threads.save(connection)
        await record_messages(connection, self._messages, now)
        await insert_sends(connection, self._sends)
        await record_commands(connection, self._answered, now)


def _key(event: Incoming[Any]) -> ConversationKey:
    return event.data.account_id, ConversationId(str(event.data.conversation_id))


def _reply(event: Incoming[Any]) -> MessageKey:
    """The message that a command would be, were it a reply."""
    account_id = event.data.account_id
    return account_id, reply_message_id(account_id, event.id)


def _requests(events: Iterable[Incoming[Command]]) -> set[RequestKey]:
    named = ((event, request_id(event)) for event in events)
    return {(*_key(event), id_) for event, id_ in named if id_ is not None}
