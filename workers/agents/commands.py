"""The agent of all topics of commands: each command is applied once, and has one result."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from db.commands import (
    ACCEPTED,
    AppliedCommand,
    CommandKey,
    applied_commands,
    record_commands,
)
from db.connect import AnyConnection
from db.conversations import ConversationKey, conversation_key
from db.directory import ChannelKey, channels_by_id
from db.links import RequestKey
from db.messages import MessageKey, latest_messages, record_messages, recorded_messages
from db.sends import insert_sends
from domain.commands import decide_command
from domain.directory import Channel, Directory
from domain.linking import request_id
from domain.notes import FIRST_MESSAGES_MAX
from domain.outgoing import Message, Outgoing
from domain.sending import Send
from schemas.cloudevents import Incoming
from schemas.commands import CommandAccepted, CommandRejected, ConversationDelete
from schemas.fields import AccountId, ChannelId, Command, Emitted
from schemas.ids import reply_message_id
from schemas.links import ConversationLink
from schemas.messages import MessageSend
from schemas.notes import NoteMessage
from workers.agents.conversation_states import ConversationStates
from workers.agents.directory_cache import DirectoryCache
from workers.process import metrics


class ConversationCommands:
    """One batch of commands on conversations."""

    def __init__(self, topic: str, directories: DirectoryCache, app_url: str) -> None:
        self._topic = topic
        self._cache = directories
        self._app_url = app_url
        self._states = ConversationStates()
        self._applied: set[CommandKey] = set()
        """The commands that were applied before."""
        self._recorded: set[MessageKey] = set()
        self._directories: dict[AccountId, Directory] = {}
        self._channels: dict[ChannelKey, Channel] = {}
        self._latest: dict[ConversationKey, tuple[NoteMessage, ...]] = {}
        self._new: list[AppliedCommand] = []
        self._messages: list[Message] = []
        self._sends: list[Send] = []

    async def load(self, connection: AnyConnection, events: Sequence[Incoming[Command]]) -> None:
        """Lock the conversation states, and read which commands are repeats and what rules need."""
        keys = {conversation_key(event.data) for event in events}
        await self._states.load(connection, keys, _requests(events))
        self._applied = await applied_commands(
            connection, {(event.data.account_id, event.id) for event in events}
        )
        replies = {_reply_key(event) for event in events if isinstance(event.data, MessageSend)}
        self._recorded = await recorded_messages(connection, replies, "outbound")
        accounts = {account_id for account_id, _ in keys}
        self._directories = await self._cache.load(connection, accounts)
        channels = self._channel_keys(events)
        self._channels = {
            (channel.account_id, channel.channel_id): channel
            for channel in await channels_by_id(connection, channels)
        }
        linked = {
            conversation_key(event.data)
            for event in events
            if isinstance(event.data, ConversationLink)
        }
        self._latest = await latest_messages(
            connection,
            [key for key in linked if self._states[key].conversation],
            FIRST_MESSAGES_MAX,
        )

    def _channel_keys(self, events: Iterable[Incoming[Command]]) -> set[ChannelKey]:
        """Returns the channels of the conversations with a command whose rule needs the channel."""
        keys = set()
        for event in events:
            if isinstance(event.data, ConversationDelete | MessageSend):
                conversation = self._states[conversation_key(event.data)].conversation
                if conversation is not None:
                    keys.add((conversation.account_id, conversation.channel_id))
        return keys

    def decide(self, event: Incoming[Command], now: datetime) -> Iterable[Outgoing]:
        """Decide a command. A repeat changes nothing and emits nothing."""
        account_id, key = event.data.account_id, conversation_key(event.data)
        command = (account_id, event.id)
        # The message of a reply is kept longer than the id of its command: no repeat is ever sent.
        if command in self._applied or _reply_key(event) in self._recorded:
            metrics.DUPLICATES.labels(self._topic).inc()
            return ()
        self._applied.add(command)
        state = self._states[key]
        channel_id = state.conversation.channel_id if state.conversation else ChannelId("")
        decision = decide_command(
            state,
            event,
            now,
            self._directories[account_id],
            self._app_url,
            channel=self._channels.get((account_id, channel_id)),
            latest=self._latest.get(key, ()),
        )
        self._new.append(_applied(event, decision.outgoing[-1].data))
        if decision.state is not state:
            self._states[key] = decision.state
        if decision.message is not None:
            self._messages.append(decision.message)
            self._sends += decision.sends
        return decision.outgoing

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write what changed, and the outcomes of the commands."""
        await self._states.save(connection)
        await record_messages(connection, self._messages, now)
        await insert_sends(connection, self._sends)
        await record_commands(connection, self._new, now)


def _reply_key(event: Incoming[Any]) -> MessageKey:
    """Returns the key of the message of a reply; for any other command the key of no message."""
    account_id = event.data.account_id
    return account_id, reply_message_id(account_id, event.id)


def _applied(command: Incoming[Command], result: Emitted) -> AppliedCommand:
    """Returns what is recorded of a command. The last event that it emits is its result."""
    assert isinstance(result, CommandAccepted | CommandRejected)
    code = ACCEPTED if isinstance(result, CommandAccepted) else result.code.value
    return AppliedCommand(command.data.account_id, command.id, code, result.version)


def _requests(events: Iterable[Incoming[Command]]) -> set[RequestKey]:
    found = ((event, request_id(event)) for event in events)
    return {(*conversation_key(event.data), id_) for event, id_ in found if id_ is not None}
