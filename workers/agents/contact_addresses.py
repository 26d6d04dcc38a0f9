"""Where the addresses of one batch's contacts lead, and what changes of it."""

from collections import defaultdict
from collections.abc import Iterable, Set
from datetime import datetime

from msgspec.structs import replace

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.identities import load_identities, save_identities
from domain.conversation import Conversation
from domain.decision import Outgoing
from domain.identities import Alias, Find, Meeting, addresses, end, lead, meet
from schemas.cloudevents import Incoming
from schemas.fields import AccountId, ConversationId
from schemas.messages import MessageReceived
from workers.agents.conversation_states import Threads


class Contacts:
    """The contacts of a batch, over its threads."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._aliases: dict[AccountId, dict[ConversationId, ConversationId]] = defaultdict(dict)
        self._new: list[Alias] = []
        self._ended: set[ConversationKey] = set()

    async def load(self, connection: AnyConnection, keys: Set[ConversationKey]) -> None:
        """Lock and read the threads of addresses, and those that they lead to."""
        await self._threads.load(connection, keys)
        missing = [key for key in keys if self._threads[key].conversation is None]
        led = await load_identities(connection, missing)
        ahead, loaded = self._pointers(keys), set(keys)
        for (account_id, alias_id), leads_to in led.items():
            self._aliases[account_id][alias_id] = leads_to
            ahead.add((account_id, leads_to))
        while ahead := ahead - loaded:
            await self._threads.load(connection, ahead)
            loaded |= ahead
            ahead = self._pointers(ahead)

    def _pointers(self, keys: Iterable[ConversationKey]) -> set[ConversationKey]:
        found = set()
        for key in keys:
            conversation = self._threads[key].conversation
            if conversation is not None and conversation.merged_into is not None:
                found.add((conversation.account_id, conversation.merged_into))
        return found

    def meet(self, data: MessageReceived, own: ConversationId) -> Meeting:
        """What the addresses of a message lead to by now; `own` is the one it was sent from."""
        conversation = self._threads[data.account_id, own].conversation
        if (
            conversation is not None
            and conversation.merged_into is None
            and not data.contact.identities
        ):
            # Nearly always so, and the rule would say the same.
            return Meeting(own, (), (), (own,))
        named = tuple(addresses(data))
        return meet(named, self._find(data.account_id), self._aliases[data.account_id])

    def _find(self, account_id: AccountId) -> Find:
        def find(conversation_id: ConversationId) -> Conversation | None:
            return self._threads[account_id, conversation_id].conversation

        return find

    def settle(
        self, meeting: Meeting, event: Incoming[MessageReceived], now: datetime
    ) -> tuple[Outgoing, ...]:
        """Have all addresses of a message lead to its conversation, in which it is by now."""
        data, taker = event.data, meeting.taker
        if meeting.strays:
            named = addresses(data)
            for alias_id in meeting.strays:
                self._aliases[data.account_id][alias_id] = taker
                alias = Alias(data.account_id, alias_id, taker, data.channel_id, named[alias_id])
                self._new.append(alias)
        said: tuple[Outgoing, ...] = ()
        for younger in meeting.younger:
            key = (data.account_id, younger.conversation_id)
            ended, outgoing = end(younger, taker, event.id, now)
            self._threads[key] = replace(self._threads[key], conversation=ended)
            self._ended.add(key)
            said += outgoing
        return said

    async def save(self, connection: AnyConnection) -> None:
        """Write the threads, and where addresses lead."""
        await self._threads.save(connection, self._new)
        # A later message of the batch may have ended what an earlier one's addresses led to.
        new = [replace(alias, conversation_id=self._lead(*_key(alias))) for alias in self._new]
        await save_identities(connection, new, {key: self._lead(*key) for key in self._ended})

    def _lead(self, account_id: AccountId, address: ConversationId) -> ConversationId:
        found = lead(address, self._find(account_id), self._aliases[account_id])
        assert found is not None
        return found.conversation_id


def _key(alias: Alias) -> ConversationKey:
    return alias.account_id, alias.alias_id
