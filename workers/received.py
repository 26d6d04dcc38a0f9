"""The agent of `messages.received`: record contacts' messages."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.messages import MessageKey, record_messages, recorded_messages
from domain.decision import Message, Outgoing
from domain.directory import Directory
from domain.messages import Identity, decide_message, identify, is_erased
from schemas.cloudevents import Incoming
from schemas.fields import AccountId
from schemas.messages import MessageReceived
from workers import metrics
from workers.directories import Directories
from workers.threads import Threads

TOPIC = "messages.received"


class ReceivedMessages:
    """One batch of received messages."""

    def __init__(self, directories: Directories, app_url: str) -> None:
        self._cache = directories
        self._app_url = app_url
        # By the event's own identity: each event is one object for as long as its batch lives.
        self._identities: dict[int, Identity] = {}
        self._threads = Threads()
        self._recorded: set[MessageKey] = set()
        self._messages: list[Message] = []
        self._directories: dict[AccountId, Directory] = {}

    async def load(
        self, connection: AnyConnection, events: Sequence[Incoming[MessageReceived]]
    ) -> None:
        """Lock the threads, and find out which messages are known already."""
        conversations: set[ConversationKey] = set()
        messages: set[MessageKey] = set()
        for event in events:
            account_id = event.data.account_id
            identity = self._identities[id(event)] = identify(event.data)
            conversations.add((account_id, identity.conversation_id))
            messages.add((account_id, identity.message_id))
        await self._threads.load(connection, conversations)
        self._recorded = await recorded_messages(connection, messages, "inbound")
        accounts = {account_id for account_id, _ in conversations}
        self._directories = await self._cache.load(connection, accounts)

    def decide(self, event: Incoming[MessageReceived], now: datetime) -> Iterable[Outgoing]:
        """Record a message that is new; a repeat changes nothing and emits nothing."""
        account_id = event.data.account_id
        identity = self._identities[id(event)]
        message_key = (account_id, identity.message_id)
        if message_key in self._recorded:
            metrics.DUPLICATES.labels(TOPIC).inc()
            return ()
        key = (account_id, identity.conversation_id)
        thread, directory = self._threads[key], self._directories[account_id]
        if is_erased(thread, event.data):
            metrics.ERASED.inc()
            return ()
        self._recorded.add(message_key)
        decision = decide_message(thread, event, now, directory, self._app_url, identity=identity)
        self._threads[key] = decision.thread
        assert decision.message is not None
        self._messages.append(decision.message)
        return decision.outgoing

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write the messages, and each thread once."""
        await self._threads.save(connection)
        await record_messages(connection, self._messages, now)
