"""The agent of `messages.received`: record the messages of contacts."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.messages import (
    AnsweredMessage,
    MessageKey,
    ProviderKey,
    answered_messages,
    record_messages,
    recorded_messages,
    words_of,
)
from domain.audience import preview
from domain.conversation_state import ConversationState
from domain.directory import Directory
from domain.identities import addresses
from domain.messages import MessageIds, decide_message, derive_ids, is_erased
from domain.outgoing import Message, Outgoing
from schemas.cloudevents import Incoming
from schemas.fields import AccountId, ChannelId, ConversationId
from schemas.messages import MessageReceived
from workers.agents.contact_addresses import ContactAddresses
from workers.agents.conversation_states import ConversationStates
from workers.agents.directory_cache import DirectoryCache
from workers.agents.last_received import LastReceived
from workers.process import metrics

TOPIC = "messages.received"

MessageSource = tuple[AccountId, ChannelId, str, str]


def message_source(data: MessageReceived) -> MessageSource:
    """Returns the fields from which `derive_ids` derives the ids: the key of a message in a batch.

    Equal keys have equal ids. The id of the event would be no key: careless publishers give one id
    to two messages.
    """
    return data.account_id, data.channel_id, data.contact.address, data.provider_message_id


def answer_key(data: MessageReceived) -> ProviderKey | None:
    """Returns the key of the message that one answers; None if it answers none."""
    if data.context is None or data.context.in_reply_to is None:
        return None
    return data.account_id, data.channel_id, data.context.in_reply_to


class ReceivedMessages:
    """One batch of received messages."""

    def __init__(
        self, directories: DirectoryCache, last_received: LastReceived, app_url: str
    ) -> None:
        self._cache = directories
        self._last_received = last_received
        self._app_url = app_url
        self._ids: dict[MessageSource, MessageIds] = {}
        self._states = ConversationStates()
        self._addresses = ContactAddresses(self._states)
        self._opened = 0
        """The number of conversations that this batch opened."""
        self._recorded: set[MessageKey] = set()
        self._answers: set[ProviderKey] = set()
        """The keys of the messages that those of this batch answer."""
        self._answered: dict[ProviderKey, AnsweredMessage] = {}
        """Those of them that are recorded, in this batch too."""
        self._messages: list[Message] = []
        self._directories: dict[AccountId, Directory] = {}

    async def load(
        self, connection: AnyConnection, events: Sequence[Incoming[MessageReceived]]
    ) -> None:
        """Lock the conversation states, and read which messages are recorded already."""
        conversations: set[ConversationKey] = set()
        messages: set[MessageKey] = set()
        for event in events:
            account_id = event.data.account_id
            ids = self._ids[message_source(event.data)] = derive_ids(event.data)
            conversations.add((account_id, ids.conversation_id))
            messages.add((account_id, ids.message_id))
            if event.data.contact.identities:
                conversations |= {(account_id, id_) for id_ in addresses(event.data)}
            if (answer := answer_key(event.data)) is not None:
                self._answers.add(answer)
        await self._addresses.load(connection, conversations)
        self._recorded = await recorded_messages(connection, messages, "inbound")
        self._answered = await answered_messages(connection, self._answers)
        accounts = {account_id for account_id, _ in conversations}
        self._directories = await self._cache.load(connection, accounts)

    def decide(self, event: Incoming[MessageReceived], now: datetime) -> Iterable[Outgoing]:
        """Record a new message. A repeat changes nothing and emits nothing."""
        account_id = event.data.account_id
        own, message_id = self._ids[message_source(event.data)]
        if (account_id, message_id) in self._recorded:
            metrics.DUPLICATES.labels(TOPIC).inc()
            return ()
        route = self._addresses.find_route(event.data, own)
        if any(is_erased(self._states[account_id, id_], event.data) for id_ in route.candidates):
            metrics.ERASED.inc()
            return ()
        self._recorded.add((account_id, message_id))
        key = (account_id, route.taker)
        before = self._states[key]
        decision = decide_message(
            before,
            event,
            now,
            self._directories[account_id],
            self._app_url,
            ids=MessageIds(route.taker, message_id),
            opened_at=self._opened_at(key, now),
            takes_over=any(younger.status == "open" for younger in route.younger),
            answered=words_of(self._answered, answer_key(event.data), route.taker),
        )
        self._states[key] = decision.state
        if _assignee_of(before) != _assignee_of(decision.state):
            metrics.UNASSIGNED.labels("message").inc()
        assert decision.message is not None
        self._messages.append(decision.message)
        self._remember_answered(event.data, route.taker)
        return decision.outgoing + self._addresses.merge(route, event, now)

    def _remember_answered(self, data: MessageReceived, conversation_id: ConversationId) -> None:
        """Keep the first words of a message if one of this batch answers it."""
        key = data.account_id, data.channel_id, data.provider_message_id
        if key in self._answers:
            words = preview(data.body, ())
            self._answered.setdefault(key, AnsweredMessage(conversation_id, words))

    def _opened_at(self, key: ConversationKey, now: datetime) -> datetime | None:
        """Returns the creation time of a new conversation; one batch opens each at another time."""
        if self._states[key].conversation is not None:
            return None
        opened_at = now + timedelta(microseconds=self._opened)
        self._opened += 1
        return opened_at

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write the messages, each conversation once, and where addresses lead.

        Last comes what messages that cannot be stored must not change.
        """
        await self._addresses.save(connection)
        await record_messages(connection, self._messages, now)
        await self._last_received.save(connection, self._messages, now)


def _assignee_of(state: ConversationState) -> str | None:
    return state.conversation.assignee_id if state.conversation else None
