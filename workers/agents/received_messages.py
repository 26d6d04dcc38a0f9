"""The agent of `messages.received`: record contacts' messages."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.messages import MessageKey, record_messages, recorded_messages
from domain.decision import Message, Outgoing
from domain.directory import Directory
from domain.identities import addresses
from domain.messages import Identity, decide_message, identify, is_erased
from schemas.cloudevents import Incoming
from schemas.fields import AccountId
from schemas.messages import MessageReceived
from workers.agents.contact_addresses import Contacts
from workers.agents.conversation_states import Threads
from workers.agents.directory_cache import Directories
from workers.process import metrics

TOPIC = "messages.received"


class ReceivedMessages:
    """One batch of received messages."""

    def __init__(self, directories: Directories, app_url: str) -> None:
        self._cache = directories
        self._app_url = app_url
        # By the event's own identity: each event is one object for as long as its batch lives.
        self._identities: dict[int, Identity] = {}
        self._threads = Threads()
        self._contacts = Contacts(self._threads)
        self._opened = 0
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
            if event.data.contact.identities:
                conversations |= {(account_id, named) for named in addresses(event.data)}
        await self._contacts.load(connection, conversations)
        self._recorded = await recorded_messages(connection, messages, "inbound")
        accounts = {account_id for account_id, _ in conversations}
        self._directories = await self._cache.load(connection, accounts)

    def decide(self, event: Incoming[MessageReceived], now: datetime) -> Iterable[Outgoing]:
        """Record a message that is new; a repeat changes nothing and emits nothing."""
        account_id = event.data.account_id
        own, message_id = self._identities[id(event)]
        if (account_id, message_id) in self._recorded:
            metrics.DUPLICATES.labels(TOPIC).inc()
            return ()
        meeting = self._contacts.meet(event.data, own)
        if any(is_erased(self._threads[account_id, id_], event.data) for id_ in meeting.past):
            metrics.ERASED.inc()
            return ()
        self._recorded.add((account_id, message_id))
        key = (account_id, meeting.taker)
        decision = decide_message(
            self._threads[key],
            event,
            now,
            self._directories[account_id],
            self._app_url,
            identity=Identity(meeting.taker, message_id),
            opened_at=self._opened_at(key, now),
            takes_over=any(younger.status == "open" for younger in meeting.younger),
        )
        self._threads[key] = decision.thread
        assert decision.message is not None
        self._messages.append(decision.message)
        return decision.outgoing + self._contacts.settle(meeting, event, now)

    def _opened_at(self, key: ConversationKey, now: datetime) -> datetime | None:
        """When a new conversation counts as made: those of one batch keep their order."""
        if self._threads[key].conversation is not None:
            return None
        opened_at = now + timedelta(microseconds=self._opened)
        self._opened += 1
        return opened_at

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write the messages, each thread once, and where addresses lead."""
        await self._contacts.save(connection)
        await record_messages(connection, self._messages, now)
