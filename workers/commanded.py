"""The agent of `assignments` and `lifecycle`: commands on conversations, each applied once."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from db.commands import CommandKey, applied_commands, record_commands
from db.connect import AnyConnection
from db.conversations import ConversationKey, lock_conversations, save_conversations
from domain.commands import AnyCommand, decide_command
from domain.conversation import Conversation
from domain.decision import Outgoing
from domain.directory import Directory
from schemas.cloudevents import Incoming
from schemas.fields import AccountId, ConversationId
from workers import metrics
from workers.directories import Directories


class Commands:
    """One batch of commands."""

    def __init__(self, topic: str, directories: Directories, app_url: str) -> None:
        self._topic = topic
        self._cache = directories
        self._app_url = app_url
        self._conversations: dict[ConversationKey, Conversation] = {}
        self._before: dict[ConversationKey, Conversation] = {}
        self._applied: set[CommandKey] = set()
        self._answered: list[CommandKey] = []
        self._directories: dict[AccountId, Directory] = {}

    async def load(self, connection: AnyConnection, events: Sequence[Incoming[AnyCommand]]) -> None:
        """Lock the conversations, and find out which commands are answered already."""
        conversations = {_key(event) for event in events}
        self._before = await lock_conversations(connection, conversations)
        self._conversations = dict(self._before)
        self._applied = await applied_commands(
            connection, {(event.data.account_id, event.id) for event in events}
        )
        accounts = {account_id for account_id, _ in conversations}
        self._directories = await self._cache.load(connection, accounts)

    def decide(self, event: Incoming[AnyCommand], now: datetime) -> Iterable[Outgoing]:
        """Answer a command; a repeat changes nothing and emits nothing."""
        command = (event.data.account_id, event.id)
        if command in self._applied:
            metrics.DUPLICATES.labels(self._topic).inc()
            return ()
        self._applied.add(command)
        self._answered.append(command)
        key = _key(event)
        directory = self._directories[event.data.account_id]
        before = self._conversations.get(key)
        decision = decide_command(before, event, now, directory, self._app_url)
        if decision.state is not None:
            self._conversations[key] = decision.state
        return decision.outgoing

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write the conversations that changed, and remember the commands."""
        changed = [
            conversation
            for key, conversation in self._conversations.items()
            if conversation is not self._before.get(key)
        ]
        await save_conversations(connection, new=(), changed=changed)
        await record_commands(connection, self._answered, now)


def _key(event: Incoming[AnyCommand]) -> ConversationKey:
    return event.data.account_id, ConversationId(str(event.data.conversation_id))
