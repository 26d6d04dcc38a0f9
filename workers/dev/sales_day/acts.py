"""What people and other services do in the sales day."""

from typing import NamedTuple

from schemas.links import Entity, EntityType


class Writes(NamedTuple):
    """A contact writes on WhatsApp."""

    contact: str
    body: str
    picture: bool = False


class Repeats(NamedTuple):
    """Twilio posts a contact's last message once more."""

    contact: str


class Forges(NamedTuple):
    """Somebody who does not know the secret posts a message."""

    contact: str


class Imports(NamedTuple):
    """An importer brings what a contact wrote two days ago."""

    contact: str
    body: str


class Assigns(NamedTuple):
    """A user assigns a contact's conversation."""

    actor_id: str
    contact: str
    assignee_id: str


class Closes(NamedTuple):
    """A user closes a contact's conversation."""

    actor_id: str
    contact: str
    before_last_message: bool = False
    """Issued before the contact's last message, and delivered after it."""


class Deletes(NamedTuple):
    """A user deletes a contact's conversation."""

    actor_id: str
    contact: str


class Requests(NamedTuple):
    """A user asks for an entity in the CRM."""

    actor_id: str
    contact: str
    entity_type: EntityType
    name: str


class Links(NamedTuple):
    """A contact's conversation is linked to an entity of the CRM."""

    actor_id: str
    contact: str
    entity: Entity
    answers: bool = False
    """It is the CRM's answer to what was asked for last."""
    two_days_ago: bool = False
    """Issued then, and delivered now."""


class Replies(NamedTuple):
    """A user replies to a contact."""

    actor_id: str
    contact: str
    body: str


class Edits(NamedTuple):
    """Somebody edits the newest note of a contact's conversation in the CRM."""

    contact: str


class Leaves(NamedTuple):
    """A user becomes unavailable."""

    user_id: str


Asks = Assigns | Closes | Deletes | Requests | Links | Replies
"""What a user asks for by a command."""

Act = Writes | Repeats | Forges | Imports | Edits | Leaves | Asks
