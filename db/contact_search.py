"""Find conversations by the start of a contact's name or address; all addresses of a contact."""

from db.connect import AnyConnection
from db.queries import QUERIES
from db.sections import Place
from domain.conversation import Section
from domain.spellings import read_address
from schemas.fields import AccountId, ConversationId, UserId

CANDIDATES_MAX = 500
"""How many contacts a search looks at of each kind: by name, address and further address."""

ADDRESSES_MAX = 100
"""How many addresses of a contact are told: a message lists 21 at most."""


async def search_contacts(
    connection: AnyConnection,
    account_id: AccountId,
    user_id: UserId,
    contact: str,
    *,
    section: Section | None,
    after: Place,
    count: int,
) -> list[Place]:
    """Returns the places of the next conversations whose contact begins so, at most so many.

    A number is understood as people write it: with or without `+`, blanks, and the channel's
    prefix. With `section`, only conversations of that section of the user are returned.
    """
    rows = await connection.fetch(
        QUERIES["search_contacts"],
        account_id,
        contact,
        _start_of_address(contact),
        CANDIDATES_MAX,
        section,
        *after,
        count,
        user_id,
    )
    return [Place(*row) for row in rows]


def _start_of_address(contact: str) -> str | None:
    """Returns the start of an address without prefix and `+`; None if a text names none."""
    asked = read_address(contact)
    return asked.digits or asked.rest.lstrip("+") or None


async def contact_addresses(
    connection: AnyConnection, account_id: AccountId, conversation_id: ConversationId
) -> list[str]:
    """Returns all addresses of a conversation's contact, the conversation's own first."""
    query = QUERIES["contact_addresses"]
    rows = await connection.fetch(query, account_id, conversation_id, ADDRESSES_MAX)
    return [row["address"] for row in rows]
