"""The addresses of a batch's contacts: to which conversations they lead, and what changes."""

from collections import defaultdict
from collections.abc import Iterable, Set
from datetime import datetime

from msgspec.structs import replace

from db.connect import AnyConnection
from db.conversations import ConversationKey
from db.identities import load_identities, save_identities
from domain.conversation import Conversation
from domain.identities import Alias, Find, MessageRoute, addresses, end, find_route, lead
from domain.outgoing import Outgoing
from schemas.cloudevents import Incoming
from schemas.fields import AccountId, ConversationId
from schemas.messages import MessageReceived
from workers.agents.conversation_states import ConversationStates


class ContactAddresses:
    """The addresses of one batch, on top of its conversation states."""

    def __init__(self, states: ConversationStates) -> None:
        self._states = states
        self._aliases: dict[AccountId, dict[ConversationId, ConversationId]] = defaultdict(dict)
        """For addresses without an own conversation: the conversation that each leads to."""
        self._new: list[Alias] = []
        self._ended: set[ConversationKey] = set()
        """Conversations that ended in favour of an older one."""

    async def load(self, connection: AnyConnection, keys: Set[ConversationKey]) -> None:
        """Lock and read the own conversations of addresses, and all to which they lead."""
        await self._states.load(connection, keys)
        missing = [key for key in keys if self._states[key].conversation is None]
        aliases = await load_identities(connection, missing)
        following, loaded = self._merged_into(keys), set(keys)
        for (account_id, alias_id), leads_to in aliases.items():
            self._aliases[account_id][alias_id] = leads_to
            following.add((account_id, leads_to))
        while following := following - loaded:
            await self._states.load(connection, following)
            loaded |= following
            following = self._merged_into(following)

    def _merged_into(self, keys: Iterable[ConversationKey]) -> set[ConversationKey]:
        found = set()
        for key in keys:
            conversation = self._states[key].conversation
            if conversation is not None and conversation.merged_into is not None:
                found.add((conversation.account_id, conversation.merged_into))
        return found

    def find_route(self, data: MessageReceived, own: ConversationId) -> MessageRoute:
        """Returns the route of a message at present; `own` is the id of its sending address."""
        conversation = self._states[data.account_id, own].conversation
        if (
            conversation is not None
            and conversation.merged_into is None
            and not data.contact.identities
        ):
            # A short cut for nearly all messages; the rule would return the same.
            return MessageRoute(own, (), (), (own,))
        listed = tuple(addresses(data))
        return find_route(listed, self._find(data.account_id), self._aliases[data.account_id])

    def _find(self, account_id: AccountId) -> Find:
        def find(conversation_id: ConversationId) -> Conversation | None:
            return self._states[account_id, conversation_id].conversation

        return find

    def merge(
        self, route: MessageRoute, event: Incoming[MessageReceived], now: datetime
    ) -> tuple[Outgoing, ...]:
        """Lead all addresses of a message to its taker; returns the events of those that end.

        The message is recorded in the taker already.
        """
        data, taker = event.data, route.taker
        if route.new_aliases:
            by_id = addresses(data)
            for alias_id in route.new_aliases:
                self._aliases[data.account_id][alias_id] = taker
                alias = Alias(data.account_id, alias_id, taker, data.channel_id, by_id[alias_id])
                self._new.append(alias)
        outgoing: tuple[Outgoing, ...] = ()
        for younger in route.younger:
            key = (data.account_id, younger.conversation_id)
            ended, more = end(younger, taker, event.id, now)
            self._states[key] = replace(self._states[key], conversation=ended)
            self._ended.add(key)
            outgoing += more
        return outgoing

    async def save(self, connection: AnyConnection) -> None:
        """Write the conversation states, and where addresses lead."""
        await self._states.save(connection, self._new)
        # A conversation may have ended in this batch after an alias to it was made.
        new = [
            replace(alias, conversation_id=self._lead(alias.account_id, alias.alias_id))
            for alias in self._new
        ]
        await save_identities(connection, new, {key: self._lead(*key) for key in self._ended})

    def _lead(self, account_id: AccountId, address: ConversationId) -> ConversationId:
        found = lead(address, self._find(account_id), self._aliases[account_id])
        assert found is not None
        return found.conversation_id
